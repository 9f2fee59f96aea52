"""What Prometheus gets."""

import time

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
