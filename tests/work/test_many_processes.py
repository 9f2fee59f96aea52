"""Several processes on one rotation: one works, the others wait; PgBouncer between them."""

import getpass
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Database, kill, read_until, until
from tests.work.gates import gate, waiting_at_gate
from tests.work.pooler import PGBOUNCER, pooling

RUN = ("rotate_tokens_sql", "--window", "50", "--progress", "lines", "--lock-timeout", "600000")


def test_second_stands_by_and_takes_over(db: Database) -> None:
    db.tickets(500)
    with gate(db, "ticket", "BEFORE UPDATE"):
        first = db.start(*RUN)
        pid = until(lambda: waiting_at_gate(db))
        second = db.start(*RUN)
        output = read_until(second, "waiting: ")
        who = f"rotate_tokens {first.pid}/1 {getpass.getuser()}@{socket.gethostname()}"[:63]
        assert f"waiting: {who} (pid {pid}) is running this rotation" in output
        kill(first)
        killed = time.monotonic()
    read_until(second, "taking over: no other process")
    took = time.monotonic() - killed
    assert second.wait(60) == 0
    assert took < 10  # a bound on being stuck, not a speed: about a second where nothing else runs
    db.each_once(500)
    assert db.value("SELECT count(*) FROM rotation") == 1


@pytest.mark.long
def test_standing_by_does_not_take_turns(db: Database) -> None:
    """While the first works, the second never slips into the moment between two windows."""
    db.tickets(4000)
    first = db.start("rotate_tokens_sql", "--window", "5")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    second = db.start("rotate_tokens_sql", "--window", "5", "--progress", "json")
    out, _ = second.communicate(timeout=60)
    assert first.wait(60) == 0
    assert second.returncode == 0
    assert "standing_by" in out
    assert "window_done" not in out
    db.each_once(4000)


def test_three_at_once(db: Database) -> None:
    db.tickets(3000)
    children = [db.start(*RUN) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    db.each_once(3000)
    assert db.value("SELECT count(*) FROM rotation") == 1


def test_three_at_once_with_one_killed(db: Database) -> None:
    db.tickets(3000)
    children = [db.start("rotate_tokens_sql", "--window", "5") for _ in range(3)]
    until(lambda: db.value("SELECT count(*) FROM rotation_window") > 20)
    worker = db.value("SELECT worker FROM rotation_window ORDER BY id DESC LIMIT 1")
    os.kill(int(worker.split()[1].split("/")[0]), signal.SIGKILL)
    assert sorted(child.wait(60) for child in children) == [-9, 0, 0]
    db.each_once(3000)


def test_signal_while_standing_by(db: Database) -> None:
    db.tickets(100)
    with gate(db, "ticket", "BEFORE UPDATE"):
        first = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        second = db.start(*RUN)
        read_until(second, "waiting: ")
        second.send_signal(signal.SIGTERM)
        out = second.communicate(timeout=10)[0]
        assert second.returncode == 3
        assert "by SIGTERM; another process continues" in out
    assert first.wait(60) == 0
    db.each_once(100)


@pytest.fixture
def pooled(db: Database) -> Iterator[str]:
    if not PGBOUNCER:
        pytest.skip("pgbouncer is not installed")
    with pooling(db) as url:
        yield url


def test_three_through_pgbouncer(db: Database, pooled: str) -> None:
    db.tickets(3000)
    environment = db.environment(DATABASE_URL=pooled)
    children = [db.start(*RUN, env=environment) for _ in range(3)]
    codes = [child.wait(60) for child in children]
    assert codes == [0, 0, 0], [child.stdout.read() for child in children if child.stdout]
    db.each_once(3000)


def test_killed_behind_pgbouncer(db: Database, pooled: str) -> None:
    db.tickets(300)
    environment = db.environment(DATABASE_URL=pooled)
    with gate(db, "batchprogress", "BEFORE UPDATE"):
        first = db.start(*RUN, env=environment)
        until(lambda: waiting_at_gate(db))
        second = db.start(*RUN, env=environment)
        read_until(second, "waiting: ")
        kill(first)
        until(lambda: not waiting_at_gate(db), 10)
    assert second.wait(60) == 0
    db.each_once(300)


def test_every_phase_through_pgbouncer(db: Database, pooled: str, tmp_path: Path) -> None:
    """List of leaked tokens, guard, snapshot, a hole, proof, and a proof afterwards."""
    db.tickets(300)
    leaked = tmp_path / "leaked"
    leaked.write_text(db.value("SELECT string_agg(token::text, E'\n') FROM ticket WHERE id < 9"))
    environment = db.environment(DATABASE_URL=pooled)
    flags = ("--window", "50", "--leaked", str(leaked), "--progress", "lines")
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM ticket WHERE id = 120 FOR UPDATE")
        child = db.start("rotate_tokens_sql", *flags, env=environment)
        assert "row 120 skipped: locked by" in read_until(child, "it is rotated at the end")
    assert child.wait(60) == 0
    db.each_once(300)
    verified = db.run("rotation", "verify", "--leaked", str(leaked), env=environment)
    assert (verified.code, verified.err) == (0, "")
    assert "0 rows of public.ticket.token hold one of 8 listed tokens" in verified.out


def test_no_setting_leaks_to_another_client_of_the_pool(db: Database, pooled: str) -> None:
    db.tickets(300)
    shown = "SELECT name, setting FROM pg_settings WHERE name IN ('lock_timeout', 'row_security',"
    shown += " 'synchronous_commit', 'enable_seqscan', 'statement_timeout', 'jit') ORDER BY name"
    fresh = db.sql(shown)
    assert db.run(*RUN, env=db.environment(DATABASE_URL=pooled)).code == 0
    port = {"host": pooled.split("@")[1].split(":", maxsplit=1)[0].replace("%2F", "/"), "port": 6432}
    connections = [db.connect(**port) for _ in range(3)]
    for connection in connections:
        with connection.cursor() as cursor:
            cursor.execute(shown)
            assert cursor.fetchall() == fresh
        connection.close()


def test_whoever_freezes_in_a_transaction_keeps_nobody_waiting_for_ever(db: Database) -> None:
    """Each one that locks the table or the rotation's row is ended by the server if it stands idle."""
    db.sql(
        "CREATE TABLE seen (what text, idle text);"
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        "  IF NEW.status <> OLD.status OR NEW.vacuumed <> OLD.vacuumed THEN INSERT INTO public.seen"
        "  VALUES (NEW.status, current_setting('idle_in_transaction_session_timeout')); END IF;"
        "  RETURN NULL; END $$;"
        "CREATE TRIGGER see AFTER UPDATE ON rotation FOR EACH ROW EXECUTE FUNCTION see();"
        "CREATE FUNCTION see_guard() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
        "  INSERT INTO public.seen VALUES"
        "  (tg_tag, current_setting('idle_in_transaction_session_timeout')); END $$;"
        "CREATE EVENT TRIGGER see_guard ON ddl_command_end WHEN TAG IN ('CREATE TRIGGER')"
        "  EXECUTE FUNCTION see_guard();"
        "CREATE TABLE target (id bigint PRIMARY KEY, token uuid);"
        "INSERT INTO target SELECT n, gen_random_uuid() FROM generate_series(1, 400) AS n;"
    )
    child = db.start(*RUN[:2], "10", "--table", "target", "--max-rate", "50")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    assert db.run("rotation", "pause").code == 0
    until(lambda: db.value("SELECT status FROM rotation") == "paused")
    assert db.run("rotation", "tune", "max_rate=off").code == 0
    assert db.run("rotation", "resume").code == 0
    assert child.wait(60) == 0
    seen = db.sql("SELECT DISTINCT what FROM seen ORDER BY what")
    expected = ["CREATE TRIGGER", "paused", "pausing", "running", "succeeded", "verifying"]
    assert [what for (what,) in seen] == expected
    assert db.sql("SELECT DISTINCT what FROM seen WHERE idle = '0'") == []
