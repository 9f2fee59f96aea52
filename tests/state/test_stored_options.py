"""Options from the database: of the right type, or one line."""

import json
import math
from typing import Any

import pytest

from app.rotation.engine.errors import Refused, UsageError
from app.rotation.engine.kept import LiveOptions, from_stored
from app.rotation.engine.options import TUNABLE, Options

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
        live = LiveOptions(Options(), 1)
        with pytest.raises(Refused, match="undo that with python manage"):
            live.learn(json.dumps({name: value}))
        assert live.now == Options()


@pytest.mark.parametrize("stored", [None, [], [1], "x", 5, True])
def test_stored_options_are_an_object(stored: Any) -> None:
    with pytest.raises(UsageError, match=r"rotation\.options is not an object of options"):
        from_stored(stored)


@pytest.mark.parametrize("tuned", ["null", "[]", '"x"', "5", "[" * 3000 + "]" * 3000, "1" * 5000, "{"])
def test_tuned_options_are_an_object(tuned: str) -> None:
    with pytest.raises(Refused, match=r"rotation\.tuned was edited by hand"):
        LiveOptions(Options(), 1).learn(tuned)
