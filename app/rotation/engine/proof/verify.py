"""The proof: the table compared by value with the set of revoked tokens, in one snapshot."""

from dataclasses import replace

from ...models import Rotation
from ..db.retry import patiently
from ..db.session import Row, Session
from ..db.statements import Fragment
from ..errors import LockConflict, Unproven
from ..options import Options
from ..table.owners import code_of_others
from ..table.target import Target
from ..text import one_line
from .leaked import LeakedList
from .parts import Parts, hold, require_same, still_means
from .revoked import in_set, receive
from .verdict import LeakedVerdict, Verdict

MOST_NAMED = 20  # survivors that are named by key


def verify(session: Session, rotation: Rotation, target: Target, options: Options) -> Verdict:
    """Compare every token of the table with the set, by value, in one snapshot, from the heap.

    It trusts no checkpoint, index, row count or row age, and makes no writer wait.
    """

    def look() -> Verdict:
        with session.reading(at_once=True):
            parts = hold(session, target)
            session.change("read_heap")
            revoked = session.row("count_revoked", set=rotation.set_id)
            survivors = session.row("count_survivors", **in_set(rotation))["survivors"]
            named = (
                session.rows("name_survivors", **in_set(rotation), most=MOST_NAMED) if survivors else []
            )
            apart = _apart(rotation, target, parts)
            attnums = [attnum for _, attnum in apart.values()]
            detached = session.rows("list_detached", oids=list(apart), attnums=attnums)
            # Replaced or restored: the numbers may be other tables'.
            if rotation.table_oid != target.oid:
                detached = [one for one in detached if apart[one["oid"]][0] == _name(one)]
                apart = {one["oid"]: apart[one["oid"]] for one in detached}
            there = [one["oid"] for one in detached]
            # Planning alone runs what its indexes call, with this role's rights.
            others = code_of_others(session, there, session.state_schema, lent=target.oid)
            if others:
                raise Unproven(_not_read(detached, others))
            held = {_name(one): _count(session, rotation, one) for one in detached}
            require_same(session, target, parts, there)
        keys = [one["key"] for one in named]
        gone = [name for oid, (name, _) in apart.items() if oid not in there]
        return Verdict(survivors, keys, **revoked, apart=held, gone=gone)

    return patiently(session, options.lock_patience, look)


def _apart(rotation: Rotation, target: Target, parts: Parts) -> Parts:
    """The tables that held its rows when the snapshot was taken, and no longer do."""
    try:
        kept = {
            int(oid): (str(name), int(attnum)) for oid, (name, attnum) in rotation.partitions.items()
        }
    except (AttributeError, TypeError, ValueError):
        raise Unproven(
            f"the partitions noted of rotation {rotation.pk} can't be read: they were changed by hand;"
            " start another rotation with --new"
        ) from None
    return {oid: its for oid, its in kept.items() if oid not in parts and oid != rotation.table_oid}


def _name(detached: Row) -> str:
    return f"{detached['schema']}.{detached['name']}"


def _not_read(detached: list[Row], others: dict[int, str]) -> str:
    """That a former partition is not read, because of what it would run."""
    name, what = next((_name(one), others[one["oid"]]) for one in detached if one["oid"] in others)
    return (
        f"{one_line(name)}, detached since the start, was not read: that would lend this role's rights"
        f" to the owners of {what}; remove that, or drop the table, then run the same command again"
    )


def _count(session: Session, rotation: Rotation, detached: Row) -> int:
    """How many revoked tokens a former partition holds.

    Raises LockConflict if its name now means another table, Unproven if it can't be compared.
    """
    if not detached["comparable"]:
        raise Unproven(
            f"{_name(detached)}, detached since the start, no longer has its token column, or it has"
            " another type: drop that table, or reattach it as it was; then run the same command again"
        )
    if not detached["readable"]:
        raise Unproven(
            f"{one_line(_name(detached))}, detached since the start, can't be read by this role: GRANT"
            " SELECT on it (row-level security must not apply), or drop that table, or reattach it; then"
            " run the same command again"
        )
    names = (detached["schema"], detached["name"], detached["column"])
    own = replace(
        session,
        names={
            **session.names,
            "target": names[:2],
            "column": names[2:],
            # Its type may have changed, and text hashes as the uuid that it spells.
            "token": Fragment("target.{column}::pg_catalog.text"),
        },
    )
    held = own.row("count_survivors", **in_set(rotation))["survivors"]
    if not still_means(session, detached["oid"], detached["attnum"], *names):
        raise LockConflict("a detached partition was renamed")
    return int(held)


def verify_listed(
    session: Session, rotation: Rotation, target: Target, leaked: LeakedList
) -> LeakedVerdict:
    """Compare the table with a list, which is not stored.

    Raises UsageError, with a line number, for what is not a list of tokens.
    """

    def look() -> LeakedVerdict:
        with session.durable():
            hold(session, target)
            session.change("read_heap")
            tokens = receive(session, target, leaked)
            row = session.row("check_leaked", salt=rotation.salt, most=MOST_NAMED)
        return LeakedVerdict(tokens, row["listed"], row["valid"], row["keys"])

    return patiently(session, Options.lock_patience, look)


def note_survivors(session: Session, rotation: Rotation) -> int:
    """List the rows that hold a token of the set, to be rotated again, in the caller's transaction."""
    session.change("read_heap")
    return session.change("note_survivors", rotation=rotation.pk, **in_set(rotation))
