"""Signals, kill -9, crashes and lost connections: nothing is lost, nothing is done twice."""

import os
import random
import signal
import subprocess
import threading
import time
from contextlib import closing

import pytest

from app.rotation.engine.db.stop import SIGNALS
from tests.conftest import WITHOUT_GUARD, Database, kill, read_until, until
from tests.cutter import cutting
from tests.work.gates import GATES, RUN, gate, waiting_at_gate


@pytest.mark.parametrize("place", GATES)
def test_kill_at_gate(db: Database, place: str) -> None:
    """kill -9 while the window stands at the gate: rolled back, and a rerun does it once."""
    db.tickets(250)
    with gate(db, *GATES[place]):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        kill(child)
        until(lambda: not waiting_at_gate(db), 5)  # the server noticed that its client is gone
    db.agrees()
    assert db.run(*RUN).code == 0
    db.each_once(250)


def test_kill_between_windows(db: Database) -> None:
    db.tickets(250)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        child = db.start("rotate_tokens_sql", "--window", "1", "--progress", "json")
        read_until(child, "window_done")
        # With the checkpoint row locked it is between two windows, and can't begin the next.
        cursor.execute("SELECT FROM batchprogress FOR UPDATE")
        read_until(child, "standing_by")
        kill(child)
        db.agrees()
    assert db.run(*RUN).code == 0
    db.each_once(250)


def test_kill_at_random_moments(db: Database) -> None:
    """Twenty kills, wherever they hit, and every row is rotated exactly once."""
    db.tickets(6000)
    seed = int(os.environ.get("ROTATION_SEED", time.time()))
    print("seed", seed)  # noqa: T201
    chance = random.Random(seed)
    killed = 0
    while killed < 20:
        child = db.start("rotate_tokens_sql", "--window", "25", "--progress", "json")
        line = next(
            line for line in child.stdout or [] if '"found"' not in line and '"connected"' not in line
        )
        if "began" not in line:
            assert "finished" in line, line
            break
        time.sleep(chance.uniform(0, 0.06))
        kill(child)
        killed += 1
        db.agrees()
    assert killed >= 10, "the rotation was over before it could be killed often enough"
    assert db.run(*RUN).code == 0
    db.each_once(6000)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_finishes_the_window(db: Database, number: signal.Signals) -> None:
    db.tickets(250)
    with gate(db, "batchprogress", "BEFORE UPDATE"):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        child.send_signal(number)
        output = read_until(child, "finishing the current window")
    assert child.wait(30) == 3
    output += child.stdout.read() if child.stdout else ""
    assert f"Stopped: after 100 rows, by {number.name}; run the same command again" in output
    assert db.value("SELECT last_id FROM batchprogress") == "100"
    db.agrees()
    assert db.value("SELECT worker FROM batchprogress") == ""  # so that a rerun need not wait
    assert db.run(*RUN).code == 0
    db.each_once(250)


def test_two_signals_cancel_the_statement(db: Database) -> None:
    db.tickets(250)
    with gate(db, "ticket", "BEFORE UPDATE"):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        child.send_signal(signal.SIGINT)
        read_until(child, "send it again to cancel")
        child.send_signal(signal.SIGINT)
        out = child.communicate(timeout=10)[0]  # while the gate is still closed
        assert child.returncode == 3
        assert "Stopped: after 100 rows, by SIGINT; run the same command again to continue" in out
        assert not waiting_at_gate(db)
    assert db.value("SELECT last_id FROM batchprogress") == "100"
    assert db.changes() == {0: 150, 1: 100}
    assert db.run(*RUN).code == 0
    db.each_once(250)


def test_many_signals_end_it_with_the_same_code(db: Database) -> None:
    db.tickets(3000)
    child = db.start("rotate_tokens_sql", "--window", "5")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    while child.poll() is None:
        child.send_signal(signal.SIGINT)
        time.sleep(0.002)
    assert child.returncode == 3
    db.agrees()


def test_a_signal_ignored_before_stays_ignored(db: Database) -> None:
    """As nohup does it with SIGHUP."""
    db.tickets(250)
    with gate(db, "ticket", "BEFORE UPDATE"):
        child = db.start(*RUN, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        until(lambda: waiting_at_gate(db))
        child.send_signal(signal.SIGHUP)
        time.sleep(0.3)
    assert child.wait(30) == 0
    db.each_once(250)


def test_signals_are_as_before_in_a_process_that_called_the_command(db: Database) -> None:
    db.tickets(250)
    before = [signal.getsignal(number) for number in SIGNALS]

    def interrupt() -> None:
        until(lambda: waiting_at_gate(db))
        while waiting_at_gate(db):  # the second cancels the statement
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    with gate(db, "batchprogress", "BEFORE UPDATE"):
        thread = threading.Thread(target=interrupt)
        thread.start()
        done = db.call(*RUN)
        thread.join()
    assert done.code == 3
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_closed_output_does_not_stop_it(db: Database) -> None:
    db.tickets(3000)
    child = db.start("rotate_tokens_sql", "--window", "10", "-v", "2", stderr=subprocess.PIPE)
    assert child.stdout is not None and child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.wait(60) == 0
    assert child.stderr.read() == ""
    db.each_once(3000)


def test_output_closed_from_the_start(db: Database) -> None:
    db.tickets(30)
    child = db.start("rotate_tokens_sql", stdout=None, preexec_fn=lambda: os.close(1))
    assert child.wait(60) == 0
    db.each_once(30)


def test_server_crash_in_a_window(db: Database) -> None:
    """`stop -m immediate` and start: the same process continues by itself."""
    db.tickets(250)
    with gate(db, "batchprogress", "BEFORE UPDATE"):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        db.server.stop("immediate")
    output = read_until(child, "no database")
    assert "retrying for up to 60 s" in output
    db.server.ensure()
    assert child.wait(60) == 0
    assert "reconnected after" in (child.stdout.read() if child.stdout else "")
    db.each_once(250)


def test_no_database_until_the_deadline(db: Database) -> None:
    db.tickets(250)
    from app.rotation.engine.db.stop import StopSwitch
    from app.rotation.engine.errors import Stopped
    from app.rotation.engine.options import Options
    from app.rotation.engine.runner import RotationDriver
    from app.rotation.engine.table.target import TargetName

    options = Options(window=100, lock_timeout_ms=600_000, outage_seconds=1.0, ack_triggers=True)
    driver = RotationDriver("default", TargetName("ticket"), options, StopSwitch(), lambda _: None)

    def crash() -> None:
        until(lambda: waiting_at_gate(db))
        db.server.stop("immediate")

    thread = threading.Thread(target=crash)
    with (
        pytest.raises(Stopped, match=r"no database for 1 s .*run the same command again"),
        gate(db, "batchprogress", "BEFORE UPDATE"),
    ):
        thread.start()
        driver.run()
    thread.join()
    db.server.ensure()
    assert db.run(*RUN).code == 0
    db.each_once(250)


def test_two_losses_with_long_work_between_are_two_outages(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rebuild of an index, which may take hours, loses its connection now and then."""
    from app.rotation.engine.db import session
    from app.rotation.engine.db.stop import StopSwitch

    monkeypatch.setattr(session, "SERVED_SECONDS", 0.3)
    told: list[str] = []
    session = session.Session(
        "default", stop=StopSwitch(), emit=lambda event: told.append(str(event)), outage_seconds=0.5
    )
    works = iter([0.0, 0.6, 0.6, 0.6, None])

    def work() -> str:
        seconds = next(works)
        if seconds is None:
            return "done"
        session.ask(f"SELECT pg_sleep({seconds})")
        session.ask("SELECT pg_terminate_backend(pg_backend_pid())")
        return "not terminated"

    assert session.through_outages(work) == "done"
    assert [line.split(":")[0].split(" after")[0] for line in told].count("no database") == 4
    session.close()


@pytest.mark.parametrize("place", ["after the UPDATE", "during COMMIT"])
def test_terminated_backend(db: Database, place: str) -> None:
    """The connection breaks, in a window or during a COMMIT that is not final yet."""
    db.tickets(250)
    with gate(db, *GATES[place]):
        child = db.start(*RUN)
        pid = until(lambda: waiting_at_gate(db))
        db.sql("SELECT pg_terminate_backend(%s)", pid)
        read_until(child, "no database")
    assert child.wait(60) == 0
    db.each_once(250)


def test_lost_commit_that_did_happen(db: Database) -> None:
    """COMMIT is final, but waits for a standby that does not exist; then the connection breaks."""
    db.tickets(250)
    db.sql("ALTER SYSTEM SET synchronous_standby_names = 'nosuch'")
    try:
        child = db.start("rotate_tokens_sql", "--window", "300")
        # Only the end of the rotation waits.
        with closing(db.connect()) as probe, probe.cursor() as cursor:
            cursor.execute("SELECT pg_reload_conf()")
            waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = %s"

            def waiting() -> int | None:
                cursor.execute(waits, [db.name])
                row = cursor.fetchone()
                return row[0] if row else None

            pid = until(waiting)
            assert db.value("SELECT sum(rows) FROM batchprogress") == 250
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
            time.sleep(0.3)
            cursor.execute("ALTER SYSTEM RESET synchronous_standby_names")
            cursor.execute("SELECT pg_reload_conf()")
        assert child.wait(60) == 0
    finally:
        db.sql("ALTER SYSTEM RESET synchronous_standby_names")
        db.sql("SELECT pg_reload_conf()")
    db.each_once(250)
    assert db.value("SELECT count(*) FROM rotation") == 1


@pytest.mark.long
def test_lost_answers_to_commits_that_did_happen(db: Database) -> None:
    """The server does the COMMIT of a window, and the answer never comes: it is not done again."""
    db.tickets(500)
    with cutting(db, set(range(5, 40, 3))) as cutter:
        done = db.run("rotate_tokens_sql", "--window", "50", env=db.environment(DATABASE_URL=cutter.url))
        assert done.code == 0, done.err
        assert cutter.cut >= 4
    assert "reconnected" in done.out
    db.each_once(500)
    assert db.value("SELECT count(*) FROM rotation_window") == 10


def test_a_signal_while_the_table_is_locked_at_the_start(db: Database) -> None:
    db.tickets(10)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE ticket")
        child = db.start(*RUN)
        waits = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'ticket'::regclass"
        until(lambda: db.sql(waits))
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGINT)
        out = child.communicate(timeout=10)[0]
    assert child.returncode == 3, out
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_table_replaced_in_mid_run(db: Database) -> None:
    """Rename and swap: the window that would have gone by the old name is rolled back, and told."""
    db.tickets(3000)
    child = db.start("rotate_tokens_sql", "--window", "10")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    db.sql(
        "BEGIN; ALTER TABLE ticket RENAME TO ticket_old;"
        "CREATE TABLE ticket (LIKE ticket_old INCLUDING ALL);"
        "INSERT INTO ticket SELECT * FROM ticket_old; COMMIT"
    )
    out = child.communicate(timeout=30)[0]
    assert child.returncode == 1
    assert "public.ticket.token is no longer the column that rotation 1 was started on" in out
    assert db.value("SELECT count(*) FROM changes") == db.value("SELECT sum(rows) FROM batchprogress")
    done = db.run("rotate_tokens_sql", "--table", "ticket_old")
    assert done.code == 0
    assert db.changes() == {1: 3000}


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE ticket RENAME token TO old_token; ALTER TABLE ticket ADD token uuid",
        f"{WITHOUT_GUARD}; ALTER TABLE ticket ALTER token TYPE text",
        f"{WITHOUT_GUARD}; ALTER TABLE ticket DROP token; ALTER TABLE ticket ADD token uuid",
        "ALTER TABLE ticket SET SCHEMA elsewhere",
        "DROP TABLE ticket",
    ],
)
def test_column_changed_in_mid_run(db: Database, change: str) -> None:
    db.tickets(3000)
    db.sql("CREATE SCHEMA elsewhere")
    child = db.start("rotate_tokens_sql", "--window", "10")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    db.sql(change)
    out = child.communicate(timeout=30)[0]
    assert child.returncode == 1, out
    last = out.splitlines()[-1]
    assert "is no longer the column" in last or "SQLSTATE 42" in last
    assert db.value("SELECT status FROM rotation") == "running"


def test_role_timeouts_and_isolation_do_not_matter(db: Database) -> None:
    db.tickets(250)
    known = {name for (name,) in db.sql("SELECT name FROM pg_settings")}
    for setting in (
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = '50ms'",
        "idle_in_transaction_session_timeout = '20ms'",
        "lock_timeout = '1ms'",
        "transaction_timeout = '50ms'",
        "synchronous_commit = 'off'",
    ):
        if setting.split()[0] in known:
            db.sql(f"ALTER DATABASE {db.name} SET {setting}")
    db.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END';"
        "CREATE TRIGGER slow AFTER UPDATE ON ticket EXECUTE FUNCTION slow()"
    )
    done = db.run("rotate_tokens_sql", "--window", "100")
    assert (done.code, done.err) == (0, "")
    db.each_once(250)


def test_cancel_under_repeatable_read(db: Database) -> None:
    db.tickets(3000)
    db.sql(f"ALTER DATABASE {db.name} SET default_transaction_isolation = 'repeatable read'")
    child = db.start("rotate_tokens_sql", "--window", "5")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    assert db.run("rotation", "cancel").code == 0
    assert child.wait(30) == 3
    db.agrees()
