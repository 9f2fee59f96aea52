"""A worker: claims a lane, does one window in one transaction, lets go, and begins again."""

import contextlib
import enum
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.rotation.engine.blockers import BlockerWatch
from app.rotation.engine.database import Session
from app.rotation.engine.errors import LockConflict, Stopped
from app.rotation.engine.events import Blocked, StandingBy, TookOver, WindowDone
from app.rotation.engine.options import Options
from app.rotation.engine.stages import Stage, Work
from app.rotation.engine.windows import WindowSizer
from app.rotation.models import Status

LOOK_SECONDS = 0.5  # how often a process that stands by looks at the lanes
LONGEST_BACK_OFF = 2.0  # seconds
ALIVE_SECONDS = 1.0  # how often a worker that gets no window done shows that it is there
TELL_SECONDS = 10.0  # how often the same blocker is named
HOLE_SECONDS = 2.0  # conflicts at one place for so long make holes of the rows that are locked there
SKIP_SECONDS = 30.0  # after a hole, so long other locked rows are not waited for either


class Step(enum.Enum):
    """What one attempt at a window came to."""

    WINDOW = "a window was committed"
    NO_FREE_LANE = "every unfinished lane is in other hands"
    FINISHED = "every lane is at its end"


@dataclass
class Contention:
    """Conflicts in a row, without a window between them."""

    since: float
    tries: int = 0
    blockers: str = ""
    told_at: float = float("-inf")
    alive_at: float = float("-inf")


class Worker:
    """One connection's work on a stage."""

    def __init__(
        self,
        session: Session,
        stage: Stage,
        sizer: WindowSizer,
        options: Options,
        first: Callable[[], Any] = lambda: None,
    ) -> None:
        self.rows = 0
        self._first = first  # done as soon as no other process works on the stage
        self._session = session
        self._stage = stage
        self._options = options
        self._sizer = sizer
        self._contention: Contention | None = None
        self._skipping: str = ""  #: who holds rows that were skipped a moment ago
        self._skip_until = float("-inf")
        self._free_since = 0.0  # when this worker last ended a window or a wait

    def run(self) -> None:
        """Work until the stage is done in every lane. Raises Stopped when a stop is requested."""
        session = self._session
        session.through_outages(self._stand_by)
        session.through_outages(self._first)
        self._free_since = time.monotonic()
        while not session.stop.requested:
            try:
                step = session.through_outages(self._window)
            except LockConflict as conflict:
                self._back_off(conflict)
                continue
            if step is Step.FINISHED:
                return
            if step is Step.NO_FREE_LANE:
                session.through_outages(self._stand_by)
                self._free_since = time.monotonic()
        raise Stopped(f"by {session.stop.reason}")

    def _window(self) -> Step:
        """Claim a lane and do its next window: one transaction, all or nothing."""
        session, stage = self._session, self._stage
        with session.transaction():
            pid = session.row(
                "open_window",
                lock_timeout=f"{self._options.lock_timeout_ms}ms",
                worker=session.worker,
            )["pid"]
            lane = stage.claim()
            if lane["status"] != Status.RUNNING and lane["unfinished"]:
                raise Stopped(f"rotation {stage.rotation} is {lane['status']}")
            if lane["lane_id"] is None:
                return Step.NO_FREE_LANE if lane["unfinished"] else Step.FINISHED
            work = Work(lane, self._sizer.size, self._free_since, *self._skip())
            with self._watched(pid):
                done = stage.work(work)
        if done:
            self._note(done, work)
        return Step.WINDOW

    def _note(self, done: WindowDone, work: Work) -> None:
        """Take note of a window that was committed."""
        self.rows += done.rows
        self._free_since = time.monotonic()
        self._contention = None
        if work.skip_locked:
            self._skipping = work.held_by
            self._skip_until = self._free_since + SKIP_SECONDS
        self._sizer.learn(done.keys, done.seconds)
        self._session.emit(done)

    def _skip(self) -> tuple[bool, str]:
        """Whether locked rows are left for later now, and who holds them."""
        now, contention = time.monotonic(), self._contention
        if not self._stage.skips_locked:
            return False, ""
        if contention and now - contention.since >= min(HOLE_SECONDS, self._options.lock_patience / 2):
            return True, contention.blockers
        return now < self._skip_until, self._skipping

    @contextlib.contextmanager
    def _watched(self, pid: int) -> Iterator[None]:
        """While there is contention, find out who is in the way of the block."""
        contention = self._contention
        if contention is None:
            yield
            return
        with BlockerWatch(self._session.alias, pid) as watch:
            try:
                yield
            except LockConflict:
                contention.blockers = watch.blockers or contention.blockers
                self._tell(contention)
                raise

    def _back_off(self, conflict: LockConflict) -> None:
        """Wait a little, longer each time, and halve the window; give up after the patience."""
        session, stop, options = self._session, self._session.stop, self._options
        now = time.monotonic()
        contention = self._contention = self._contention or Contention(since=now)
        contention.tries += 1
        self._sizer.conflict()
        if now - contention.since > options.lock_patience:
            blockers = contention.blockers or "a session that could not be named"
            raise self._stage.gave_up(options.lock_patience, conflict, blockers) from conflict
        longest = min(LONGEST_BACK_OFF, 0.05 * 2**contention.tries)
        if now - contention.alive_at > ALIVE_SECONDS:
            contention.alive_at = now
            session.through_outages(lambda: session.change("note_alive", rotation=self._stage.rotation))
        stop.wait(random.uniform(longest / 2, longest))  # noqa: S311 (jitter, not a secret)
        self._free_since = time.monotonic()

    def _tell(self, contention: Contention) -> None:
        now = time.monotonic()
        if contention.blockers and now - contention.told_at >= TELL_SECONDS:
            contention.told_at = now
            size = max(1, self._sizer.size // 2)
            self._session.emit(Blocked(*self._stage.at, contention.blockers, size))

    def _stand_by(self) -> None:
        """Wait until a lane is free and stays where it is: a lane between two windows moves on.

        Returns at once if a lane is at rest now.
        """
        session, told, before = self._session, "", None
        while lanes := session.rows(
            "look_at_lanes",
            rotation=self._stage.rotation,
            stage=self._stage.name,
            worker=session.worker,
        ):
            positions = [(lane["lane"], lane["position"]) for lane in lanes]
            held = [lane for lane in lanes if lane["pid"]]
            at_rest = len(held) < len(lanes) and positions == before
            if at_rest or not all(lane["busy"] for lane in lanes):
                if told:
                    session.emit(TookOver())
                return
            before = positions
            who = (held or lanes)[0]
            if who["worker"].partition(" (pid ")[0] != told.partition(" (pid ")[0]:
                told = who["worker"]
                session.emit(StandingBy(told))
            if session.stop.wait(LOOK_SECONDS):
                return
