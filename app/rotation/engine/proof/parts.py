"""The tables that hold the target's rows, and the check that all of them were read."""

from typing import Any

from ..db.session import Session
from ..errors import LockConflict, Refused
from ..table.target import Target

#: Name and number of the token's column of each table, by oid.
Parts = dict[int, tuple[str, int]]


def hold(session: Session, target: Target) -> Parts:
    """The tables that hold the target's rows, before its name is used; locks them until COMMIT.

    Raises Refused if that name means something else now, whose code would run.
    """
    session.change("hold_to_read")
    require_name(session, target)
    return parts_of(session, target)


def parts_of(session: Session, target: Target) -> Parts:
    """The tables that hold the target's rows; locks them in the caller's transaction."""
    rows = session.rows("list_parts", oid=target.oid, attnum=target.attnum)
    return {row["oid"]: (row["name"], row["attnum"]) for row in rows}


def require_same(session: Session, target: Target, parts: Parts, apart: Any = ()) -> None:
    """Check that what this transaction read under the target's names was the whole target.

    Raises LockConflict if it has to be read again: a part was attached, detached or rewritten meanwhile;
    Refused if the names mean something else now.
    """
    require_name(session, target)
    if parts_of(session, target) != parts:
        raise LockConflict("partitions came or went while they were read")
    if session.row("count_rewritten", read=[*parts, *apart])["rewritten"]:
        raise LockConflict("the table was rewritten while this waited for it")


def require_name(session: Session, target: Target) -> None:
    """Raise Refused if the target's names mean another column."""
    names = (target.schema, target.table, target.column)
    if not still_means(session, target.oid, target.attnum, *names):
        raise Refused(
            f"{target.label} was renamed or replaced while it was read: check the table, then run the"
            " command on the one that holds the old tokens"
        )


def still_means(session: Session, oid: int, attnum: int, schema: str, table: str, column: str) -> bool:
    """Whether these names still mean that column of that table."""
    names = {"schema": schema, "table": table, "column": column}
    return bool(session.row("check_name", oid=oid, attnum=attnum, **names)["same"])
