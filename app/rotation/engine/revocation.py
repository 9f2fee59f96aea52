"""The set of revoked tokens: taken in one view, added to, and compared by value with the table."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import F

from app.rotation.engine.database import Row, Session, translated
from app.rotation.engine.errors import LockConflict, Refused, RotationError, Stopped, Unproven
from app.rotation.engine.events import ListRead, Waiting
from app.rotation.engine.leaked import CopySource, LeakedList
from app.rotation.engine.options import Options
from app.rotation.engine.statements import Fragment
from app.rotation.engine.target import Target
from app.rotation.engine.units import shown
from app.rotation.models import Rotation

Result = TypeVar("Result")
#: Name and number of the token's column of each table, by oid.
Parts = dict[int, tuple[str, int]]

MOST_NAMED = 20  # survivors that are named by key
TELL_SECONDS = 10.0  # how often it is told that another process takes the snapshot
LOOK_SECONDS = 0.5  # how often it is looked whether another process has taken the snapshot


@dataclass(frozen=True)
class Verdict:
    """What a verification found."""

    survivors: int  #: rows that hold a token of the revoked set
    keys: list[str]  #: of the first of them
    expected: int  #: hashes that the set must hold
    found: int  #: hashes that it holds
    at: datetime
    apart: dict[str, int] = field(default_factory=dict)  #: of partitions detached since, by name
    gone: list[str] = field(default_factory=list)  #: partitions of the start that were dropped

    @property
    def conclusive(self) -> bool:
        """Whether the set was whole: else nothing follows from it."""
        return self.found == self.expected

    @property
    def clean(self) -> bool:
        """Whether no revoked token survives, in the table or in what was detached from it."""
        return self.conclusive and not self.survivors and not any(self.apart.values())

    @property
    def notes(self) -> list[str]:
        """What became of partitions that are none any more, where that proves nothing wrong."""
        return [
            *(f"{name}, detached since the start, holds no revoked token"
              for name, rows in self.apart.items() if not rows),
            *(f"a partition of the start is gone: {name}" for name in self.gone),
        ]  # fmt: skip

    def sentence(self, label: str) -> str:
        """The result in one plain sentence."""
        if not self.conclusive:
            return (
                f"the set of revoked tokens of {label} holds {self.found} of {self.expected} hashes:"
                " it was tampered with, and nothing can be concluded from it"
            )
        return (
            f"{self.survivors} of {self.expected} revoked tokens survive in {label},"
            f" checked {self.at:%Y-%m-%d %H:%M:%S %Z}"
        )


@dataclass(frozen=True)
class LeakedVerdict:
    """What a comparison with a list of leaked tokens found."""

    tokens: int  #: that the list holds; one that is listed twice counts twice
    listed: int  #: different ones among them
    valid: int  #: rows that hold one of them
    keys: list[str]  #: of the first of those

    def sentence(self, label: str) -> str:
        """The result in one plain sentence."""
        read = "" if self.tokens == self.listed else f" ({self.tokens} were read, some of them twice)"
        return f"{self.valid} rows of {label} hold one of {self.listed} listed tokens{read}"


def take_snapshot(session: Session, rotation: Rotation, target: Target) -> int:
    """Put the hash of every token into the set, and complete it; how many hashes it must hold now.

    One statement, and so one view of the table, read from the heap: a token that is valid at that moment
    is in it, wherever its row moves later, and whatever an index does not return. If another process is
    about it, wait for its end. The first request to stop cancels it, because it begins again anyway.
    Raises LockConflict then, Stopped where it waited, Refused for a text that is no UUID.
    """
    told = time.monotonic()
    while True:
        with session.durable(at_once=True):
            if session.row("claim_snapshot", rotation=rotation.pk)["alone"]:
                with translated("reading the rotation"):
                    rotation.refresh_from_db(using=session.alias)
                if rotation.revoked is not None:
                    return rotation.revoked
                return _take(session, rotation, target)
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            session.emit(Waiting("the snapshot", "another process, which is taking it"))
        if session.stop.wait(LOOK_SECONDS):
            raise Stopped(f"by {session.stop.reason}")


def _take(session: Session, rotation: Rotation, target: Target) -> int:
    parts = _parts(session, target)
    session.change("read_heap")
    if target.is_text and (misfits := session.rows("find_misfit", lo=None, hi=None)):
        raise Refused(
            f"{target.label} of the row with {target.pk} {shown(misfits[0]['key'])} is no UUID of"
            " 32 or 36 characters in one case; nothing was replaced: mend or empty it and run the"
            " same command again, or give up with rotation cancel"
        )
    # Into a set that has an index, in the index's order: that is much faster.
    its = {"rotation": rotation.pk, **in_set(rotation), "sorted": rotation.set_id != rotation.pk}
    taken = session.change("take_snapshot", **its)
    _require_same(session, target, parts)
    with translated("noting the partitions"):
        this = Rotation.objects.using(session.alias).filter(pk=rotation.pk)
        this.update(partitions={str(oid): list(its) for oid, its in parts.items()})
    return int(session.row("close_revoked", rotation=rotation.pk, taken=taken)["revoked"])


def _parts(session: Session, target: Target) -> Parts:
    """The tables that hold the target's rows; from now on locked in the caller's transaction."""
    rows = session.rows("list_parts", oid=target.oid, attnum=target.attnum)
    return {row["oid"]: (row["name"], row["attnum"]) for row in rows}


def _require_same(session: Session, target: Target, parts: Parts, apart: Any = ()) -> None:
    """See that what was read in this transaction by the target's names was the whole target.

    Raises LockConflict if it has to be read again: a part was attached, detached or rewritten meanwhile;
    Refused if the names mean something else now.
    """
    names = (target.schema, target.table, target.column)
    if not _means(session, target.oid, target.attnum, *names):
        raise Refused(
            f"{target.label} was renamed or replaced while it was read: look at the table, then run the"
            " command on the one that holds the old tokens"
        )
    if _parts(session, target) != parts:
        raise LockConflict("partitions came or went while they were read")
    if session.row("count_rewritten", read=[*parts, *apart])["rewritten"]:
        raise LockConflict("the table was rewritten while it was waited for")


def in_set(rotation: Rotation) -> dict[str, int | None]:
    """What statements need to look a token up among those that a rotation's column has revoked."""
    return {"set": rotation.set_id, "salt": rotation.salt}


def revoke_listed(session: Session, rotation: Rotation, target: Target, leaked: LeakedList) -> ListRead:
    """Add a list to the rotation's set, in the caller's transaction; what to tell after its COMMIT.

    Raises UsageError, with a line number, for what is no list of tokens.
    """
    tokens = receive(session, target, leaked)
    added = session.change("add_leaked", rotation=rotation.pk, **in_set(rotation))
    this = Rotation.objects.using(session.alias).filter(pk=rotation.pk)
    this.update(leaked=F("leaked") + added, revoked=F("revoked") + added)
    session.rows("note_change", set=rotation.set_id)
    return ListRead(leaked.name, tokens, added)


def receive(session: Session, target: Target, leaked: LeakedList) -> int:
    """Copy a list into the transaction's own table; how many tokens it holds."""
    session.change("create_leaked")
    source = CopySource(leaked, target.column)
    try:
        session.copy("copy_leaked", source)
    except RotationError:
        if source.error:
            raise source.error from None
        raise
    return source.tokens


def verify(session: Session, rotation: Rotation, target: Target, options: Options) -> Verdict:
    """Compare every token of the table with the set, by value, in one unchanging view, from the heap.

    It trusts no checkpoint, no index, no count of rows and no age of rows, and makes no writer wait.
    """

    def look() -> Verdict:
        with session.reading(at_once=True):
            parts = _parts(session, target)
            session.change("read_heap")
            revoked = session.row("count_revoked", set=rotation.set_id)
            survivors = session.row("count_survivors", **in_set(rotation))["survivors"]
            named = (
                session.rows("name_survivors", **in_set(rotation), most=MOST_NAMED) if survivors else []
            )
            apart = _apart(rotation, target, parts)
            attnums = [attnum for _, attnum in apart.values()]
            detached = session.rows("list_detached", oids=list(apart), attnums=attnums)
            if rotation.table_oid != target.oid:  # replaced, or restored: other tables' numbers, perhaps
                detached = [one for one in detached if apart[one["oid"]][0] == _name(one)]
                apart = {one["oid"]: apart[one["oid"]] for one in detached}
            held = {_name(one): _count(session, rotation, one) for one in detached}
            _require_same(session, target, parts, (one["oid"] for one in detached))
        keys = [one["key"] for one in named]
        there = {one["oid"] for one in detached}
        gone = [name for oid, (name, _) in apart.items() if oid not in there]
        return Verdict(survivors, keys, **revoked, apart=held, gone=gone)

    return patiently(session, options, look)


def _apart(rotation: Rotation, target: Target, parts: Parts) -> Parts:
    """What the table's rows were in when the snapshot was taken, and are not in any more."""
    kept = {int(oid): (name, attnum) for oid, (name, attnum) in rotation.partitions.items()}
    return {oid: its for oid, its in kept.items() if oid not in parts and oid != rotation.table_oid}


def _name(detached: Row) -> str:
    return f"{detached['schema']}.{detached['name']}"


def _count(session: Session, rotation: Rotation, detached: Row) -> int:
    """How many revoked tokens a table holds that was a partition at the start, and is none now.

    Raises LockConflict if its name means another table by now, Unproven if it can't be compared.
    """
    if not detached["comparable"]:
        raise Unproven(
            f"{_name(detached)}, detached since the start, has not the column any more that held its"
            " tokens, or of another type: drop that table, or attach it as it was; then run the same"
            " command again"
        )
    names = (detached["schema"], detached["name"], detached["column"])
    own = replace(
        session,
        names={
            **session.names,
            "target": names[:2],
            "column": names[2:],
            # Its type may be another one by now, and a text hashes as the uuid that it spells.
            "token": Fragment("target.{column}::pg_catalog.text"),
        },
    )
    held = own.row("count_survivors", **in_set(rotation))["survivors"]
    if not _means(session, detached["oid"], detached["attnum"], *names):
        raise LockConflict("a partition that was detached has another name now")
    return int(held)


def _means(session: Session, oid: int, attnum: int, schema: str, table: str, column: str) -> bool:
    """Whether the names that were read by mean that column of that table."""
    names = {"schema": schema, "table": table, "column": column}
    return bool(session.row("check_name", oid=oid, attnum=attnum, **names)["same"])


def verify_listed(
    session: Session, rotation: Rotation, target: Target, leaked: LeakedList
) -> LeakedVerdict:
    """Compare the table with a list; nothing is kept of it.

    Raises UsageError, with a line number, for what is no list of tokens.
    """

    def look() -> LeakedVerdict:
        with session.durable():
            session.change("read_heap")
            tokens = receive(session, target, leaked)
            row = session.row("check_leaked", salt=rotation.salt, most=MOST_NAMED)
        return LeakedVerdict(tokens, row["listed"], row["valid"], row["keys"])

    return patiently(session, Options(), look)


def note_survivors(session: Session, rotation: Rotation) -> int:
    """List the rows that hold a token of the set, to be rotated again, in the caller's transaction."""
    session.change("read_heap")
    return session.change("note_survivors", rotation=rotation.pk, **in_set(rotation))


def patiently(session: Session, options: Options, action: Callable[[], Result]) -> Result:
    """Try an action that reads the whole table until it succeeds, or the patience runs out.

    The patience begins with the first conflict: reading the table may take longer than that.
    """
    began: float | None = None
    while True:
        try:
            return session.through_outages(action)
        except LockConflict as conflict:
            if session.stop.requested:
                raise Stopped(f"by {session.stop.reason}") from None
            now = time.monotonic()
            began = now if began is None else began
            if now - began > options.lock_patience:
                raise Stopped(
                    f"the table could not be read for {options.lock_patience:.0f} s ({conflict}):"
                    " end what locks or alters it, then run the same command again"
                ) from conflict
            session.stop.wait(0.5)
