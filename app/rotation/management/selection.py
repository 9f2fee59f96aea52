"""Which rotations the flags of a command speak of, and one of them as plain data."""

from typing import Any

from django.db.models import Case, QuerySet, Value, When

from app.rotation.engine import control, preflight
from app.rotation.engine.database import Session
from app.rotation.engine.status import describe
from app.rotation.engine.target import parse_table
from app.rotation.management import cli
from app.rotation.models import UNFINISHED, Rotation


def open_session(alias: str) -> Session:
    """A session that can read the state. Raises Refused if this database has none."""
    session = Session(alias)
    preflight.require_state(session, preflight.describe_server(session))
    return session


def chosen(session: Session, options: dict[str, Any]) -> "QuerySet[Rotation]":
    """The rotations that the flags ask for: unfinished ones first, then the latest."""
    unfinished = Case(When(status__in=UNFINISHED, then=Value(0)), default=Value(1))
    found = control.rotations(session).order_by(unfinished, "-pk")
    for flag in ("table", "column"):
        cli.require_text(f"--{flag}", options[flag])
    if options["table"] is None and options["column"] is None:
        return found
    schema, table = (None, None) if options["table"] is None else parse_table(options["table"])
    its = {"schema": schema, "table": table, "column": options["column"]}
    with session.looking("reading the rotations"):
        return found.filter(pk__in={row["id"] for row in session.rows("find_rotations", **its)})


def none_found(options: dict[str, Any]) -> str:
    """What to say when no rotation is what the flags ask for."""
    asked = [f"{flag} {options[flag]!r}" for flag in ("table", "column") if options[flag] is not None]
    if asked:
        return f"no rotation of {' and '.join(asked)} in this database"
    return "no rotation yet: python manage.py rotate_tokens_sql starts one"


def entry(session: Session, rotation: Rotation) -> dict[str, Any]:
    """One line of the history, as plain data."""
    state = describe(session, rotation)
    del state["lanes"]
    return state | {
        "operator": rotation.operator,
        "host": rotation.host,
        "reason": rotation.reason,
        "options": rotation.options,
        "retired_at": rotation.retired_at.isoformat() if rotation.retired_at else None,
    }
