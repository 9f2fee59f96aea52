"""Rebuilds indexes at the end: rotating bloats them, and vacuum can't shrink them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..db.blockers import describe_pids
from ..db.retry import Every, Wait
from ..db.session import Row, Session
from ..db.stop import StopSwitch
from ..db.threads import Thread
from ..errors import ConnectionLost, LockConflict, RotationError, Stopped
from ..events import NOTE, Event, Found
from ..table.target import Target
from ..text import size

ALIVE_SECONDS = 1.0  # how often the claim's holder shows that it is alive; after five it is lost
CLAIM_SECONDS = 3.0  # for this long after the last sign of life, the claim cannot be lost
LOOK_SECONDS = 0.2  # how often it checks on a running statement
TIDY_SECONDS = 10.0  # limit for dropping what an aborted rebuild left
DONE = "already rebuilt since its tokens were rotated"
EXCLUSION = "not rebuilt: that of an exclusion constraint can't be rebuilt while others write"


@dataclass(frozen=True)
class Rebuilding(Event):
    """What is done to an index."""

    kind = "rebuilding"
    index: str
    doing: str

    def __str__(self) -> str:
        return f"index {self.index}: {self.doing}"


@dataclass(frozen=True)
class Rebuilt(Event):
    """An index was rebuilt."""

    kind = "rebuilt"
    index: str
    bytes_before: int
    bytes_after: int
    seconds: float

    def __str__(self) -> str:
        before = size(self.bytes_before)
        after = size(self.bytes_after)
        return f"index {self.index}: rebuilt in {self.seconds:.1f} s, {before} before, {after} now"


class ClaimLost(Exception):
    """This process was frozen, or its connection cut: another process may rebuild now."""


@dataclass(frozen=True)
class Rebuilder:
    """Rebuilds the indexes that hold the token and, if `grown`, those that the rotation made larger."""

    session: Session
    rotation: int
    target: Target
    grown: bool

    def run(self) -> None:
        """Rebuild one index after the other, but for those that this rotation has rebuilt.

        Reads and writes continue meanwhile. What an aborted rebuild left behind is dropped first.
        Raises Stopped if the same call can continue later.
        """
        wait = Wait(self.session)
        while not self.session.through_outages(self._rebuild_if_alone):
            if wait.due():
                self.session.emit(Rebuilding(self.target.table, "another process is rebuilding it"))
            wait.rest(LOOK_SECONDS)

    def _rebuild_if_alone(self) -> bool:
        """Rebuild all, unless another process is doing so; whether this one did."""
        decided = threading.Event()
        over = threading.Event()
        answers = list[bool]()
        seen_at = time.monotonic()

        def hold(own: Session) -> None:
            nonlocal seen_at
            with own.transaction():
                claimed = own.row("claim_rebuild", rotation=self.rotation, worker=own.worker)
                answers.append(claimed["alone"])
                decided.set()
                while answers[0] and not over.wait(ALIVE_SECONDS):
                    now = time.monotonic()
                    own.change("keep_claim")
                    seen_at = now

        def require_claim() -> None:
            # A process that wakes from a freeze may not have noticed yet that its connection is gone.
            if not claim.is_alive() or time.monotonic() - seen_at > CLAIM_SECONDS:
                raise ClaimLost

        # On its own connection: a transaction that reads anything else would make the rebuild wait.
        claim = _start(replace(self.session, stop=StopSwitch()), hold)
        try:
            while claim.is_alive() and not decided.wait(LOOK_SECONDS):
                pass
            if not answers:
                raise claim.failure or ConnectionLost("the connection was lost")
            if answers[0]:
                self._rebuild_all(require_claim)
            return answers[0]
        except ClaimLost:
            return False
        finally:
            over.set()
            claim.join()

    def _rebuild_all(self, require_claim: Callable[[], None]) -> None:
        emit = self.session.emit
        _wait_for_others(self.session, self.target)
        for index in self._listed(leftover=True):
            require_claim()
            emit(Rebuilding(index["label"], "dropping it: an earlier rebuild left it INVALID"))
            _run(self.session, self.target, index, _drop)
        indexes = self._listed()
        for index in indexes:
            require_claim()
            if index["rebuilt"] or index["exclusion"]:
                emit(Rebuilding(index["label"], DONE if index["rebuilt"] else EXCLUSION))
            else:
                self._rebuild(index)
        if not indexes:
            grown = ", and none has grown" if self.grown else ""
            emit(Found(NOTE, f"--reindex: no index of {self.target.label} holds the token{grown}"))

    def _rebuild(self, index: Row) -> None:
        session = self.session
        label = index["label"]
        bytes_ = index["bytes"]
        session.emit(Rebuilding(label, f"rebuilding it ({size(bytes_)})"))
        began = time.monotonic()

        def work(own: Session) -> None:
            own.outside_transactions("rebuild_index")
            # Noted at once, on the same connection: whatever happens to this process, it is not redone.
            note = replace(own, stop=StopSwitch())
            name = {"schema": index["schema"], "name": index["name"]}
            noted.append(note.row("note_rebuilt", rotation=self.rotation, **name))

        noted: list[Row] = []
        try:
            _run(session, self.target, index, work)
        except ConnectionLost:
            raise  # the server may still be doing it: the next try waits for that
        except RotationError as error:
            left = self._tidy()
            what = "--reindex" if self.grown else "--reindex token"
            again = f"{left}; run {self.target.command} {what} to continue"
            if isinstance(error, LockConflict):
                why = session.stop.reason if session.stop.requested else f"the server ({error})"
                text = f"every token is rotated; the rebuild of index {label} was cancelled by {why}"
                raise Stopped(text + again) from error
            text = f"every token is rotated, but index {label} could not be rebuilt: {error}"
            raise RotationError(text + again) from error
        session.emit(Rebuilt(label, bytes_, noted[0]["bytes"], time.monotonic() - began))

    def _listed(self, leftover: bool = False, by: Session | None = None) -> list[Row]:
        target = self.target
        rows = (by or self.session).rows(
            "list_rebuilds",
            oid=target.oid,
            column=target.column,
            rotation=self.rotation,
            grown=self.grown,
        )
        return [row for row in rows if row["leftover"] == leftover]

    def _tidy(self) -> str:
        """Drop what the rebuild that has just failed left; returns what to say if that fails."""
        patient = replace(self.session, stop=StopSwitch())
        left = self._listed(leftover=True, by=patient)
        try:
            for index in left:
                _run(patient, self.target, index, _drop, TIDY_SECONDS)
        except RotationError:
            return f", and left the index {left[0]['label']} INVALID (the next --reindex drops it)"
        return ""


def _wait_for_others(session: Session, target: Target) -> None:
    """Wait until no index of the table is being built: it may be the work of our killed predecessor."""
    wait = Wait(session)
    while at_work := session.rows("watch_rebuild", oid=target.oid):
        if wait.due():
            _tell(session, "an index of the table", at_work)
        wait.rest(LOOK_SECONDS)


def _drop(own: Session) -> None:
    own.outside_transactions("drop_invalid_index")


def _run(
    session: Session,
    target: Target,
    index: Row,
    work: Callable[[Session], None],
    at_most: float = float("inf"),
) -> None:
    """Do something long to an index, reporting its progress. Raises what ended it early.

    It is cancelled when a stop is requested, or after `at_most` seconds.
    """
    own = replace(
        session,
        names=session.names | {"index": (index["schema"], index["name"])},
        stop=StopSwitch(patient=False),
    )
    thread = _start(own, work)
    every = Every(at_once=False)
    began = time.monotonic()
    while thread.is_alive():
        thread.join(LOOK_SECONDS)
        if session.stop.requested or time.monotonic() - began > at_most:
            own.stop.request(session.stop.reason)
        elif every.due():
            _tell(session, index["label"], session.rows("watch_rebuild", oid=target.oid))
    if thread.failure:
        raise thread.failure


def _start(own: Session, work: Callable[[Session], None]) -> Thread:
    """Work outside transactions, on its own connection."""
    thread = Thread(own, lambda: work(own))
    thread.start()
    return thread


def _tell(session: Session, index: str, building: list[Row]) -> None:
    """Report the progress of a build."""
    for one in building[:1]:
        doing = one["phase"] if one["percent"] is None else f"{one['phase']}, {one['percent']:.0f} %"
        if one["waits_for"]:
            doing += f": {describe_pids(session, [one['waits_for']])}"
        session.emit(Rebuilding(index, doing))
