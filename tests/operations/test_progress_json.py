"""What `--progress json` prints is as its schema says, which is made from the code."""

import json
import runpy
from datetime import datetime

from jsonschema import Draft202012Validator

from app.rotation.engine.events import PHASE_NAMES
from tests.conftest import PROJECT, Database

SCHEMA = PROJECT / "docs" / "progress.schema.json"


def events(db: Database, *command: str) -> list[dict]:
    """What a run told."""
    return [json.loads(line) for line in db.run(*command, "--progress", "json").out.splitlines()]


def test_the_schema_is_that_of_the_code() -> None:
    assert SCHEMA.read_text() == runpy.run_path(str(PROJECT / "docs" / "progress_schema.py"))["text"]()


def test_what_is_told_fits_the_schema(db: Database) -> None:
    schema = json.loads(SCHEMA.read_text())
    known = {one["properties"]["event"]["const"]: set(one["properties"]) for one in schema["oneOf"]}
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    db.tickets(1000)
    told = events(db, "rotate_tokens_sql", "--window", "100", "--stop-after", "300")
    told += events(db, "rotate_tokens_sql")
    told += events(db, "rotate_tokens_sql", "--new", "--max-rate", "3000", "--reindex")
    told += events(db, "rotate_tokens_sql", "--table", "nope")
    assert {"progress", "window_done", "found", "phase", "ended"} <= {one["event"] for one in told}
    for one in told:
        validator.validate(one)
        assert set(one) <= known[one["event"]]


def test_each_object_says_when_and_in_which_phase(db: Database) -> None:
    """A snapshot's progress is not that of windows, nor is a resumed run at its beginning."""
    db.tickets(1000)
    command = ("rotate_tokens_sql", "--window", "100")
    for told, phases in (
        (events(db, *command, "--stop-after", "300"), ["preflight", "guard", "snapshot", "windows"]),
        (events(db, *command), ["preflight", "windows", "verification", "end"]),
    ):
        named = [one["phase"] for one in told]
        assert list(dict.fromkeys(named)) == phases
        for one in told:
            if one["event"] == "window_done":
                assert one["phase"] == "windows"
            if one["event"] == "phase":
                assert one["phase"] == PHASE_NAMES[one["number"]]
        times = [datetime.fromisoformat(one["time"]) for one in told]
        assert times == sorted(times) and all(moment.tzinfo for moment in times)
