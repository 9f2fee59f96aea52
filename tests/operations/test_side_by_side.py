"""Several databases at once: each with its own state, one progress, one exit code."""

import json
import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests.conftest import SERVER, Database, databases, kill, read_until, until

RUN = ("rotate_tokens_sql", "--database", "default", "--database", "other", "--window", "50")


@pytest.fixture
def other(db: Database) -> Iterator[Database]:
    """A second database, which db's commands know as `other`."""
    for second in databases(SERVER):
        os.environ["DATABASE_URL_OTHER"] = second.url
        yield second
        del os.environ["DATABASE_URL_OTHER"]


def test_both_are_rotated(db: Database, other: Database) -> None:
    db.tickets(500)
    other.tickets(1500)
    done = db.run(*RUN, "--progress", "json", "--reason", "both")
    assert (done.code, done.err) == (0, "")
    for one, rows in ((db, 500), (other, 1500)):
        one.each_once(rows)
        assert one.value("SELECT reason FROM rotation") == "both"
    told = [json.loads(line) for line in done.out.splitlines()]
    assert {one["database"] for one in told if one["event"] == "began"} == {"default", "other"}
    last = [one for one in told if one["event"] == "progress"][-1]
    assert (last["rows_done"], last["rows_total"], last["percent"]) == (2000, 2000, 100.0)
    again = db.run(*RUN)
    assert again.code == 0
    assert again.out.count("was finished") == 2


def test_lines_and_the_last_words(db: Database, other: Database) -> None:
    db.tickets(2000)
    other.tickets(2000)
    done = db.run(*RUN, "--progress", "lines", "--max-rate", "1500")
    assert (done.code, done.err) == (0, "")
    assert "other: phase 3 of 4: 2000 tokens replaced" in done.out
    assert re.search(r"completed: +[1-9][\d.]+ % \(\d+ of 4000\) \| remaining time: +\d+ sec", done.out)
    assert re.search(r"^other: rotation 1 of public.ticket.token succeeded: 2000 rows", done.out, re.M)
    assert done.out.splitlines()[-1] == "2 databases: every rotation succeeded"


def test_killed_and_run_again(db: Database, other: Database) -> None:
    db.tickets(2000)
    other.tickets(2000)
    child = db.start(*RUN, "--max-rate", "2000")
    until(lambda: all(one.value("SELECT count(*) FROM rotation_window") for one in (db, other)))
    kill(child)
    db.agrees()
    other.agrees()
    assert db.run(*RUN).code == 0
    db.each_once(2000)
    other.each_once(2000)


def test_one_that_is_finished_keeps_no_progress_from_the_other(db: Database, other: Database) -> None:
    db.tickets(10)
    assert db.run("rotate_tokens_sql").code == 0
    other.tickets(3000)
    done = db.run(*RUN, "--progress", "json", "--max-rate", "1500")
    assert (done.code, done.err) == (0, "")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert {one["rows_total"] for one in told if one["event"] == "progress"} == {3010}


def test_one_that_failed_is_no_longer_at_work(db: Database, other: Database) -> None:
    db.tickets(3000)
    other.tickets(3000)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 1500)) NOT VALID")
    done = db.run(*RUN, "--progress", "json", "--max-rate", "1000")
    assert done.code == 1
    last = [one for one in map(json.loads, done.out.splitlines()) if one["event"] == "progress"][-1]
    assert last["rows_done"] > 4000
    assert (last["workers"], last["rows_per_second"]) == (0, None)


def test_one_signal_stops_both(db: Database, other: Database) -> None:
    db.tickets(4000)
    other.tickets(4000)
    child = db.start(*RUN, "--max-rate", "500", "--progress", "lines")
    read_until(child, "completed:")
    child.send_signal(signal.SIGTERM)
    out = child.communicate(timeout=30)[0]
    assert child.returncode == 3
    last = out.splitlines()[-1]
    assert last.startswith("Stopped: 2 of 2 databases did not finish: default: after ")
    assert "| other: after " in last


def test_refusal_of_one_begins_none(db: Database, other: Database) -> None:
    db.tickets(10)
    other.sql("DROP TABLE ticket CASCADE")
    done = db.run(*RUN)
    assert (done.code, done.said) == (1, "")
    assert done.err.startswith("Refused: other: there is no table 'ticket' in this database")
    assert done.err.rstrip().endswith("no database was changed")
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_one_that_fails_leaves_the_other_alone(db: Database, other: Database) -> None:
    db.tickets(100)
    other.tickets(100)
    other.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <> 60)) NOT VALID")
    done = db.run(*RUN)
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("Failed: 1 of 2 databases did not finish: other: rotate window")
    db.each_once(100)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--dry-run"], "--database: give only one with --serve or --dry-run"),
        (["--serve"], "--database: give only one with --serve or --dry-run"),
        (["--leaked", "-"], "--leaked -: a pipe can't be read again for each --database; give a file"),
        (["--leaked", "{fifo}"], "fifo: a pipe can't be read again for each --database; give a file"),
        (["--database", "nosuch"], "--database nosuch: settings.DATABASES has default, other"),
        (["--database", "other"], "--database other: given twice"),
    ],
)
def test_refused_flags(db: Database, other: Database, flags: list[str], says: str, tmp_path) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    done = db.run(*RUN, *(flag.format(fifo=fifo) for flag in flags))
    assert done.code == 2
    assert says in done.err
    assert len(done.err.splitlines()) == 1


def test_path_that_can_not_be_looked_at_is_told_when_it_is_opened(db: Database, other: Database) -> None:
    done = db.run(*RUN, "--leaked", "x" * 5000)
    assert done.code == 2
    assert "file name too long" in done.err
    assert len(done.err.splitlines()) == 1


def test_list_of_leaked_tokens_for_each(db: Database, other: Database, tmp_path) -> None:
    db.tickets(10)
    other.tickets(10)
    leaked = tmp_path / "leaked"
    leaked.write_text("11111111-2222-4333-8444-555555555555\n")
    done = db.run(*RUN, "--leaked", str(leaked))
    assert done.code == 0, done.err
    for one in (db, other):
        assert one.sql("SELECT leaked, revoked FROM rotation") == [(1, 11)]


def test_commands_that_are_named_say_of_which_database(db: Database, other: Database) -> None:
    """Copied, they must not begin another rotation elsewhere."""
    other.tickets(100)
    stop = ("--database", "other", "--window", "10", "--stop-after", "10")
    assert db.run("rotate_tokens_sql", *stop).code == 3
    named = "--table public.ticket --database other"
    status = db.run("rotation", "status", "--database", "other").out
    assert f"run python manage.py rotate_tokens_sql {named} --window 10 again to continue" in status
    paused = db.run("rotation", "pause", "--database", "other").out
    assert f"run python manage.py rotation resume {named} to continue" in paused
    report = json.loads(db.run("rotation", "report", "--json", "--database", "other").out)
    assert f"python manage.py rotation resume {named}, then run python" in report["summary"]["left"]
