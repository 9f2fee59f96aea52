"""Whose token was replaced: the list for the letter to customers. It never holds a token."""

import contextlib
import csv
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..engine.db.session import Session
from ..engine.db.statements import Fragment
from ..engine.errors import Refused, UsageError
from ..engine.kept import kept_lastingly
from ..engine.preflight.server import describe_server
from ..engine.recipe import parse_companion
from ..engine.state.progress import read_progress
from ..engine.table import citus
from ..engine.table.target import Target, aim
from ..engine.text import count, quoted
from ..models import UNFINISHED, Rotation
from .verify import find_rotated


def export_keys(session: Session, rotation: Rotation, columns: str | None, sink: Any) -> str:
    """Write the rotated rows as CSV to `sink`, in one snapshot; returns what to say of it.

    `columns`: names separated by commas, as in a line of CSV; None: the primary key. `sink` has a method
    `write` for bytes. Raises Refused, before anything is written, for a table that is not the one that
    was rotated, and UsageError for columns that can't be shown.
    """
    server = describe_server(session)
    target = citus.place(session, find_rotated(session, rotation), server["citus"])
    if kept_lastingly(rotation.options).get("where") != target.recipe.where:
        raise Refused(
            f"{rotation} was of some rows only, by SQL that this site's SECRET_KEY did not sign: nothing"
            " tells which"
        )
    if target.oid != rotation.table_oid:
        raise Refused(
            f"{target.label} is not the table that was rotated, but another of that name: nothing tells"
            " which of its rows were"
        )
    aim(session, target)
    chosen = [target.pk] if columns is None else _parse(columns)
    _require_shown(session, target, chosen, rotation)
    names = {f"key_column_{n}": (name,) for n, name in enumerate(chosen)}
    listed = Fragment(", ".join(f"target.{{{name}}}" for name in names))
    its = replace(session, names={**session.names, **names, "key_columns": listed})
    with its.reading():
        done = read_progress(its, rotation.pk).rows_done
        rows = its.copy_out("copy_keys", sink, rotation=rotation.pk)
    going_on = f", which is {rotation.status}" if rotation.status in UNFINISHED else ""
    return f"{count(rows, 'row')} of {rotation}{going_on}{_of_changes(done - rows, target.recipe.where)}"


def _parse(columns: str) -> list[str]:
    """The names. Raises UsageError for text that is no line of CSV, or names none."""
    try:
        names = next(csv.reader([columns], strict=True), [])
    except csv.Error as error:
        raise UsageError(f"--columns {columns!r}: {error}") from error
    if not names or not all(names):
        raise UsageError(f"--columns {columns!r}: expected names separated by commas")
    return names


def _require_shown(session: Session, target: Target, names: list[str], rotation: Rotation) -> None:
    """Raise UsageError for a column that there is not or may hold a token, Refused for an unreadable."""
    known = {row["name"]: row for row in session.rows("list_columns", oid=target.oid)}
    table = f"{target.schema}.{target.table}"
    also = kept_lastingly(rotation.options).get("also", ())
    companions = {parse_companion(text).column for text in also}
    for name in names:
        if name not in known:
            raise UsageError(f"--columns: {table} has no column {name!r}; it has {', '.join(known)}")
        if name == target.column:
            raise UsageError(f"--columns: {name} holds the tokens, which are never shown")
        if name in companions:
            raise UsageError(f"--columns: {name} was set by --also, perhaps from the token: name others")
        if known[name]["generated"]:
            raise UsageError(f"--columns: {name} is generated, perhaps from the token: name others")
        if not known[name]["may_select"]:
            raise Refused(f"this role may not read {table}.{name}: GRANT SELECT on it first")


def _of_changes(missing: int, where: str | None) -> str:
    """What the number of rows says, compared with how many were rotated."""
    if where:
        now = f"; whether --where {quoted(where)} is true was asked now, not then"
        is_ = "is gone or does not fulfil" if missing == 1 else "are gone or do not fulfil"
        left_out = f"; {count(missing, 'row')} that it rotated {is_} it now, and not listed"
        return now + left_out * (missing > 0)
    if missing > 0:
        return f"; {count(missing, 'row')} that it rotated {'is' if missing == 1 else 'are'} no more"
    if missing < 0:
        return f"; {count(-missing, 'row')} of them came later, with keys between those that it rotated"
    return ""


@contextlib.contextmanager
def private_file(path: str, flag: str = "--output") -> Iterator[BinaryIO]:
    """A file that only its owner may read, which takes its place when the block ends well.

    A device, a pipe and a symbolic link stay what they are. Raises UsageError, naming the flag, if it
    can't be written.
    """
    part: str | None = None
    try:
        if Path(path).exists() and not Path(path).is_file():  # such as /dev/stdout
            with Path(path).open("wb") as device:
                yield device
            return
        whole = Path(path).resolve()  # what takes the place of a link is no longer found through it
        handle, part = tempfile.mkstemp(prefix=f".{whole.name}.", dir=whole.parent)
        with os.fdopen(handle, "wb") as file:
            yield cast("BinaryIO", file)
        Path(part).replace(whole)
        part = None
    except OSError as error:
        raise UsageError(f"{flag} {path}: {error.strerror}") from error
    finally:
        if part:
            Path(part).unlink(missing_ok=True)
