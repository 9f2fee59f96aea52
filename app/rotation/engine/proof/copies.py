"""Searches for copies of revoked tokens outside the target's column, by value."""

from dataclasses import dataclass, field, replace

from ...models import Rotation
from ..db.session import Session
from ..db.statements import Fragment
from ..errors import DatabaseFailure, LockConflict, Stopped
from ..events import Event
from ..table.target import Target
from ..text import count, one_line
from .candidates import CandidateTable, list_candidates
from .revoked import in_set

WHY = {
    "foreign": "a foreign table: search it on the server that holds it",
    "schema": "this role may not use its schema: GRANT USAGE on it",
    "privilege": "this role may not read it: GRANT SELECT on it",
    "stranger": "code of others would run with this role's rights: search it as its owner",
    "rows": "row-level security hides some of its rows from this role",
}


@dataclass(frozen=True)
class Searching(Event):
    """A table is searched for copies of revoked tokens."""

    kind = "searching"
    number: int
    tables: int  #: in all
    table: str
    rows: int | None  #: estimated; None: not known

    def __str__(self) -> str:
        rows = "" if self.rows is None else f" (about {count(self.rows, 'row')})"
        return f"searching {self.number} of {self.tables}: {self.table}{rows}"


@dataclass
class Search:
    """What a search for copies found."""

    columns: int = 0  #: that were searched
    tables: int = 0  #: that they belong to
    found: list[str] = field(default_factory=list)  #: a sentence for each column with a revoked token
    skipped: list[str] = field(default_factory=list)  #: what was not searched, and why

    @property
    def sentence(self) -> str:
        """Says that nothing was found, and where."""
        where = f"{count(self.columns, 'column')} of {count(self.tables, 'table')} searched"
        could = " that could be searched" if self.skipped else ""
        return f"no other uuid, text or JSON column{could} holds a revoked token ({where})"


def search(session: Session, target: Target, rotation: Rotation) -> Search:
    """Compare every other column that this role may read with the revoked set of a column, by value.

    Each table is read once, in its own snapshot: a single one would hold back vacuum and DDL until the
    end, and would see a table that is rewritten meanwhile as empty. A failure in one table is reported,
    and the others are searched. Raises Stopped when a stop is requested.
    """
    done = Search()
    candidates = session.through_outages(lambda: _list(session, target))
    for candidate in candidates:
        done.skipped += _obstacles(candidate)
    readable = [candidate.readable for candidate in candidates if candidate.readable.columns]
    for number, candidate in enumerate(readable, 1):
        session.emit(Searching(number, len(readable), candidate.label, candidate.rows))
        try:
            counts = session.through_outages(
                lambda candidate=candidate: _search_one(session, candidate, rotation, target)  # type: ignore[misc]
            )
        except (LockConflict, DatabaseFailure) as error:
            if session.stop.requested:
                raise Stopped(f"by {session.stop.reason}; run the same command again") from None
            done.skipped.append(f"{candidate.label} ({error})")
            continue
        done.tables += 1
        done.columns += len(candidate.columns)
        for place, column in enumerate(candidate.columns, 1):
            if rows := counts.get(place):
                name = f"{candidate.label}.{one_line(column.name)}"
                hold = "holds" if rows == 1 else "hold"
                done.found.append(f"{count(rows, 'row')} of {name} {hold} a revoked token")
    return done


def _list(session: Session, target: Target) -> list[CandidateTable]:
    with session.reading():
        return list_candidates(session, target)


def _obstacles(candidate: CandidateTable) -> list[str]:
    """What of a table can't be searched, and why; the table as a whole if that is so for all columns."""
    hidden = [one for one in candidate.columns if one.obstacle and not one.is_token]
    whole = len(hidden) == len(candidate.columns) and len({one.obstacle for one in hidden}) == 1
    if whole:
        return [f"{candidate.label} ({WHY[hidden[0].obstacle or '']})"]
    return [f"{candidate.label}.{one_line(one.name)} ({WHY[one.obstacle or '']})" for one in hidden]


def _search_one(
    session: Session, candidate: CandidateTable, rotation: Rotation, target: Target
) -> dict[int, int]:
    """How many rows hold a revoked token, by the number of the column in `candidate`, from 1."""
    columns = []
    values = []
    for n, one in enumerate(candidate.columns, 1):
        is_uuid = one.sort == "uuid" and not target.any_text
        kind = "pg_catalog.uuid" if is_uuid else 'pg_catalog.text COLLATE "C"'
        value = f"copied.{{column_{n}}}::{kind}"
        if one.sort == "document":  # as JSON may escape hyphens
            value = f"pg_catalog.regexp_replace({value}, E'[\\\\\\\\]u002d', '-', 'gi')"
        columns.append(f"{value} AS value_{n}")
        token = f"value_{n}"
        text = "NULL::pg_catalog.text"
        if target.any_text:
            values.append(f"({n}, {token})")
            continue
        values.append(f"({n}, {token}, {text})" if is_uuid else f"({n}, NULL::pg_catalog.uuid, {token})")
    its = replace(
        session,
        names={
            **session.names,
            **candidate.names,
            "columns": Fragment(", ".join(columns)),
            "values": Fragment(", ".join(values)),
        },
    )
    with its.reading():
        its.rows("read_heap")
        if target.any_text:
            form = target.recipe.form
            pattern = form.pattern if form else None
            counted = its.rows("search_texts", **in_set(rotation), pattern=pattern)
        else:
            counted = its.rows("search_copies", **in_set(rotation))
    return {row["number"]: row["rows"] for row in counted}
