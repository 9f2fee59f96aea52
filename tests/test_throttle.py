"""Windows wait for standbys, WAL, sessions, a rate and a user's query, and say for what."""

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from django.db import connection
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from app.localpg.server import Server
from app.rotation.engine.db.session import Session
from app.rotation.engine.db.stop import StopSwitch
from app.rotation.engine.errors import RotationError, Stopped
from app.rotation.engine.options import LiveOptions, Options
from app.rotation.engine.runner import RotationDriver
from app.rotation.engine.table.target import TargetName
from app.rotation.engine.throttle.probes import ask
from app.rotation.engine.throttle.standbys import LagClock, wait_for_standbys
from app.rotation.engine.throttle.throttle import Throttle, TokenBucket
from app.rotation.management.console import progress_line
from tests.conftest import (
    MIGRATED,
    Database,
    make_server,
    read_until,
    running,
    standby_of,
    until,
)
from tests.test_interruption import gate, waiting_at_gate
from tests.test_progress import HALF

RUN = ("rotate_tokens_sql", "--window", "50", "--progress", "lines")


def status(db: Database) -> dict:
    return json.loads(db.call("rotation", "status", "--json").out)


def windows(db: Database) -> int:
    return db.value("SELECT count(*) FROM rotation_window")


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


def test_role_that_may_not_see_standbys(db: Database, standby: Server) -> None:
    name = db.name
    db.sql(f"CREATE ROLE {name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name};"
           f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {name}")  # fmt: skip
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{name}@"))
    try:
        done = db.run(*RUN, env=environment)
        assert done.code == 1
        assert "this role may not see how far behind they are: GRANT pg_monitor to it" in done.err
        assert db.value("SELECT count(*) FROM rotation") == 0
        blind = ("--max-lag", "off", "--no-wait-replicas")
        assert db.run(*RUN, *blind, env=environment).code == 0
        db.sql(f"GRANT pg_monitor TO {name}")
        assert db.run(*RUN, "--new", env=environment).code == 0
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_no_database_while_windows_are_held_back(db: Database) -> None:
    """The run ends at its deadline, as it does from within a window."""
    db.tickets(100)
    options = Options(standbys=("nobody",), outage_seconds=1.0, ack_triggers=True)
    driver = RotationDriver("default", TargetName("ticket"), options, StopSwitch(), lambda _: None)

    def crash() -> None:
        held = [("standby nobody is not connected",)]
        until(lambda: db.sql("SELECT throttle FROM rotation") == held)
        db.server.stop("immediate")

    thread = threading.Thread(target=crash)
    thread.start()
    with pytest.raises(Stopped, match=r"no database for 1 s .*run the same command again"):
        driver.run()
    thread.join()
    db.server.ensure()
    assert db.run(*RUN).code == 0
    db.each_once(100)


@pytest.fixture
def slot(db: Database) -> Iterator[str]:
    """A replication slot that nobody reads."""
    db.tickets(1000)
    db.sql("SELECT pg_create_physical_replication_slot('dead', true)")
    yield "dead"
    if db.value("SELECT count(*) FROM pg_replication_slots"):
        db.sql("SELECT pg_drop_replication_slot('dead')")


def test_dead_slot(db: Database, slot: str) -> None:
    child = db.start(*RUN, "--max-wal", "1kB")
    output = read_until(child, "throttled: ")
    assert "throttled: the replication slot dead (inactive) holds back " in output
    assert " of WAL (limit 1 kB)" in output
    db.sql("SELECT pg_drop_replication_slot('dead')")
    assert child.wait(60) == 0
    db.each_once(1000)


def test_slot_that_holds_back_too_much_ends_the_run(db: Database, slot: str) -> None:
    done = db.run(*RUN, "--critical-wal", "1kB")
    assert done.code == 3
    assert "more than --critical-wal 1 kB: fix that, then run the same command again" in done.err


def test_query_of_a_user(db: Database) -> None:
    """True makes windows wait, false lets them go; an error makes them wait and is shown."""
    db.tickets(3000)
    db.sql("CREATE TABLE busy (percent numeric); INSERT INTO busy VALUES (70)")
    query = "SELECT percent > 50 FROM busy -- 100 % of the time"
    child = db.start("rotate_tokens_sql", "--window", "5", "--progress", "lines",
                     "--throttle-sql", query, "--nice", "0.5")  # fmt: skip
    read_until(child, "throttled: --throttle-sql returned true")
    assert windows(db) == 0
    db.sql("UPDATE busy SET percent = 10")
    until(lambda: windows(db) > 3)
    db.sql("ALTER TABLE busy RENAME TO idle")
    until(lambda: status(db)["throttle"] ==
          "--throttle-sql could not be measured (running the query: PostgreSQL answered"
          " undefined table (SQLSTATE 42P01))")  # fmt: skip
    db.sql("ALTER TABLE idle RENAME TO busy; UPDATE busy SET percent = 0")
    assert child.wait(60) == 0
    db.each_once(3000)


ANSWERS = {
    "SELECT true": True,
    "SELECT false -- and 100 % more": False,
    "SELECT 7": 7.0,
    "VALUES (0)": 0.0,
    'SELECT 0.5::float4 AS "a\'b<{x}%s"': 0.5,
    "SELECT -1e400::numeric": float("-inf"),
    "SELECT 'Infinity'::float8;": float("inf"),
    "WITH one AS (SELECT '12'::text) TABLE one": 12.0,
    "SELECT count(*) FROM generate_series(1, 3000)": 3000.0,
}


@pytest.mark.parametrize(("query", "answer"), ANSWERS.items())
def test_answers_of_a_query(db: Database, query: str, answer: float | bool) -> None:
    found = ask(Session("default"), query)
    assert found == answer
    assert type(found) is type(answer)


#: What writes, or ends the transaction that keeps a query from it, or lets it write.
ATTACKS = [
    "commit; delete from ticket where id <= 10; select false",
    "rollback; delete from ticket; select false",
    "COMMIT AND CHAIN",
    "END; BEGIN; DELETE FROM ticket; COMMIT; SELECT false",
    "select false; commit; delete from ticket",
    "SAVEPOINT one; DELETE FROM ticket; SELECT false",
    "PREPARE TRANSACTION 'one'",
    "SET TRANSACTION READ WRITE; DELETE FROM ticket; SELECT false",
    "SET TRANSACTION READ WRITE",
    "SET transaction_read_only = off; DELETE FROM ticket; SELECT false",
    "SELECT set_config('transaction_read_only', 'off', false) = 'x'",
    "SELECT set_config('transaction_read_only', 'off', true) = 'x' OR writes()",
    "DO $$ BEGIN COMMIT; DELETE FROM ticket; END $$",
    "DO $$ BEGIN DELETE FROM ticket; END $$; SELECT false",
    "CALL commits()",
    "CALL returns(false)",
    "SELECT writes()",
    "SELECT opens()",
    "SELECT nextval('counted') > 0",
    "SELECT setval('counted', 99) > 0",
    "SELECT lo_create(4711) = 0",
    "COPY ticket TO PROGRAM 'touch {file}'",
    "COPY (SELECT 1) TO '{file}'",
    "COPY ticket FROM PROGRAM 'touch {file}'",
    "EXPLAIN ANALYZE DELETE FROM ticket",
    "EXPLAIN (ANALYZE, FORMAT JSON) UPDATE ticket SET title = 'y'",
    "DELETE FROM ticket RETURNING false",
    "UPDATE ticket SET title = 'y'",
    "WITH gone AS (DELETE FROM ticket RETURNING id) SELECT count(*) FROM gone",
    "SELECT count(*) FROM (SELECT 1 FROM ticket FOR UPDATE) AS t",
    "SELECT false INTO made",
    "CREATE TABLE made AS SELECT false",
    "CREATE TEMPORARY TABLE made (id int)",
    "CREATE FUNCTION pg_temp.f() RETURNS bool LANGUAGE sql AS 'SELECT true'; SELECT pg_temp.f()",
    "TRUNCATE ticket",
    "DROP TABLE ticket; SELECT false",
    "LOCK TABLE ticket",
    "NOTIFY somebody",
    "VACUUM ticket",
    "ALTER SYSTEM SET log_min_messages = 'panic'",
    "DECLARE one CURSOR WITH HOLD FOR SELECT false",
    "PREPARE one AS DELETE FROM ticket; EXECUTE one",
    "EXECUTE one",
    "SELECT query_to_xml('DELETE FROM ticket', true, false, '') IS NULL",
    "SELECT ts_stat('commit') IS NULL",
    "$ask$; DELETE FROM ticket; DO $ask$ BEGIN END",
    "' ; COMMIT; DELETE FROM ticket; SELECT '",
    "SELECT 1; DELETE FROM ticket; --",
    "SELECT set_config('rotation.query', 'DELETE FROM ticket', false) IS NULL",
    "SELECT set_config('default_transaction_read_only', 'on', false) IS NULL",
    "SELECT set_config('search_path', 'nowhere', false) IS NULL",
    "SELECT set_config('role', 'nobody', false) IS NULL",
]
KNOWN = """
    SELECT
        (SELECT pg_catalog.sum(pg_catalog.hashtext(ticket::text)) FROM public.ticket),
        (SELECT last_value FROM public.counted),
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class),
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_proc),
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata),
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_xacts)
"""
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name <> 'application_name' ORDER BY 1"


def attack(db: Database, query: str, file: Path, ask: Callable[[str], None]) -> None:
    """Nothing is written by a query, whatever became of it."""
    db.tickets(20)
    db.sql(
        "CREATE SEQUENCE counted;"
        "CREATE PROCEDURE commits() LANGUAGE plpgsql AS"
        " 'BEGIN COMMIT; DELETE FROM ticket; COMMIT; END';"
        "CREATE PROCEDURE returns(INOUT one bool) LANGUAGE plpgsql AS"
        " 'BEGIN COMMIT; DELETE FROM ticket; one := false; END';"
        "CREATE FUNCTION writes() RETURNS bool LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM ticket; RETURN false; END';"
        "CREATE FUNCTION opens() RETURNS bool LANGUAGE plpgsql AS"
        " 'BEGIN SET TRANSACTION READ WRITE; DELETE FROM ticket; RETURN false; END'"
    )
    before = db.sql(KNOWN)
    ask(query.replace("{file}", str(file)))
    assert db.sql(KNOWN) == before
    assert not file.exists()


@pytest.mark.parametrize("query", ATTACKS)
def test_query_that_would_write(db: Database, query: str, tmp_path: Path) -> None:
    """It is refused or has no effect, and nothing of it stays in the monitor's session."""
    session = Session("default")

    def once(asked: str) -> None:
        ask(session, "SELECT true")  # PL/pgSQL, once loaded, has settings of its own
        cursor = connection.cursor()
        cursor.execute(SETTINGS)
        settings = cursor.fetchall()
        with contextlib.suppress(RotationError):
            assert ask(session, asked) is False
        cursor.execute(SETTINGS)
        assert cursor.fetchall() == settings
        assert connection.connection.info.transaction_status == TRANSACTION_STATUS_IDLE

    attack(db, query, tmp_path / "made", once)


@pytest.mark.parametrize("query", ATTACKS[:3])
def test_query_that_would_write_in_a_dry_run(db: Database, query: str, tmp_path: Path) -> None:
    def once(asked: str) -> None:
        done = db.call("rotate_tokens_sql", "--dry-run", "--throttle-sql", asked)
        assert done.code == 2
        assert "--throttle-sql: running the query: PostgreSQL answered read only" in done.err
        assert len(done.err.splitlines()) == 1

    attack(db, query, tmp_path / "made", once)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELEC 1", "--throttle-sql: running the query: PostgreSQL answered syntax error"),
        ("SELECT 'many'", "--throttle-sql: the query must return one boolean or one number"),
        ("SELECT 1 WHERE false", "--throttle-sql: the query must return one boolean"),
        ("", "--throttle-sql: "),
        ("DELETE FROM ticket", "--throttle-sql: running the query: PostgreSQL answered read only"),
        ("SELECT token FROM ticket", "--throttle-sql: the query must return one boolean"),
        ("SELECT true, true", "--throttle-sql: the query must return one boolean"),
        ("SELECT true FROM ticket", "--throttle-sql: the query must return one boolean"),
        ("SELECT NULL::boolean", "--throttle-sql: the query must return one boolean"),
        ("SELECT ARRAY[1]", "--throttle-sql: the query must return one boolean"),
        ("SELECT repeat('1', 2000)", "--throttle-sql: the query must return one boolean"),
        ("SELECT true; SELECT false", ": give one query that reads, and nothing else"),
    ],
)
def test_query_that_is_none(db: Database, query: str, says: str) -> None:
    db.tickets(5)
    done = db.run("rotate_tokens_sql", "--throttle-sql", query)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert len(done.err.splitlines()) == 1
    assert db.value("SELECT count(*) FROM rotation") == 0


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("--max-lag", "soon", "argument --max-lag: invalid value 'soon'; expected seconds or off"),
        ("--max-lag", "0", "--max-lag 0.0: expected 0.1 to 86400 seconds"),
        (
            "--max-wal",
            "5x",
            "argument --max-wal: invalid value '5x'; expected a size, e.g. 512MB, or off",
        ),
        ("--max-wal", "0", "--max-wal 0: expected 1 to 1000000000000000 bytes"),
        ("--max-rate", "0", "--max-rate 0.0: expected 1 to 1000000000 rows a second"),
        ("--nice", "-1", "--nice -1.0: expected 0 to 1000 seconds of rest"),
        (
            "--max-waiting",
            "few",
            "argument --max-waiting: invalid value 'few'; expected a number or off",
        ),
        ("--workers", "0", "--workers 0: expected 1 to 64 threads"),
        ("--lanes", "0", "--lanes 0: expected 1 to 1024 ranges"),
    ],
)
def test_limits_that_are_none(db: Database, flag: str, value: str, says: str) -> None:
    done = db.run("rotate_tokens_sql", f"{flag}={value}")
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("workers", ["1", "3"])
def test_rate_of_all_workers_together(db: Database, workers: str) -> None:
    db.tickets(3000)
    done = db.run("rotate_tokens_sql", "--max-rate", "1000", "--workers", workers, "--lanes", "3",
                  "--progress", "json")  # fmt: skip
    assert done.code == 0
    rows, seconds = db.sql(
        "SELECT sum(rows)::int, extract(epoch FROM max(finished_at) - min(finished_at))::float"
        " FROM rotation_window"
    )[0]
    assert rows / seconds < 1500  # the first window of each worker is free
    assert db.value("SELECT max(rows) FROM rotation_window") <= 500
    shares = [json.loads(line).get("throttled_share") for line in done.out.splitlines()]
    assert any(share and share > 0.5 for share in shares)


def test_rate_of_two_processes_together(db: Database) -> None:
    """Each takes its share, once it has seen the other's windows."""
    db.tickets(9000)
    flags = ("--max-rate", "1500", "--lanes", "4", "--workers", "1", "--progress", "none")
    children = [db.start("rotate_tokens_sql", *flags) for _ in range(2)]
    until(lambda: db.value("SELECT count(DISTINCT worker) FROM rotation_window") == 2)
    began = db.value("SELECT clock_timestamp() + interval '2 seconds'")
    assert [child.wait(60) for child in children] == [0, 0]
    rows, seconds = db.sql(
        "SELECT sum(rows), extract(EPOCH FROM max(finished_at) - min(finished_at))::float8"
        " FROM rotation_window WHERE finished_at > %s", began
    )[0]  # fmt: skip
    assert seconds > 1
    assert float(rows) / seconds < 1500 * 1.4


def test_nice_rests_as_long_as_it_works(db: Database) -> None:
    db.tickets(2000)
    assert db.run("rotate_tokens_sql", "--window", "100", "--nice", "1").code == 0
    worked, rested = db.sql("SELECT sum(milliseconds), sum(throttled) FROM rotation_window")[0]
    assert rested > 0.5 * worked
    assert db.value("SELECT count(*) FROM rotation_window WHERE throttle = '--nice 1'") > 10


def test_sessions_that_wait_for_our_rows(db: Database) -> None:
    db.tickets(200)
    waiting = [
        threading.Thread(target=db.sql, args=(f"UPDATE ticket SET title = 'y' WHERE id = {key}",))
        for key in (1, 2, 3)
    ]
    with gate(db, "batchprogress", "BEFORE UPDATE"):
        child = db.start(*RUN, "--max-waiting", "2", "--lock-timeout", "600000")
        until(lambda: waiting_at_gate(db))
        for thread in waiting:
            thread.start()
        until(lambda: status(db)["throttle"] ==
              "3 sessions wait for rows that windows hold (limit 2)")  # fmt: skip
    assert child.wait(60) == 0
    for thread in waiting:
        thread.join()


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


def test_token_bucket(monkeypatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    bucket = TokenBucket()
    assert bucket.owes(100) == 0
    bucket.spend(50)
    assert bucket.owes(100) == 0.5
    now = 0.4
    assert bucket.owes(100) == pytest.approx(0.1)
    now = 0.51
    assert bucket.owes(100) == 0


def test_throttle_fails_closed_until_the_first_look() -> None:
    throttle = Throttle(LiveOptions(Options()))
    assert throttle.reason()
    throttle.learn("", 1.0)
    assert throttle.reason() is None


def test_remaining_time_counts_what_is_waited() -> None:
    half = replace(HALF, throttled_share=0.5)
    assert half.eta_seconds == 2 * (HALF.eta_seconds or 0)
    assert progress_line(half).endswith(
        "| 1000 rows/s | throttled 50 % of the time".replace("50 %", "50%")
    )
    held = replace(half, throttle="replica lag 12 s on standby1 (limit 10 s)", idle_seconds=40.0)
    assert held.eta_seconds is None
    assert "remaining time: unknown" in progress_line(held)
    assert progress_line(held).endswith(
        "throttled 50% of the time, now by replica lag 12 s on standby1 (limit 10 s)"
    )


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
            target=lambda: found.extend(wait_for_standbys(driver, options, lambda: None))
        )
        end.start()
        db.sql("CREATE TABLE written_meanwhile AS SELECT generate_series(1, 1000)")
        standby.ensure()
        with replay_paused(standby):
            until(lambda: db.value("SELECT count(*) FROM pg_stat_replication WHERE replay_lsn > '0/0'"))
            db.sql("INSERT INTO written_meanwhile SELECT generate_series(1, 1000)")
        end.join(60)
    assert found == ["standby1"]


def test_archiver_that_never_succeeds(db: Database) -> None:
    """What it fails at first is the oldest WAL that waits for it."""
    server = make_server(db.server.binaries, archive_mode="on", archive_command="false")
    with running(server):
        server.ensure(MIGRATED)
        mine = Database(server, MIGRATED)
        assert mine.run("migrate", "-v", "0").code == 0
        mine.tickets(1000)
        mine.sql("SELECT pg_switch_wal()")
        until(lambda: mine.value("SELECT failed_count FROM pg_stat_archiver"))
        child = mine.start(*RUN, "--max-wal", "1kB")
        assert "the archiver holds back" in read_until(child, "throttled: the archiver")
        assert mine.run("rotation", "tune", "max_wal=off").code == 0
        child.communicate(timeout=60)
        assert child.returncode == 0


def test_watch_without_a_connection_lets_nobody_go(db: Database) -> None:
    """Its backend is killed, and it can't come back: windows wait, and say why."""
    db.tickets(3000)
    name = db.name
    db.sql(f"CREATE ROLE {name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name};"
           f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {name}")  # fmt: skip
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{name}@"))
    try:
        child = db.start(*RUN, "--max-rate", "200", env=environment)
        until(lambda: windows(db) > 1)
        watch = "SELECT pid FROM pg_stat_activity WHERE query ~ 'SET throttle' AND usename = %s"
        pid = until(lambda: db.sql(watch, name))[0][0]
        db.sql(f"ALTER ROLE {name} CONNECTION LIMIT 1")
        db.sql("SELECT pg_terminate_backend(%s)", pid)
        read_until(child, "throttled: the server could not be checked")
        held = windows(db)
        time.sleep(1.5)
        assert windows(db) == held
        db.sql(f"ALTER ROLE {name} CONNECTION LIMIT -1")
        assert child.wait(60) == 0
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")
    db.each_once(3000)
