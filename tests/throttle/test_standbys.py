"""Windows wait for standbys, and so does the end, and say for whom."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg2
import pytest

from app.localpg.server import Server
from app.rotation.engine.db.session import Session
from app.rotation.engine.kept import LiveOptions
from app.rotation.engine.options import Options
from app.rotation.engine.throttle.standbys import LagClock, wait_for_standbys
from tests.conftest import SERVER, Database, databases, migrated, read_until, until
from tests.servers import make_server, running, standby_of
from tests.throttle.small_windows import RUN, status, windows


@pytest.fixture
def standby(db: Database) -> Iterator[Server]:
    db.tickets(1000)
    with standby_of(db.server) as server:
        until(lambda: db.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"))
        yield server


@contextmanager
def replay_paused(standby: Server) -> Iterator[Callable[[], None]]:
    """The standby receives and does not replay, until the block ends or what it yields is called."""
    with closing(psycopg2.connect(**standby.address())) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT pg_wal_replay_pause()")
        stack = ExitStack()
        stack.callback(cursor.execute, "SELECT pg_wal_replay_resume()")
        try:
            yield stack.close
        finally:
            stack.close()


@pytest.mark.long
def test_standby_that_does_not_replay(db: Database, standby: Server) -> None:
    """Throttled with its name, in the output, the status and the journal; then it continues."""
    with replay_paused(standby) as resume:
        child = db.start(*RUN, "--max-lag", "1", "--max-rate", "300")
        output = read_until(child, "throttled: replica lag")
        assert " s on standby1 (limit 1 s)" in output.splitlines()[-1]
        until(lambda: (status(db)["throttle"] or "").startswith("replica lag"))
        reached = windows(db)
        assert db.value("SELECT count(*) FROM changes") < 1000
        resume()
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert windows(db) > reached
    assert "; replayed by standby1" in out
    assert status(db)["throttle"] is None
    assert db.value("SELECT sum(throttled) FROM rotation_window WHERE throttle ~ 'replica lag'") > 500
    db.each_once(1000)


def test_done_only_after_replay(db: Database, standby: Server) -> None:
    with replay_paused(standby) as resume:
        child = db.start(*RUN, "--max-lag", "off")
        output = read_until(child, "the last step waits for")
        assert "the last step waits for standby1 to replay" in output
        assert db.value("SELECT status FROM rotation") == "verifying"
        assert db.unchanged() == 0
        assert child.poll() is None
        resume()
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    with closing(psycopg2.connect(**standby.address(db.name))) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ticket JOIN before ON before.token = ticket.token::text")
        assert cursor.fetchone() == (0,)
    db.each_once(1000)


def test_connections_lost_while_the_end_waits(db: Database, standby: Server) -> None:
    """Wherever it is, when it looks at the rotation too: the run waits on by itself."""
    blocked = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE NOT granted"
    blocked += " AND relation = 'rotation'::regclass"
    with replay_paused(standby) as resume:
        child = db.start(*RUN, "--max-lag", "off")
        read_until(child, "the last step waits for standby1 to replay")
        with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
            cursor.execute("LOCK TABLE rotation")
            time.sleep(1)  # more than two looks: each of its sessions has come to wait
            assert db.value(blocked) > 0
        time.sleep(1)
        assert child.poll() is None
        resume()
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    db.each_once(1000)


def test_no_wait_replicas(db: Database, standby: Server) -> None:
    with replay_paused(standby):
        done = db.run(*RUN, "--max-lag", "off", "--no-wait-replicas")
        assert (done.code, "replayed by" in done.out) == (0, False)


def test_stop_while_the_end_waits_for_a_standby(db: Database, standby: Server) -> None:
    with replay_paused(standby):
        child = db.start(*RUN, "--max-lag", "off")
        read_until(child, "the last step waits for")
        child.send_signal(signal.SIGTERM)
        out = child.communicate(timeout=20)[0]
        assert child.returncode == 3
        assert "run the same command again" in out.splitlines()[-1]
    assert db.run(*RUN).code == 0
    db.each_once(1000)


def test_standby_too_far_behind_ends_the_run(db: Database, standby: Server) -> None:
    with replay_paused(standby):
        done = db.run(*RUN, "--max-lag", "off", "--critical-lag", "1", "--nice", "100")
    assert done.code == 3
    assert " s on standby1 exceeds --critical-lag 1: run the same command again when" in done.err
    assert db.run(*RUN).code == 0
    db.each_once(1000)


def test_standby_behind_in_bytes(db: Database, standby: Server) -> None:
    with replay_paused(standby) as resume:
        child = db.start(*RUN, "--max-lag", "off", "--max-lag-bytes", "1kB")
        output = read_until(child, "throttled: standby1 is")
        assert " of WAL behind (limit 1 kB)" in output
        resume()
    assert child.wait(60) == 0


def test_required_standby(db: Database) -> None:
    """One that is lost makes windows wait, until it is back."""
    db.tickets(1000)
    child = db.start(*RUN, "--standby", "standby1")
    output = read_until(child, "throttled: standby standby1 is not connected")
    assert "warn: standby standby1 is not connected: windows wait until it is" in output
    assert windows(db) == 0
    with standby_of(db.server):
        out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert "; replayed by standby1" in out
    db.each_once(1000)


@pytest.mark.long
def test_standby_that_is_no_longer_meant(db: Database) -> None:
    """It was named, and will never come: windows and the end wait, until it is tuned away."""
    db.tickets(500)
    child = db.start(*RUN, "--standby", "gone")
    read_until(child, "throttled: standby gone is not connected")
    assert windows(db) == 0
    done = db.run("rotation", "tune", "standbys=gone,other")
    assert (done.code, "standbys=gone,other, effective" in done.out) == (0, True), done.err
    until(lambda: "standby other is not connected" in (status(db)["throttle"] or ""))
    done = db.run("rotation", "tune", "standbys=off")
    assert (done.code, "standbys=off, effective" in done.out) == (0, True), done.err
    assert child.wait(60) == 0
    db.each_once(500)


def test_role_that_may_not_see_standbys(db: Database, standby: Server) -> None:
    name = db.name
    db.sql(f"CREATE ROLE {name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name};"
           f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {name}")  # fmt: skip
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{name}@"))
    try:
        asked = db.run(*RUN, "--max-lag", "5", env=environment)
        assert asked.code == 1
        assert "this role can't see how far standbys are behind" in asked.err
        assert "GRANT pg_monitor" in asked.err
        assert "or run with --max-lag off" in asked.err
        assert db.value("SELECT count(*) FROM rotation") == 0
        done = db.run(*RUN, env=environment)  # the default limit is no reason to refuse
        assert done.code == 0
        assert "windows don't wait for standbys, nor does the end" in done.out
        db.sql(f"GRANT pg_monitor TO {name}")
        assert db.run(*RUN, "--new", env=environment).code == 0
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_lag_clock_goes_on_while_replay_stands_still(monkeypatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    clock = LagClock()
    assert clock.lag(1000, 1000) == 0
    for second in range(1, 6):
        now = 100.0 + second
        assert clock.lag(1000 + second, 1000) == second - 1
    assert clock.lag(1005, 1003) == 1  # what was written at second 4 is not there yet
    assert clock.lag(1005, 1005) == 0


def test_two_standbys_of_one_name(db: Database) -> None:
    """Each of them counts: the end waits for the one that does not replay."""
    db.tickets(500)
    with standby_of(db.server, "walreceiver") as one, standby_of(db.server, "walreceiver") as other:
        until(lambda: db.value("SELECT count(*) FROM pg_stat_replication") == 2)
        for paused in (one, other):
            with replay_paused(paused) as resume:
                child = db.start(*RUN, "--new", "--max-lag", "off")
                read_until(child, "the last step waits for walreceiver to replay")
                resume()
            out = child.communicate(timeout=60)[0]
            assert child.returncode == 0, out
            assert "; replayed by walreceiver (2)" in out


@pytest.mark.long
def test_required_standby_that_is_lost_under_way(db: Database) -> None:
    """Windows wait as soon as it is gone, and continue when it is back; the end waits for its replay."""
    db.tickets(3000)
    with standby_of(db.server) as standby:
        until(lambda: db.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"))
        child = db.start(*RUN, "--standby", "standby1", "--max-rate", "500")
        until(lambda: windows(db) > 2)
        standby.stop("fast")
        read_until(child, "throttled: standby standby1 is not connected")
        held = windows(db)
        assert db.value("SELECT status FROM rotation") == "running"
        standby.ensure()
        out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert "; replayed by standby1" in out
    assert windows(db) > held
    db.each_once(3000)


def test_end_waits_for_a_required_standby_that_comes_late(db: Database) -> None:
    """It was not there when the end began to wait: that it connects is not enough."""
    db.tickets(200)
    with standby_of(db.server) as standby:
        standby.stop("fast")
        until(lambda: not db.value("SELECT count(*) FROM pg_stat_replication"))
        driver = Session("default")
        options = Options(standbys=("standby1",))
        found: list[str] = []
        end = threading.Thread(
            target=lambda: found.extend(wait_for_standbys(driver, LiveOptions(options, 1), lambda: None))
        )
        end.start()
        db.sql("CREATE TABLE written_meanwhile AS SELECT generate_series(1, 1000)")
        standby.ensure()
        with replay_paused(standby):
            until(lambda: db.value("SELECT count(*) FROM pg_stat_replication WHERE replay_lsn > '0/0'"))
            db.sql("INSERT INTO written_meanwhile SELECT generate_series(1, 1000)")
        end.join(60)
    assert found == ["standby1"]


@pytest.mark.long
def test_logical_subscriber_is_no_standby() -> None:
    """It says how far it is in its own stream, which may be of another database."""
    with running(make_server(SERVER.binaries, wal_level="logical")) as server:
        migrated(server)
        for db in databases(server):
            db.tickets(100)
            db.sql("CREATE DATABASE reader")
            db.sql("CREATE TABLE note (id int PRIMARY KEY); CREATE PUBLICATION notes FOR TABLE note")
            db.sql("SELECT pg_create_logical_replication_slot('reader', 'pgoutput')")
            reader = Database(server, "reader")
            reader.sql("CREATE TABLE note (id int PRIMARY KEY)")
            try:
                reader.sql(
                    f"CREATE SUBSCRIPTION reader CONNECTION 'host={server.sockets} user=postgres"
                    f" dbname={db.name}' PUBLICATION notes"
                    " WITH (create_slot = false, slot_name = 'reader', copy_data = false)"
                )
                until(lambda: db.value("SELECT count(*) FROM pg_stat_replication"))  # noqa: B023
                done = db.run(*RUN)
                assert done.code == 0, done.err
                assert "survive in public.ticket.token, checked" in done.out
                assert "replayed by" not in done.out
            finally:
                reader.sql("ALTER SUBSCRIPTION reader DISABLE")
                reader.sql("ALTER SUBSCRIPTION reader SET (slot_name = NONE)")
                reader.sql("DROP SUBSCRIPTION reader")
                until(lambda: not db.value("SELECT count(*) FROM pg_stat_replication"))  # noqa: B023
                db.sql("SELECT pg_drop_replication_slot('reader')")
                db.sql("DROP DATABASE reader WITH (FORCE)")
