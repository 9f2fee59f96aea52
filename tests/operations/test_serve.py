"""A process that serves takes up what was recorded, continues whatever fails, and runs no query."""

import io
import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management.base import OutputWrapper

from app.rotation.engine.errors import ConnectionLost, RotationError
from app.rotation.management.console import Console
from app.rotation.operations import serve as service
from app.rotation.operations.inputs import open_session
from app.rotation.operations.serve import Service, after
from tests.conftest import Database, kill, read_until, until
from tests.operations.recording import recorded, status


@pytest.fixture
def two(db: Database) -> Iterator[Database]:
    """Two rotations that are recorded, the first one of tickets."""
    db.tickets(60)
    db.sql(
        "CREATE TABLE other (id int PRIMARY KEY, token uuid DEFAULT gen_random_uuid());"
        "INSERT INTO other SELECT generate_series(1, 50)"
    )
    recorded("ticket")
    recorded("other")
    db.sql("UPDATE rotation SET touched_at = NULL")  # as after three seconds without a sign of life
    yield db


class Serving:
    """A process that serves, here, looking when it is told to."""

    def __init__(self, throttle_sql: str | None = None) -> None:
        self._out = io.StringIO()
        reporter = Console(OutputWrapper(self._out), "lines", 1)
        self.service = Service(open_session("default"), reporter, throttle_sql)

    def look(self) -> list[str]:
        """What it says of one round."""
        began = self._out.tell()
        self.service.look_round()
        return self._out.getvalue()[began:].splitlines()


def statuses(db: Database) -> list[str]:
    return [status for (status,) in db.sql("SELECT status FROM rotation ORDER BY id")]


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        ('{"window": "abc"}', "a value of window that is not a whole number or null"),
        ('{"workers": true}', "a value of workers that is not a whole number"),
        ('{"standbys": null}', "a value of standbys that is not a list of strings"),
        ('{"nice": {"x": [1]}}', "a value of nice that is not a number"),
        ('{"workers": 65}', "--workers 65: expected 1 to 64 connections"),
        ("[1]", "rotation.options is not an object of options"),
        ('"text"', "rotation.options is not an object of options"),
        ("null", "rotation.options is not an object of options"),
        ('{"window": 1' + 5000 * "0" + "}", "rotation.options is not an object of options"),
        ("[" * 2000 + "]" * 2000, "rotation.options is not an object of options"),
    ],
    ids=lambda one: one[:40],
)
def test_options_written_by_hand_end_no_other_rotation(two: Database, stored: str, says: str) -> None:
    two.sql("UPDATE rotation SET options = %s WHERE id = 1", stored)
    serving = Serving()
    told = serving.look()
    assert len([line for line in told if says in line]) == 1, told
    assert told[0].startswith(says) or "rotation.options holds" in told[0] or "--workers" in told[0]
    assert "; retrying rotation 1" in told[0]
    assert told[0].endswith(" in 5 s")
    assert statuses(two) == ["pending", "succeeded"]
    assert serving.look() == []  # not before those seconds have passed
    two.sql("""UPDATE rotation SET options = '{"ack_triggers": true}' WHERE id = 1""")
    serving.service.failed.clear()
    two.sql("UPDATE rotation SET touched_at = NULL")
    serving.look()
    assert statuses(two) == ["succeeded", "succeeded"]


@pytest.mark.parametrize("where", ["RotationDriver", "read_state", "read_progress", "summary"])
@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ZeroDivisionError("with a token in it"), "unexpected ZeroDivisionError in test_serve.py"),
        (KeyError("with a token in it"), "unexpected KeyError in test_serve.py, line"),
        (ConnectionLost("the connection was lost"), "the connection was lost"),
        (RotationError("it is so"), "it is so"),
    ],
)
def test_unforeseen_error_ends_no_other_rotation(
    two: Database, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception, says: str
) -> None:
    original = getattr(service, where)
    one_of_first = {
        "RotationDriver": lambda given: given[1].table == "ticket",
        "read_state": lambda given: given[1] == 1,
        "read_progress": lambda given: given[1] == 1,
        "summary": lambda given: "ticket" in given[0].target,
    }[where]

    def fails(*given: Any) -> Any:
        if one_of_first(given):
            raise error
        return original(*given)

    monkeypatch.setattr(service, where, fails)
    serving = Serving()
    told = serving.look()
    said = [line for line in told if says in line]
    if where == "summary":  # it has succeeded by then, and is not tried again
        assert statuses(two) == ["succeeded", "succeeded"]
        assert len(said) == 1
        return
    assert len(said) == 1
    assert said[0].startswith(says)
    assert "; retrying rotation 1" in said[0]
    assert said[0].endswith(" in 5 s")
    assert not any("with a token in it" in line for line in told)
    assert statuses(two)[1] == "succeeded"
    assert serving.look() == []


def test_one_bad_rotation_does_not_end_the_process(two: Database) -> None:
    two.sql("""UPDATE rotation SET options = '{"window": "abc"}' WHERE id = 1""")
    server = two.start("rotate_tokens_sql", "--serve", "--progress", "lines")
    told = read_until(server, "rotation 2 of public.other.token succeeded")
    assert "rotation.options holds a value of window that is not a whole number or null" in told
    assert server.poll() is None
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0


def test_query_is_never_taken_from_the_database(two: Database) -> None:
    """Not even one that reads; that it is not run is told once a rotation."""
    two.sql(
        "CREATE FUNCTION spy() RETURNS bool LANGUAGE plpgsql AS"
        " 'BEGIN RAISE WARNING ''spied''; PERFORM pg_notify(''spied'', ''''); RETURN true; END'"
    )
    stored = 'options || \'{"throttle_sql": "SELECT 1 / 0 + spy()::int"}\''
    two.sql(f"UPDATE rotation SET options = {stored}")
    two.sql("ALTER TABLE ticket RENAME TO away")
    serving = Serving()
    told = serving.look()
    warned = (
        "was started with --throttle-sql, but a query stored in the database is never run:"
        " give --serve its own"
    )
    assert [line.split(" of ")[0] for line in told if warned in line] == [
        "warn: rotation 1",
        "warn: rotation 2",
    ]
    assert statuses(two) == ["pending", "succeeded"]
    two.sql("ALTER TABLE away RENAME TO ticket")
    serving.service.failed.clear()
    two.sql("UPDATE rotation SET touched_at = NULL")
    assert not any(warned in line for line in serving.look())
    assert statuses(two) == ["succeeded", "succeeded"]
    assert two.value("SELECT sum(throttled) FROM rotation_window WHERE throttle <> ''") in (None, 0)


def test_query_of_the_process_that_serves(two: Database) -> None:
    two.sql("CREATE TABLE busy AS SELECT true AS yes")
    two.sql('UPDATE rotation SET options = options || \'{"throttle_sql": "SELECT 1 / 0"}\' WHERE id = 1')
    server = two.start(
        *("rotate_tokens_sql", "--serve", "--progress", "lines"),
        *("--throttle-sql", "SELECT yes FROM busy"),
    )
    told = read_until(server, "throttled: --throttle-sql returned true")
    assert "a query stored in the database is never run: using that of --serve" in told
    two.sql("UPDATE busy SET yes = false")
    told = read_until(server, "rotation 2 of public.other.token succeeded")
    assert "warn:" not in told
    assert statuses(two) == ["succeeded", "succeeded"]
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0


def test_query_of_the_command_that_goes_on(db: Database) -> None:
    """Nor does a resumed run take it from there: it has its own, or none."""
    db.tickets(500)
    child = db.start(
        *("rotate_tokens_sql", "--window", "10", "--max-rate", "100", "--progress", "lines"),
        *("--throttle-sql", "SELECT false"),
    )
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    kill(child)
    db.sql('UPDATE rotation SET options = options || \'{"throttle_sql": "SELECT true"}\'')
    done = db.run("rotate_tokens_sql", "--progress", "lines")
    assert done.code == 0, done
    assert "throttled" not in done.out
    db.each_once(500)


@pytest.mark.long
def test_server_takes_up_what_was_left_but_not_what_is_paused(slow: Database) -> None:
    assert slow.run("rotation", "pause").code == 0
    until(lambda: status(slow) == "paused")
    kill(slow.children[0])
    server = slow.start("rotate_tokens_sql", "--serve", "--progress", "lines")
    read_until(server, "serving")
    with pytest.raises(AssertionError):
        until(lambda: status(slow) != "paused", 6)
    assert slow.run("rotation", "tune", "max_rate=off").code == 0
    assert slow.run("rotation", "resume").code == 0
    until(lambda: status(slow) == "succeeded")
    slow.each_once(3000)
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 0


@pytest.mark.long
def test_server_tells_what_it_can_not_do(db: Database) -> None:
    """And it keeps serving."""
    db.sql(
        "CREATE TABLE other (id int PRIMARY KEY, token uuid DEFAULT gen_random_uuid());"
        "INSERT INTO other SELECT generate_series(1, 1000)"
    )
    child = db.start("rotate_tokens_sql", "--table", "other", "--window", "10", "--max-rate", "100")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    kill(child)
    db.sql("DROP TABLE other")
    server = db.start("rotate_tokens_sql", "--serve", "--progress", "lines")
    read_until(server, "retrying rotation 1 of public.other.token in 5 s")
    time.sleep(6)  # longer than a sign of life lasts: the reason is still visible
    assert (
        "there is no table 'public.other'"
        in json.loads(db.run("rotation", "status", "--json").out)["throttle"]
    )
    assert server.poll() is None
    server.terminate()
    assert server.wait(30) == 0


@pytest.mark.long
def test_server_goes_on_to_others_while_one_is_blocked(db: Database) -> None:
    """It tells why, and tries again after longer and longer; of each it tells the progress."""
    db.tickets(60)
    db.sql(
        "CREATE TABLE other (id int PRIMARY KEY, token uuid DEFAULT gen_random_uuid());"
        "INSERT INTO other SELECT generate_series(1, 50)"
    )
    recorded("ticket", lock_patience=0.5)
    with db.connect(autocommit=False) as writer:
        writer.cursor().execute("UPDATE ticket SET title = 'y' WHERE id = 1")
        recorded("other")
        server = db.start("rotate_tokens_sql", "--serve", "--progress", "lines")
        told = read_until(server, "retrying rotation 1 of public.ticket.token in 5 s")
        assert "transactions that started writing before the guard are still open" in told
        told = read_until(server, "rotation 2 of public.other.token succeeded")
        assert "completed: 100.00 % (50 of 50)" in told
        read_until(server, "retrying rotation 1 of public.ticket.token in 10 s")
        until(lambda: "still open" in db.value("SELECT throttle FROM rotation WHERE id = 1"))
    told = read_until(server, "rotation 1 of public.ticket.token succeeded")
    assert "completed: 100.00 % (60 of 60)" in told
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 0


def test_server_waits_longer_each_time_but_not_for_one_that_got_on() -> None:
    waits, one = [], None
    for rows in (0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7):
        one = after(one, "why", rows)
        waits.append(one.wait)
    assert waits == [5, 10, 20, 5, 10, 20, 40, 80, 160, 300, 300]


@pytest.mark.parametrize("flag", [("--dry-run",), ("--new",), ("--table", "x"), ("--reason", "x")])
def test_serve_takes_no_target(db: Database, flag: tuple[str, ...]) -> None:
    done = db.call("rotate_tokens_sql", "--serve", *flag)
    assert done.code == 2
    assert f"{flag[0]}: not with --serve" in done.err
