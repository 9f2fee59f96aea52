"""A worker: claims a lane, does one window in one transaction, releases it, and repeats."""

import enum
import time

from ...models import HALTED, Status
from ..db.session import Session
from ..errors import DatabaseFailure, LockConflict, Stopped
from ..events import WARN, Found, Throttled, WindowDone
from ..table.windows import WindowSizer
from ..throttle.throttle import Throttle
from .contention import Contention
from .stages import Stage, Work
from .waiting import wait_for_lane, wait_while_paused

ASK_SECONDS = 0.1  # how often the throttle is asked again
MOST_FAILED = 100_000  # rows: beyond that not single rows, but the table can't be updated
TELL_AFTER = 1.0  # seconds: shorter waits are for the progress line only


class Step(enum.Enum):
    """The outcome of one attempt at a window."""

    WINDOW = "a window was committed"
    NO_FREE_LANE = "other workers hold every unfinished lane"
    PAUSED = "the rotation is paused"
    FINISHED = "every lane is at its end"


class Worker:
    """One connection's work on a stage."""

    def __init__(self, session: Session, stage: Stage, sizer: WindowSizer, throttle: Throttle) -> None:
        self.rows = 0
        self._session = session
        self._stage = stage
        self._sizer = sizer
        self._throttle = throttle
        self._contention = Contention(session, stage, sizer, throttle.live)
        self._retired = False
        self._free_since = 0.0  # when this worker last finished a window or a wait
        self._held = 0.0  # seconds held back since its last window
        self._held_by = ""  # why
        self._rest_until = float("-inf")  # by --nice
        self._failed = 0  # rows, since this worker began: at least one of each set aside

    def run(self) -> bool:
        """Work until the stage is done in every lane; False if this worker left earlier.

        Raises Stopped, Refused and others for what ends the whole run.
        """
        session = self._session
        stage = self._stage
        self._free_since = time.monotonic()
        while self._hold_back():
            try:
                step = session.through_outages(self._window, lambda step: step is Step.WINDOW)
            except LockConflict as conflict:
                self._contention.back_off(conflict)
                self._free_since = time.monotonic()
                continue
            except DatabaseFailure as failure:
                self._set_aside(failure)
                continue
            if step is Step.FINISHED:
                return True
            if step is Step.NO_FREE_LANE:
                session.through_outages(
                    lambda: wait_for_lane(session, stage.rotation, stage.name, lambda: self._leaving)
                )
                self._free_since = time.monotonic()
            if step is Step.PAUSED:
                self._pause()
        return False

    def _set_aside(self, failure: DatabaseFailure) -> None:
        """Try fewer rows, and finally without the few among which one can't be updated.

        Raises the failure if no row is its cause, or too many are.
        """
        self._stage.undo()
        if not failure.of_a_row or self._failed >= MOST_FAILED:
            raise failure
        if self._sizer.size > self._stage.fewest:
            self._sizer.conflict()
        else:
            self._stage.set_aside(failure)
            self._failed += 1
        self._free_since = time.monotonic()

    def retire(self) -> None:
        """Ask it to leave after its current window."""
        self._retired = True

    @property
    def _leaving(self) -> bool:
        return self._session.stop.requested or self._retired

    def _window(self) -> Step:
        """Claim a lane and do its next window: one transaction, all or nothing."""
        session = self._session
        stage = self._stage
        now = self._throttle.live.now
        with session.transaction():
            lane = stage.open_window(now.lock_timeout_ms, bounded=now.window is None)
            if lane["status"] in HALTED:
                return Step.PAUSED
            if lane["status"] != Status.RUNNING and lane["unfinished"]:
                raise Stopped(f"rotation {stage.rotation} is {lane['status']}")
            if lane["lane_id"] is None:
                return Step.NO_FREE_LANE if lane["unfinished"] else Step.FINISHED
            self._throttle.live.learn(lane["tuned"])
            self._sizer.tune(self._throttle.live.now.window, self._throttle.largest_window)
            skip_locked, held_by = self._contention.skip()
            work = Work(
                lane,
                self._throttle.grant(self._sizer.size),
                self._free_since,
                skip_locked=skip_locked,
                held_by=held_by,
                throttled=self._held,
                throttle=self._held_by,
            )
            # Of a window whose COMMIT got no answer nothing is given back: it may have been done.
            try:
                with self._contention.watched(lane["pid"]):
                    done = stage.work(work)
            except BaseException:
                self._throttle.give_back(work.size)
                raise
        self._throttle.give_back(work.size - (done.rows if done else 0))
        if done:
            self._note(done, work, lane["deadlock_timeout"])
        return Step.WINDOW

    def _note(self, done: WindowDone, work: Work, deadlock_timeout: float) -> None:
        """Take note of a window that was committed."""
        now = self._throttle.live.now
        self.rows += done.rows
        self._free_since = time.monotonic()
        self._held = 0.0
        self._held_by = ""
        self._throttle.spend(done.rows)
        worked = self._free_since - work.since
        self._rest_until = self._free_since + now.nice * worked
        self._contention.over(work)
        self._sizer.learn(done.keys, done.seconds)
        self._session.emit(done)
        if now.window and done.seconds > deadlock_timeout:
            text = (
                f"windows of {now.window} rows take longer than deadlock_timeout ({deadlock_timeout:g}"
                " s): sessions that wait for one may be killed as deadlock victims; make them smaller"
                f" ({self._stage.target.action('tune window=N')}, or window=off to size them by time)"
            )
            self._session.emit(Found(WARN, text))

    def _hold_back(self) -> bool:
        """Wait while the throttle has a reason; False if this worker should leave."""
        began = time.monotonic()
        told = ""
        while not self._leaving:
            reason, seconds = self._reason()
            if reason is None:
                break
            if time.monotonic() - began > TELL_AFTER:
                self._session.emit(Throttled(reason))
            told = self._held_by = reason
            self._session.stop.wait(min(ASK_SECONDS, seconds))
        if told:
            self._free_since = time.monotonic()
            self._held += self._free_since - began
        return not self._leaving

    def _reason(self) -> tuple[str | None, float]:
        """Why the next window waits, and for at least how many seconds."""
        throttle = self._throttle
        rest = self._rest_until - time.monotonic()
        reason = throttle.reason()
        if reason is None and rest > 0:
            return f"--nice {throttle.live.now.nice:g}", rest
        return reason, throttle.owed() or ASK_SECONDS

    def _pause(self) -> None:
        began = time.monotonic()
        wait_while_paused(self._session, self._stage.rotation, lambda: self._leaving)
        self._free_since = time.monotonic()
        self._held += self._free_since - began
        self._held_by = "paused"
