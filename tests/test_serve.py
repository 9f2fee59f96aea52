"""What a process that serves takes from the database: options of the right type, and no query."""

import io
import json
import math
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management.base import OutputWrapper

from app.rotation.engine.errors import ConnectionLost, Refused, RotationError, UsageError
from app.rotation.engine.options import TUNABLE, LiveOptions, Options, from_stored
from app.rotation.management.console import Console
from app.rotation.operations import serve as service
from app.rotation.operations.inputs import open_session
from app.rotation.operations.serve import Service
from tests.conftest import Database, kill, read_until, until
from tests.test_web import LIST, PAGE, VIEW, client_of, recorded, text


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


STORED = {
    "window": 500,
    "window_seconds": 1,
    "workers": 2,
    "lanes": None,
    "lock_patience": 0.5,
    "guard": False,
    "max_lag": None,
    "max_rate": 5000,
    "standbys": ["one", "two"],
    "notify": "tokens",
    "throttle_sql": "SELECT true",
    "known to another version": {"x": [1]},
}


def test_stored_options() -> None:
    options = from_stored(STORED)
    known = {name: value for name, value in STORED.items() if " " not in name}
    assert {name: getattr(options, name) for name in known} == known | {"standbys": ("one", "two")}
    assert from_stored({}) == Options()
    assert from_stored(json.loads(json.dumps(vars(Options())))) == Options()


NO_VALUES = {
    "window": ["abc", 1.5, True, [5], {"x": 1}, "500", 10**400, 0],
    "window_seconds": ["0.3", None, False, float("nan"), float("inf"), [0.3], 10**400],
    "workers": [None, "2", 2.0, True, 65, -1],
    "lock_timeout_ms": [None, 1.0, "200"],
    "outage_seconds": [None, "60", float("nan"), float("inf"), -1, 10**400],
    "guard": [None, 0, 1, "false", [], {}],
    "max_lag": ["10", True, float("-inf"), {}, -1],
    "max_lag_bytes": [1.5, "1GB", True],
    "standbys": [None, "one", [1], [None], ["one", ["two"]], {"one": 1}, True],
    "nice": [None, "1", True],
    "vacuum": ["off", True, 0],
    "notify": [1, True, ["x"], {}, "", "x" * 64],
    "throttle_sql": [1, True, ["SELECT true"], {"sql": "SELECT true"}],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in NO_VALUES.items() for value in values],
    ids=lambda one: str(one)[:20],
)
def test_stored_options_that_are_none(name: str, value: Any) -> None:
    flags = {name, "--" + name.replace("_", "-").removesuffix("-ms")}
    with pytest.raises(UsageError) as caught:
        from_stored({name: value})
    assert any(flag in str(caught.value) for flag in flags)
    assert len(str(caught.value).splitlines()) == 1
    finite = not isinstance(value, float) or math.isfinite(value)  # JSON in the database knows no other
    if name in TUNABLE and finite:
        live = LiveOptions(Options())
        with pytest.raises(Refused, match="undo that with rotation tune NAME=default"):
            live.learn(json.dumps({name: value}))
        assert live.now == Options()


@pytest.mark.parametrize("stored", [None, [], [1], "x", 5, True])
def test_stored_options_are_an_object(stored: Any) -> None:
    with pytest.raises(UsageError, match=r"rotation\.options is not an object of options"):
        from_stored(stored)


@pytest.mark.parametrize("tuned", ["null", "[]", '"x"', "5", "[" * 3000 + "]" * 3000, "1" * 5000, "{"])
def test_tuned_options_are_an_object(tuned: str) -> None:
    with pytest.raises(Refused, match=r"rotation\.tuned was edited by hand"):
        LiveOptions(Options()).learn(tuned)


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        ('{"window": "abc"}', "a value of window that is not a whole number or null"),
        ('{"workers": true}', "a value of workers that is not a whole number"),
        ('{"standbys": null}', "a value of standbys that is not a list of strings"),
        ('{"nice": {"x": [1]}}', "a value of nice that is not a number"),
        ('{"workers": 65}', "--workers 65: expected 1 to 64 threads"),
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


@pytest.mark.parametrize(
    "stored",
    ["[1]", "null", '"x"', '{"window": [1], "min_free": "x", "standbys": [1, {}], "nice": {}}',
     "[" * 5000 + "]" * 5000, "1" * 5000],
    ids=lambda one: one[:30],
)  # fmt: skip
def test_options_written_by_hand_break_no_page(db: Database, stored: str) -> None:
    """And can be tuned, which fixes what was tuned by hand."""
    db.tickets(10)
    recorded("ticket")
    db.sql("UPDATE rotation SET options = %s, tuned = %s", stored, stored)
    db.sql("""UPDATE rotation SET steered = '[5]'""")
    client = client_of(*VIEW, "change_rotation")
    for address in (LIST, PAGE, f"{LIST}1/live/", f"{LIST}1/status.json", f"{LIST}1/report/"):
        text(client, address)
    for command in (("status",), ("status", "--json"), ("history", "--json"), ("report", "--json")):
        assert db.call("rotation", *command).code == 0
    if not stored.startswith("{"):
        assert db.call("rotation", "tune", "nice=1").code == 0
        assert db.value("SELECT tuned FROM rotation") == {"nice": 1}


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
