"""Whose code runs with the rights of this role when it uses a table."""

from collections import defaultdict
from collections.abc import Collection

from ..db.session import Session
from ..text import one_line

MOST_NAMED = 3  # things that are named


def code_of_others(
    session: Session, tables: Collection[int], state_schema: str, lent: int | None = None
) -> dict[int, str]:
    """What of others runs with this role's rights when it uses these tables, by oid, for people.

    Tables without such are left out. `lent` is a table whose owner is trusted; see the statement.
    """
    if not tables:
        return {}
    rows = session.rows("list_code_of_others", oids=list(tables), state_schema=state_schema, lent=lent)
    found = defaultdict(list)
    for row in rows:
        found[row["oid"]].append(f"{row['what']} of {row['owner']}")
    return {oid: one_line(_some(things)) for oid, things in found.items()}


def _some(things: list[str]) -> str:
    more = len(things) - MOST_NAMED
    return ", ".join(things[:MOST_NAMED] + ([f"{more} more"] if more > 0 else []))
