"""What commands print for machines has the keys that docs/operations.md promises, and no others."""

import json
from collections.abc import Iterator
from typing import Any

from tests.conftest import PROJECT, Database

FREE = {"options", "tuned", "versions"}  # whose keys are names of options and of programs


def shapes(place: str, found: Any) -> Iterator[tuple[str, list[str]]]:
    """The keys of each object, and where it is."""
    one = found[0] if isinstance(found, list) and found else found
    if isinstance(one, dict):
        yield place, list(one)
        for name, value in one.items():
            if name not in FREE:
                yield from shapes(f"{place}.{name}", value)


def test_keys_are_documented(slow: Database) -> None:
    assert slow.run("rotation", "tune", "max_rate=off").code == 0
    assert slow.children[0].wait(60) == 0
    told = (PROJECT / "docs" / "operations.md").read_text()
    places = []
    for command in ("status", "history", "report"):
        found = json.loads(slow.call("rotation", command, "--json").out)
        for place, keys in shapes(command, found):
            places.append(place)
            assert f"| `{place}` | {', '.join(f'`{key}`' for key in keys)} |" in told, place
    for part in ("stages", "workers", "held_back", "steering", "findings", "lanes", "journal"):
        assert f"report.{part}" in places
