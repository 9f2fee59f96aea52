"""Writes progress.schema.json, the JSON Schema of what `--progress json` prints, from the code.

.venv/bin/python docs/progress_schema.py
"""

import dataclasses
import json
import os
import sys
import types
import typing
from datetime import datetime
from pathlib import Path
from typing import Any

import django

PROJECT = Path(__file__).resolve().parents[1]
SCHEMA = PROJECT / "docs" / "progress.schema.json"
TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}

sys.path.insert(0, str(PROJECT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
django.setup()

from app.rotation.engine.events import PHASE_NAMES, Event  # noqa: E402
from app.rotation.engine.maintenance import reindex  # noqa: E402
from app.rotation.engine.proof import copies  # noqa: E402
from app.rotation.engine.state.progress import Progress  # noqa: E402

assert reindex and copies  # whose events are theirs


def type_of(hint: Any) -> dict[str, Any]:
    """What JSON Schema calls a type of Python."""
    if hint is datetime:
        return {"type": "string", "format": "date-time"}
    if typing.get_origin(hint) is list:
        return {"type": "array", "items": type_of(typing.get_args(hint)[0])}
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        parts = [type_of(one) for one in typing.get_args(hint)]
        merged = {name: part[name] for part in parts for name in part}
        return {**merged, "type": [part["type"] for part in parts]}
    return {"type": TYPES[hint]}


def object_of(kind: str, fields: dict[str, Any], phases: tuple[str, ...]) -> dict[str, Any]:
    """The schema of one kind of object."""
    properties = {
        "time": {"type": "string", "format": "date-time"},
        "event": {"const": kind},
        "phase": {"enum": list(phases)},
        **fields,
    }
    required = list(properties)
    database = {"type": "string", "description": "which one, if there are several"}
    properties.setdefault("database", database)
    return {"properties": properties, "required": required}


def schema() -> dict[str, Any]:
    """The schema of every object, by its event."""

    def fields(shape: Any) -> dict[str, Any]:
        hints = typing.get_type_hints(shape)
        return {field.name: type_of(hints[field.name]) for field in dataclasses.fields(shape)}

    number = type_of(float | None)
    kinds = {
        "progress": fields(Progress) | {"percent": number, "eta_seconds": number},
        **{event.kind: fields(event) for event in Event.__subclasses__()},
        "message": {"text": type_of(str)},
        "ended": {"exit_code": type_of(int), "text": type_of(str)},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line of rotate_tokens_sql --progress json",
        "type": "object",
        "oneOf": [object_of(kind, its, PHASE_NAMES) for kind, its in kinds.items()],
    }


def text() -> str:
    """The schema as it is stored: a line for each kind."""
    whole = schema()
    kinds = ",\n".join(json.dumps(one) for one in whole.pop("oneOf"))
    return f'{json.dumps(whole)[:-1]}, "oneOf": [\n{kinds}\n]}}\n'


if __name__ == "__main__":
    SCHEMA.write_text(text())
