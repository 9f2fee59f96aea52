"""Pause, resume, tune and cancel from another shell: effective within one window."""

import json
import signal
from contextlib import closing

import pytest

from tests.conftest import Database, Done, kill, read_until, until

RUN = ("rotate_tokens_sql", "--window", "5", "--progress", "lines")


def rotation(db: Database, *arguments: str) -> Done:
    return db.run("rotation", *arguments)


def windows(db: Database) -> int:
    return db.value("SELECT count(*) FROM rotation_window")


def hasten(db: Database) -> None:
    """Let the rest, which is not looked at, be done in a few windows."""
    assert rotation(db, "tune", "window=1000").code == 0


def status(db: Database) -> dict:
    return json.loads(db.call("rotation", "status", "--json").out)


@pytest.mark.parametrize("workers", ["1", "3"])
def test_pause_and_resume(db: Database, workers: str) -> None:
    db.tickets(6000)
    child = db.start(*RUN, "--workers", workers, "--lanes", "3")
    until(lambda: windows(db) > 3)
    done = rotation(db, "pause")
    assert (done.code, done.err) == (0, "")
    resume = "run python manage.py rotation resume --table public.ticket to continue"
    assert f"pauses after its current windows; {resume}" in done.out
    until(lambda: db.value("SELECT status FROM rotation") == "paused")
    read_until(child, "paused: run python manage.py rotation resume --table public.ticket to continue")
    reached = windows(db)
    again = rotation(db, "pause")
    assert "is already paused" in again.out
    assert child.poll() is None  # the process stays
    shown = status(db)
    assert (shown["status"], shown["stalled"], shown["eta_seconds"]) == ("paused", False, None)
    assert windows(db) <= reached + int(workers)
    hasten(db)
    resumed = rotation(db, "resume")
    assert (resumed.code, resumed.out.strip()) == (
        0, "rotation 1 of public.ticket.token continues")  # fmt: skip
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert out.count("resumed") == 1
    db.each_once(6000)
    assert db.value("SELECT count(*) FROM rotation_window WHERE throttle = 'paused'") > 0


def test_signal_while_paused(db: Database) -> None:
    db.tickets(4000)
    child = db.start(*RUN)
    until(lambda: windows(db) > 3)
    rotation(db, "pause")
    read_until(child, "paused: ")
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 3
    # A rerun waits too; resuming lets it continue.
    again = db.start(*RUN)
    read_until(again, "paused: ")
    hasten(db)
    assert rotation(db, "resume").code == 0
    assert again.wait(60) == 0
    db.each_once(4000)


def test_pause_of_a_rotation_that_nobody_works_on(db: Database) -> None:
    db.tickets(4000)
    child = db.start(*RUN)
    until(lambda: windows(db) > 3)
    kill(child)
    db.sql("UPDATE batchprogress SET worker = ''")
    assert rotation(db, "pause").code == 0
    assert db.value("SELECT status FROM rotation") == "paused"
    resumed = rotation(db, "resume")
    assert (
        "no process is working on it: run python manage.py rotate_tokens_sql --table public.ticket"
        in resumed.out
    )
    assert db.run("rotate_tokens_sql").code == 0
    db.each_once(4000)


def test_cancel_under_way(db: Database) -> None:
    db.tickets(6000)
    child = db.start(*RUN, "--workers", "2", "--lanes", "2")
    until(lambda: windows(db) > 3)
    done = rotation(db, "cancel")
    assert done.code == 0
    out = child.communicate(timeout=30)[0]
    assert child.returncode == 3
    assert "rotation 1 is cancelled" in out
    replaced = db.value("SELECT sum(rows) FROM batchprogress")
    assert f"is cancelled: {replaced} of 6000 tokens were replaced; every other row keeps" in done.out
    assert db.unchanged() == 6000 - replaced


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("pause", "there is no unfinished rotation to pause"),
        ("resume", "there is no unfinished rotation to resume"),
        ("tune", "there is no unfinished rotation to tune"),
    ],
)
def test_nothing_to_steer(db: Database, action: str, says: str) -> None:
    more = ["nice=1"] if action == "tune" else []
    assert "no rotation yet" in rotation(db, action, *more).err
    db.tickets(5)
    assert db.call("rotate_tokens_sql").code == 0
    done = rotation(db, action, *more)
    assert (done.code, says in done.err) == (1, True)


def test_resume_of_what_is_not_paused(db: Database) -> None:
    db.tickets(50)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 25)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "25").code == 1
    assert "is running, not paused" in rotation(db, "resume").err


def test_more_workers_than_lanes(db: Database) -> None:
    """They would have nothing to do; whoever asks for them is told."""
    db.tickets(3000)
    db.start("rotate_tokens_sql", "--window", "50", "--max-rate", "100", "--progress", "none")
    until(lambda: windows(db))
    assert db.value("SELECT count(*) FROM batchprogress") == 1
    told = rotation(db, "tune", "workers=3").out
    assert "workers=3, effective from the next window; 1 lane is left, and each gives work to" in told
    assert "lane" not in rotation(db, "tune", "workers=1").out


def test_tune_takes_effect_in_the_next_window(db: Database) -> None:
    db.tickets(8000)
    child = db.start(*RUN)
    until(lambda: windows(db) > 3)
    done = rotation(db, "tune", "window=400", "workers=3", "nice=0.01")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "rotation 1 of public.ticket.token: window=400, workers=3, nice=0.01,"
        " effective from the next window; 1 lane is left, and each gives work to one worker\n"
    )
    assert child.wait(60) == 0
    sizes = [rows for (rows,) in db.sql("SELECT rows FROM rotation_window ORDER BY id")]
    assert sizes[:3] == [5, 5, 5]
    assert 400 in sizes
    tuned = sizes.index(400)
    # The first worker's window may have begun before, and end after another's.
    assert sizes[tuned + 1 :].count(5) <= 1
    db.each_once(8000)


def test_workers_come_and_go(db: Database) -> None:
    db.tickets(20_000)
    child = db.start("rotate_tokens_sql", "--window", "10", "--lanes", "8", "--progress", "none")
    until(lambda: windows(db) > 3)
    names = "SELECT count(DISTINCT worker) FROM rotation_window WHERE id > %s"
    assert db.value(names, 0) == 1
    rotation(db, "tune", "workers=4")
    until(lambda: db.value(names, 0) == 4)
    rotation(db, "tune", "workers=1")
    until(lambda: status(db)["workers"] <= 1 or child.poll() is not None)
    rotation(db, "tune", "window=1000")
    assert child.wait(60) == 0
    db.each_once(20_000)


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("window", "'window': expected NAME=VALUE, with NAME one of window, window_seconds, workers"),
        ("speed=5", "'speed=5': expected NAME=VALUE"),
        ("window=many", "window=many: expected rows, off or default, not 'many'"),
        ("window=0", "--window 0: expected 1 to 1000000 rows"),
        ("workers=65", "--workers 65: expected 1 to 64 connections"),
        ("max_wal=5x", "max_wal=5x: expected bytes, off or default, not '5x'"),
        ("nice=nan", "--nice nan: expected 0 to 1000 seconds of rest"),
    ],
)
def test_tune_refuses_nonsense(db: Database, assignment: str, says: str) -> None:
    done = rotation(db, "tune", assignment)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert len(done.err.splitlines()) == 1


def test_tuning_is_taken_back(db: Database) -> None:
    db.tickets(50)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 25)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "25").code == 1
    said = rotation(db, "tune", "window=off", "max_rate=5").out
    assert "rotation 1 of public.ticket.token: window=off, max_rate=5, effective from" in said
    done = rotation(db, "tune", "window=default", "max_rate=default")
    assert "options as each run was started, effective from the next window" in done.out
    assert db.value("SELECT tuned FROM rotation") == {}


def test_cancel_while_the_barrier_waits(db: Database) -> None:
    """Noticed at once; nothing is said to be done."""
    db.tickets(50)
    with closing(db.connect(autocommit=False)) as writer, writer.cursor() as cursor:
        cursor.execute("UPDATE ticket SET title = 'y' WHERE id = 1")
        child = db.start(*RUN)
        read_until(child, "the barrier waits for")
        assert rotation(db, "cancel").code == 0
        out = child.communicate(timeout=20)[0]
    assert child.returncode == 3
    assert "rotation 1 is cancelled" in out.splitlines()[-1]
    assert "100.00 %" not in out
    assert "phase 1" not in out
    state = json.loads(rotation(db, "status", "--json").out)
    assert (state["status"], state["rows_done"], state["percent"]) == ("cancelled", 0, None)
    assert state["eta_seconds"] is None
