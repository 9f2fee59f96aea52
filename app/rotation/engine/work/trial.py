"""Tries the guard on the target itself, before any window, with writes that are rolled back."""

from dataclasses import replace

from ..db.driver import condition
from ..db.session import Row, Session
from ..db.sqlstate import CONFLICTS
from ..db.statements import Fragment, Name
from ..errors import LockConflict, Refused
from ..table.target import NUMBER_TYPES, Target

# what try_write.sql says
WRITTEN = "written"
REVOKED = "revoked"
NOTHING = "nothing"


def try_guard(session: Session, target: Target, lane: Row, key: str, acknowledged: bool) -> None:
    """Change a row's token, and insert a copy of it, through the guard, in the caller's transaction.

    If other triggers fire on an INSERT, it is tried only if they are `acknowledged`.

    A failure counts only if it is the guard's: any other, e.g. of the application's constraint or for
    lack of a privilege, says nothing. Raises Refused if the guard lets a revoked token pass, or makes a
    write fail that should succeed.
    """
    free_key = _free_key(target)
    its = replace(session, names=session.names | _names_of_a_copy(session, target, free_key))
    _must_pass(session, target, its.text("try_update", key=key))
    # Triggers may act outside the database, where nothing is rolled back.
    fires = session.row("find_insert_triggers", oid=target.oid)["fires"]
    if not free_key or (fires and not acknowledged):
        return
    try:
        _try_insert(its, target, lane, key)
    except LockConflict:
        return  # another session is inserting, perhaps for hours: nothing is learnt


def _try_insert(its: Session, target: Target, lane: Row, key: str) -> None:
    row = {"key": key, "set": lane["set_id"], "salt": lane["salt"]}
    _must_pass(its, target, its.text("try_insert", old=False, **row))
    # Rows of partitions may move with their tokens; see sql/schema/guard.sql.
    if target.partitioned or _try(its, its.text("try_insert", old=True, **row))["outcome"] != REVOKED:
        return
    raise Refused(
        f"the guard of {target.label} lets a revoked token be inserted: see"
        f" {target.action('guard status')}; nothing was replaced"
    )


def _must_pass(session: Session, target: Target, statement: str) -> None:
    tried = _try(session, statement)
    outcome = tried["outcome"]
    if outcome == NOTHING:
        by_guard = _try(session, statement, target.active)["outcome"] == WRITTEN
    else:
        by_guard = tried["by_guard"]
    if not by_guard:
        return
    if target.recipe.expression and outcome == REVOKED:
        raise Refused(
            f"--expression makes a token of {target.label} that was revoked: nothing was replaced; end"
            f" this rotation with {target.action('cancel')}, and start another with --new"
        )
    why = "nothing is written" if outcome == NOTHING else condition(outcome)
    raise Refused(
        f"with its guard {target.label} can't be written to ({why}): nothing was replaced; drop"
        f" it with {target.action('guard drop')} and report this, or run with --no-guard"
    )


def _try(session: Session, statement: str, active: str = "") -> Row:
    """Write, and undo it; see try_write.sql. Raises LockConflict."""
    tried = session.row("try_write", tried=statement, active=active)
    if tried["outcome"] in CONFLICTS:
        raise LockConflict(f"trying the guard: {condition(tried['outcome'])}")
    return tried


def _free_key(target: Target) -> str:
    """An expression for an unused key; empty for a type without a next or a random value."""
    if target.pk_type in NUMBER_TYPES:
        return "(SELECT pg_catalog.max(other.{pk}) + 1 FROM {target} AS other)"
    return "pg_catalog.gen_random_uuid()" if target.pk_type == "uuid" else ""


def _names_of_a_copy(session: Session, target: Target, free_key: str) -> dict[str, Name]:
    """What fills the braces in try_insert.sql."""
    columns = session.rows("list_columns", oid=target.oid)
    copied = [one["name"] for one in columns if not one["generated"]]
    copied = [name for name in copied if name not in (target.pk, target.column)]
    names: dict[str, Name] = {f"copied_{n}": (name,) for n, name in enumerate(copied)}
    names["other_columns"] = Fragment("".join(f", {{{name}}}" for name in names))
    names["other_values"] = Fragment("".join(f", target.{{copied_{n}}}" for n in range(len(copied))))
    kind = "text" if target.is_text else "uuid"
    names["inserted_token"] = Fragment(f"inserted.{{column}}::pg_catalog.{kind}")
    names["free_key"] = Fragment(free_key)
    return names
