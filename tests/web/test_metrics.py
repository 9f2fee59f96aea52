"""What Prometheus gets."""

import socket
import time
import urllib.error
import urllib.request
from contextlib import closing

from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Database, until
from tests.operations.recording import status
from tests.servers import standby_of
from tests.web.site import RUN, in_new_process, scrape


def test_metrics_are_off_unless_asked_for(db: Database, viewer: Client) -> None:
    assert viewer.get("/metrics").status_code == 404
    code = (
        "from django.core.wsgi import get_wsgi_application; get_wsgi_application();"
        "from django.test import Client;"
        "print(Client(SERVER_NAME='localhost').get('/metrics').content.decode())"
    )
    done = in_new_process(db, code, METRICS="1", DJANGO_SETTINGS_MODULE="app.settings")
    assert "rotation_rows_done" in done.out


def test_metrics(db: Database) -> None:
    db.tickets(60)
    assert db.run(*RUN).code == 0
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(scrape(db))
        for sample in family.samples
        if sample.labels.get("status", "succeeded") == "succeeded"
    }
    assert found["rotation_rows_done"] == found["rotation_rows_total"] == 60
    assert found["rotation_rows_remaining"] == found["rotation_survivors"] == 0
    assert found["rotation_status"] == 1


def samples(db: Database) -> dict[str, float]:
    """Prometheus' samples by name, of a database with one rotation."""
    families = text_string_to_metric_families(scrape(db))
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_metrics_of_one_that_is_held_back(slow: Database) -> None:
    until(lambda: samples(slow)["rotation_throttled"] == 1)
    found = samples(slow)
    assert 0 < found["rotation_rows_per_second"] <= 100  # waits are part of it
    assert 0.1 < found["rotation_throttled_share"] < 1
    assert found["rotation_eta_seconds"] > 5
    assert slow.run("rotation", "pause").code == 0
    until(lambda: status(slow) == "paused")
    assert "rotation_eta_seconds" not in samples(slow)


def test_metrics_name_the_standby_that_is_furthest_behind(db: Database) -> None:
    """Two bear one name; whichever of them is asked for first."""
    with standby_of(db.server) as one, standby_of(db.server) as two:
        until(
            lambda: db.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 2
        )
        for behind, ahead in ((one, two), (two, one)):
            Database(behind, "postgres").sql("SELECT pg_wal_replay_pause()")
            Database(ahead, "postgres").sql("SELECT pg_wal_replay_resume()")
            db.sql("CREATE TABLE more AS SELECT generate_series(1, 50000)")
            db.sql("DROP TABLE more")
            until(lambda: samples(db)["rotation_standby_lag_bytes"] > 1_000_000)
            time.sleep(1)  # the other one has replayed it by now
            assert samples(db)["rotation_standby_lag_bytes"] > 1_000_000


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("", 0))
        return int(taken.getsockname()[1])


def ask(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def test_a_run_answers_without_the_site(db: Database) -> None:
    db.tickets(300)
    port = free_port()
    child = db.start(*RUN, "--max-rate", "60", "--metrics-port", str(port))
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    (family,) = (
        one for one in text_string_to_metric_families(ask(port)) if one.name == "rotation_rows_total"
    )
    (sample,) = family.samples
    assert sample.value == 300
    assert sample.labels["database"] == "default"
    assert 'rotation_database_up{database="default"} 1.0' in ask(port)
    with closing(
        socket.create_connection(("::1", port) if socket.has_ipv6 else ("127.0.0.1", port))
    ) as gone:
        gone.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")  # and it does not read the answer
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", method="HEAD")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert (answer.status, answer.read()) == (200, b"")
    try:
        ask(port, "/")
    except urllib.error.HTTPError as error:
        assert error.code == 404
    assert db.run("rotation", "tune", "max_rate=off").code == 0
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert "GET" not in out
    assert "Traceback" not in out
    with socket.socket() as gone:
        assert gone.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_can_not_be_had(db: Database) -> None:
    db.tickets(10)
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        for port, why in (
            (taken.getsockname()[1], "address already in use"),
            (70_000, "port must be"),
            (0, ""),
        ):
            done = db.run(*RUN, "--metrics-port", str(port))
            assert (done.code, len(done.err.splitlines())) == (2, 1), done
            assert f"--metrics-port {port}: " in done.err
            assert why in done.err
    assert db.unchanged() == 10


def test_a_database_that_can_not_be_read_is_down(db: Database) -> None:
    db.sql("ALTER SCHEMA public RENAME TO elsewhere")
    assert 'rotation_database_up{database="default"} 0.0' in scrape(db)
