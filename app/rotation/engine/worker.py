"""A worker: claims a lane, does one window in one transaction, lets go, and begins again."""

import enum
import random
import threading
import time
from dataclasses import dataclass

from app.rotation.engine.blockers import BlockerWatch
from app.rotation.engine.database import Row, Session
from app.rotation.engine.errors import LockConflict, RotationError, Stopped
from app.rotation.engine.events import Blocked, StandingBy, TookOver, WindowDone
from app.rotation.engine.options import Options
from app.rotation.engine.plan import find_window
from app.rotation.engine.target import Target
from app.rotation.engine.windows import Window, WindowSizer
from app.rotation.models import Status

LOOK_SECONDS = 0.5  # how often a process that stands by looks at the lanes
LONGEST_BACK_OFF = 2.0  # seconds
ALIVE_SECONDS = 1.0  # how often a worker that gets no window done shows that it is there
TELL_SECONDS = 10.0  # how often the same blocker is named


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


class Worker(threading.Thread):
    """One thread with its own connection. `failure` holds what ended it, if that was an error."""

    def __init__(self, session: Session, rotation: int, target: Target, options: Options) -> None:
        super().__init__(name=session.worker, daemon=True)
        self.failure: BaseException | None = None
        self.rows = 0
        self._session = session
        self._rotation = rotation
        self._target = target
        self._options = options
        self._sizer = WindowSizer(options.window, options.window_seconds)
        self._contention: Contention | None = None
        self._free_since = 0.0  # when this worker last ended a window or a wait

    def run(self) -> None:
        """Work until every lane is done or a stop is requested."""
        try:
            self._work()
        except LockConflict as conflict:
            # Cut short by a second signal, while it looked at the lanes or showed that it is alive.
            self.failure = None if self._session.stop.immediate else conflict
        except Exception as failure:
            self.failure = failure
        finally:
            self._session.close()

    def _work(self) -> None:
        session = self._session
        session.through_outages(self._stand_by)
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

    def _window(self) -> Step:
        """Claim a lane and rotate its next window: one transaction, all or nothing."""
        session = self._session
        with session.transaction():
            pid = session.row(
                "open_window",
                lock_timeout=f"{self._options.lock_timeout_ms}ms",
                worker=session.worker,
            )["pid"]
            lane = session.row("claim_lane", rotation=self._rotation)
            if lane["status"] != Status.RUNNING and lane["unfinished"]:
                raise Stopped(f"rotation {self._rotation} is {lane['status']}")
            if lane["lane_id"] is None:
                return Step.NO_FREE_LANE if lane["unfinished"] else Step.FINISHED
            size = self._sizer.size
            window = find_window(session, lane["lower"], lane["upper"], lane["last_id"], size)
            if window is None:
                session.change("close_lane", lane_id=lane["lane_id"], last_id=lane["last_id"])
                return Step.WINDOW
            began = time.monotonic()
            rows = self._rotate(window, pid)
            ended = time.monotonic()
            self._advance(lane, window, rows, 1000 * (ended - self._free_since))
        self.rows += rows
        self._free_since = ended
        self._contention = None
        self._sizer.learn(window.keys, ended - began)
        session.emit(WindowDone(lane["lane"], window.lo, window.hi, rows, ended - began))
        return Step.WINDOW

    def _rotate(self, window: Window, pid: int) -> int:
        """Replace the window's tokens; while there is contention, also find out who is in the way."""
        session, contention = self._session, self._contention
        if contention is None:
            return session.change("rotate_window", lo=window.lo, hi=window.hi)
        with BlockerWatch(session.alias, pid) as watch:
            try:
                return session.change("rotate_window", lo=window.lo, hi=window.hi)
            except LockConflict:
                contention.blockers = watch.blockers or contention.blockers
                self._tell(window, contention)
                raise

    def _advance(self, lane: Row, window: Window, rows: int, milliseconds: float) -> None:
        journal = self._session.rows(
            "advance_checkpoint",
            lane_id=lane["lane_id"],
            last_id=lane["last_id"],
            lo=window.lo,
            hi=window.hi,
            rows=rows,
            milliseconds=milliseconds,
            worker=self._session.worker,
            schema=self._target.schema,
            table=self._target.table,
            column=self._target.column,
            column_type=self._target.column_type,
        )
        if not journal:
            raise self._why_not_advanced(lane)

    def _why_not_advanced(self, lane: Row) -> RotationError:
        """What moved under the window, which is rolled back now."""
        now = self._session.row("claim_lane", rotation=self._rotation)
        if now["status"] != Status.RUNNING:
            return Stopped(f"rotation {self._rotation} is {now['status']}")
        if now["last_id"] != lane["last_id"] or now["lane_id"] != lane["lane_id"]:
            return RotationError(
                f"lane {lane['lane']} was moved by something that does not keep to its lock;"
                " the window was rolled back; find out what writes to batchprogress"
            )
        return RotationError(
            f"{self._target.label} is no longer the column that rotation {self._rotation} was begun on"
            " (renamed, replaced or altered); the window was rolled back; look at the table, then run"
            " the command on the one that holds the old tokens"
        )

    def _back_off(self, conflict: LockConflict) -> None:
        """Wait a little, longer each time, and halve the window; give up after the patience."""
        session, stop, options = self._session, self._session.stop, self._options
        now = time.monotonic()
        contention = self._contention = self._contention or Contention(since=now)
        contention.tries += 1
        self._sizer.conflict()
        if now - contention.since > options.lock_patience:
            raise Stopped(
                f"no window got its locks for {options.lock_patience:.0f} s ({conflict}; held by"
                f" {contention.blockers or 'a session that could not be named'}):"
                " end that session, then run the same command again"
            )
        longest = min(LONGEST_BACK_OFF, 0.05 * 2**contention.tries)
        if now - contention.alive_at > ALIVE_SECONDS:
            contention.alive_at = now
            session.through_outages(lambda: session.change("note_alive", rotation=self._rotation))
        stop.wait(random.uniform(longest / 2, longest))  # noqa: S311 (jitter, not a secret)
        self._free_since = time.monotonic()

    def _tell(self, window: Window, contention: Contention) -> None:
        now = time.monotonic()
        if contention.blockers and now - contention.told_at >= TELL_SECONDS:
            contention.told_at = now
            size = max(1, self._sizer.size // 2)
            self._session.emit(Blocked(window.lo, window.hi, contention.blockers, size))

    def _stand_by(self) -> None:
        """Wait until a lane is free and stays where it is: a lane between two windows moves on.

        Returns at once if a lane is at rest now.
        """
        session, told, before = self._session, "", None
        while lanes := session.rows("look_at_lanes", rotation=self._rotation):
            positions = [(lane["lane"], lane["last_id"]) for lane in lanes]
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
