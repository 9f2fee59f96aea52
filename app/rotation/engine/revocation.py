"""The set of revoked tokens: completed, added to, and compared by value with what the table holds."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from django.db.models import F

from app.rotation.engine.database import Session
from app.rotation.engine.errors import LockConflict, RotationError, Stopped
from app.rotation.engine.leaked import CopySource, LeakedList
from app.rotation.engine.options import Options
from app.rotation.engine.target import Target
from app.rotation.models import Rotation

Result = TypeVar("Result")

MOST_NAMED = 20  # survivors that are named by key


@dataclass(frozen=True)
class Verdict:
    """What a verification found."""

    survivors: int  #: rows that hold a token of the revoked set
    keys: list[str]  #: of the first of them
    expected: int  #: hashes that the set must hold
    found: int  #: hashes that it holds
    at: datetime

    @property
    def conclusive(self) -> bool:
        """Whether the set was whole: else nothing follows from it."""
        return self.found == self.expected

    def __add__(self, other: "Verdict") -> "Verdict":
        """What follows from the comparison with two sets, in one view of the table."""
        keys = list(dict.fromkeys(self.keys + other.keys))[:MOST_NAMED]
        return Verdict(
            self.survivors + other.survivors,
            keys,
            self.expected + other.expected,
            self.found + other.found,
            self.at,
        )

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

    listed: int  #: different tokens in the list
    valid: int  #: rows that hold one of them
    keys: list[str]  #: of the first of those


def complete(session: Session, rotation: int) -> int:
    """Index the set, and let the guard refuse what is in it; the number of its hashes.

    If another process is about it, wait for its end. Raises Stopped when a stop is requested.
    """
    while True:
        with session.durable():
            if session.row("claim_closing", rotation=rotation)["alone"]:
                return int(session.row("close_revoked", rotation=rotation)["revoked"])
        if session.stop.wait(0.5):
            raise Stopped(f"by {session.stop.reason}")


def revoke_listed(session: Session, rotation: Rotation, target: Target, leaked: LeakedList) -> None:
    """Add a list to the rotation's set, in the caller's transaction.

    Raises UsageError, with a line number, for what is no list of tokens.
    """
    receive(session, target, leaked)
    added = session.change("add_leaked", rotation=rotation.pk, salt=rotation.salt)
    this = Rotation.objects.using(session.alias).filter(pk=rotation.pk)
    this.update(leaked=F("leaked") + added)
    if rotation.revoked is not None:
        session.rows("close_revoked", rotation=rotation.pk)


def receive(session: Session, target: Target, leaked: LeakedList) -> None:
    """Copy a list into the transaction's own table."""
    session.change("create_leaked")
    source = CopySource(leaked, target.column)
    try:
        session.copy("copy_leaked", source)
    except RotationError:
        if source.error:
            raise source.error from None
        raise


def verify(session: Session, sets: list[Rotation], options: Options) -> Verdict:
    """Compare every token of the table with the sets of rotations, by value, in one unchanging view.

    The first set must be whole.

    It trusts no checkpoint, no count of rows and no age of rows, and makes no writer wait.
    """

    def look() -> Verdict:
        with session.reading():
            first, *more = (_look(session, one) for one in sets)
            # Of one that was given up, perhaps because it was tampered with, what there is counts.
            more = [replace(one, expected=one.found) for one in more]
            return functools.reduce(Verdict.__add__, more, first)

    return patiently(session, options, look)


def _look(session: Session, rotation: Rotation) -> Verdict:
    its = {"rotation": rotation.pk, "salt": rotation.salt}
    row = session.row("count_survivors", **its)
    named = session.rows("name_survivors", **its, most=MOST_NAMED) if row["survivors"] else []
    keys = [one["key"] for one in named]
    return Verdict(row["survivors"], keys, row["expected"], row["found"], row["at"])


def verify_listed(
    session: Session, rotation: Rotation, target: Target, leaked: LeakedList
) -> LeakedVerdict:
    """Compare the table with a list; nothing is kept of it."""
    with session.transaction():
        session.rows("make_durable", worker=session.worker)
        receive(session, target, leaked)
        row = session.row("check_leaked", salt=rotation.salt, most=MOST_NAMED)
    return LeakedVerdict(row["listed"], row["valid"], row["keys"])


def note_survivors(session: Session, rotation: Rotation, revoked_by: Rotation) -> int:
    """List the rows that hold a token of a set, to be rotated once more, in the caller's transaction."""
    its = {"revoked_by": revoked_by.pk, "salt": revoked_by.salt}
    return session.change("note_survivors", rotation=rotation.pk, **its)


def patiently(session: Session, options: Options, action: Callable[[], Result]) -> Result:
    """Try an action that reads the whole table until it gets its lock, or the patience runs out."""
    began = time.monotonic()
    while True:
        try:
            return session.through_outages(action)
        except LockConflict as conflict:
            if session.stop.requested:
                raise Stopped(f"by {session.stop.reason}") from None
            if time.monotonic() - began > options.lock_patience:
                raise Stopped(
                    f"no lock on the table for {options.lock_patience:.0f} s ({conflict}):"
                    " end what holds it, then run the same command again"
                ) from conflict
            session.stop.wait(0.5)
