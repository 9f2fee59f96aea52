"""Whatever hangs: it says what it waits for, answers the first signal, and ends at the second."""

import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.conftest import Database, read_until, until
from tests.work.gates import RUN, gate, waiting_at_gate
from tests.work.network import needs_namespaces, on_a_wire
from tests.work.pooler import PGBOUNCER, pooler

needs_pgbouncer = pytest.mark.skipif(not PGBOUNCER, reason="PgBouncer is not installed")
#: More than the product promises, for slow machines: within it, a process that hangs would not end.
PATIENCE = 12
COMMANDS = (
    "rotation status",
    "rotation verify",
    "rotation tune max_rate=5",
    "rotation guard status",
    "rotate_tokens_sql --dry-run",
    "rotate_tokens_sql",
    "ticket --init",
    "ticket --process-token",
)
#: Those that commit on their way to the end.
COMMITTING = ["rotate_tokens_sql", "ticket --process-token"]


def end_by_two_signals(child: "subprocess.Popen[str]") -> str:
    """Each signal is answered in words; the second ends the process. Returns its output since."""
    child.send_signal(signal.SIGTERM)
    output = read_until(child, "SIGTERM received")
    child.send_signal(signal.SIGTERM)
    output += child.communicate(timeout=PATIENCE)[0]
    assert "SIGTERM received again" in output
    assert child.returncode == 3, output
    assert "Stopped: " in output
    assert "run the same command again" in output
    return output


@needs_pgbouncer
@pytest.mark.long
def test_frozen_pooler(db: Database) -> None:
    """A window is on its way: its connection, and the one that would cancel it, hang."""
    db.tickets(3000)
    with pooler(db) as frozen:
        child = db.start(
            "rotate_tokens_sql", "--window", "10", env=db.environment(DATABASE_URL=frozen.url)
        )
        until(lambda: db.value("SELECT count(*) FROM rotation_window"))
        frozen.freeze()
        said = read_until(child, "no answer for")
        assert "a new connection gets none either" in said
        said = end_by_two_signals(child)
        assert "with no answer for" in said
    db.agrees()
    assert db.run("rotate_tokens_sql").code == 0
    db.each_once(3000)


@needs_pgbouncer
@pytest.mark.long
def test_every_command_behind_a_frozen_pooler(db: Database) -> None:
    db.tickets(3)
    with pooler(db) as frozen:
        frozen.freeze()
        env = db.environment(DATABASE_URL=frozen.url)
        children = [db.start(*command.split(), env=env) for command in COMMANDS]

        def end(child: "subprocess.Popen[str]") -> bool:
            read_until(child, "no answer for")
            return "what was committed stays" in end_by_two_signals(child)

        with ThreadPoolExecutor(len(children)) as hands:
            committing = hands.map(end, children)
            assert [
                command for command, one in zip(COMMANDS, committing, strict=True) if one
            ] == COMMITTING
    assert db.unchanged() == 3


def test_commit_that_waits_for_a_standby(db: Database) -> None:
    """Only the end of a rotation waits for synchronous standbys, and says for which."""
    db.tickets(250)
    db.sql("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (nosuch)'")
    db.sql("SELECT pg_reload_conf()")
    try:
        child = db.start("rotate_tokens_sql", "--window", "100")
        # Another connection of the run may wait for this one, and be told first.
        said = read_until(child, "(synchronous_standby_names = 'FIRST 1 (nosuch)', connected: none)")
        assert "phase 3 of 4" in said
        assert "no answer for" in said
        child.send_signal(signal.SIGTERM)
        said = read_until(child, "SIGTERM received")
        child.send_signal(signal.SIGTERM)
        said += child.communicate(timeout=PATIENCE)[0]
    finally:
        db.sql("ALTER SYSTEM RESET synchronous_standby_names")
        db.sql("SELECT pg_reload_conf()")
    # PostgreSQL gives up the wait, not the COMMIT, which has happened on this server.
    assert child.returncode == 0, said
    db.each_once(250)


def test_steering_does_not_wait_for_a_standby(db: Database) -> None:
    db.tickets(250)
    with gate(db, "ticket", "BEFORE UPDATE"):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        db.sql("ALTER SYSTEM SET synchronous_standby_names = 'nosuch'")
        db.sql("SELECT pg_reload_conf()")
        try:
            for steps in (("tune", "max_rate=off"), ("pause",), ("resume",)):
                assert db.run("rotation", *steps, timeout=30).code == 0
            child.send_signal(signal.SIGTERM)
        finally:
            db.sql("ALTER SYSTEM RESET synchronous_standby_names")
            db.sql("SELECT pg_reload_conf()")
    assert child.wait(30) == 3


def test_a_lock_of_the_state_is_named(db: Database) -> None:
    """Its holder is said although no window is due: the note that a process takes it up waits."""
    db.tickets(30)
    with closing(db.connect(autocommit=False, application_name="holder")) as holder:
        holder.cursor().execute("LOCK TABLE rotation IN SHARE MODE")
        child = db.start("rotate_tokens_sql")
        said = read_until(child, "no answer for")
        assert "waits for pid" in said
        assert "(holder, idle in transaction" in said
        end_by_two_signals(child)


def test_output_that_nobody_reads(db: Database) -> None:
    """A full pipe: what writes to it hangs, and no acknowledgement gets through."""
    db.tickets(3000)
    reading, writing = os.pipe()
    with gate(db, "ticket", "BEFORE UPDATE"):
        child = db.start("rotate_tokens_sql", "--window", "1", "-v", "2", stdout=writing)
        until(lambda: waiting_at_gate(db))
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    os.close(writing)
    for _ in range(2):
        threading.Event().wait(0.5)
        child.send_signal(signal.SIGTERM)
    assert child.wait(PATIENCE) == 3
    os.close(reading)
    db.agrees()


@needs_namespaces
@pytest.mark.parametrize("lost", ["requests", "answers"])
@pytest.mark.long
def test_vanished_network(lost: str) -> None:
    """Packets are lost in one direction: it is said, ends at the second signal, and frees its locks."""
    with on_a_wire() as wire:
        db = wire.db
        db.tickets(3000)
        with gate(db, "batchprogress", "BEFORE UPDATE"):
            child = wire.start("rotate_tokens_sql", "--window", "10", "--lock-timeout", "600000")
            until(lambda: waiting_at_gate(db))
            wire.lose(lost)
            read_until(child, "no answer for")
            # The server has noticed, although the window was waiting all the time.
            until(lambda: not waiting_at_gate(db), PATIENCE)
            end_by_two_signals(child)
        db.agrees()
        assert db.run("rotate_tokens_sql").code == 0
        db.each_once(3000)


@needs_namespaces
@pytest.mark.long
def test_network_that_comes_back() -> None:
    """The client has noticed, too, and goes on by itself."""
    with on_a_wire() as wire:
        db = wire.db
        db.tickets(300)
        with gate(db, "batchprogress", "BEFORE UPDATE"):
            child = wire.start("rotate_tokens_sql", "--window", "10", "--lock-timeout", "600000")
            until(lambda: waiting_at_gate(db))
            wire.lose("answers")
            read_until(child, "no database: the connection was lost")
            wire.bring_back("answers")
        out = child.communicate(timeout=60)[0]
        assert child.returncode == 0, out
        db.each_once(300)
