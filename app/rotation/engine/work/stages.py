"""What one window does: replace tokens, advance the checkpoint, write the journal."""

import time
from dataclasses import dataclass
from typing import Any

from ...models import CLAIMABLE, WRITABLE, Status
from ..db.session import Row, Session
from ..errors import DatabaseFailure, LockConflict, RotationError, Stopped
from ..events import HolesLeft, RowsSetAside, WindowDone
from ..table.shape import require_shape
from ..table.target import Target
from ..table.windows import find_window


@dataclass
class Work:
    """One window's worth of a stage, about to be done within the caller's transaction."""

    lane: Row  #: as claim_lane.sql returned it
    size: int  #: rows, at most
    since: float  #: monotonic time at which the worker became free for it
    skip_locked: bool = False  #: rows whose locks are not available at once become holes
    held_by: str = ""  #: who holds them, if known
    throttled: float = 0.0  #: seconds that it was held back before `since`
    throttle: str = ""  #: why


class Stage:
    """The windows of every lane; `LeftoverStage` follows it. claim_lane.sql knows each by its name."""

    name = "windows"
    skips_locked = True  #: whether rows may be left for later
    fewest = 64  #: rows of a window, at most, that are set aside because one of them can't be updated

    def __init__(self, session: Session, rotation: int, target: Target, shape: Row) -> None:
        self.session = session
        self.rotation = rotation
        self.target = target
        self.channel: str | None = None  #: NOTIFY channel for each window
        self.at: tuple[str, str] | None = None  #: first and last key of the latest window
        self._shape = shape
        self.later: list[int] = []  #: lanes to claim only if there is no other
        self._failure: DatabaseFailure | None = None  #: why the next rows are set aside

    def open_window(self, lock_timeout_ms: int, bounded: bool) -> Row:
        """Set what holds for a window's transaction, see open_window.sql, and claim a lane."""
        placement = self.target.placement
        active = self.target.active
        return placement.open_window(
            self.session, active, lock_timeout_ms, bounded, "claim_lane", **self._claim
        )

    def claim(self) -> Row:
        """Claim a lane until COMMIT, in a transaction that the caller opened."""
        return self.session.row("claim_lane", **self._claim)

    @property
    def _claim(self) -> dict[str, Any]:
        """The parameters of claim_lane.sql."""
        return {
            "rotation": self.rotation,
            "stage": self.name,
            "worker": self.session.worker,
            "later": self.later,
            "claimable": CLAIMABLE,
        }

    def work(self, work: Work) -> WindowDone | None:
        """Do the next window of the lane and move its checkpoint; None if the lane had none left."""
        lane = work.lane
        self.hold_target()
        window = find_window(self.session, lane["lower"], lane["upper"], lane["last_id"], work.size)
        if window is None:
            self.session.change("close_lane", lane_id=lane["lane_id"], last_id=lane["last_id"])
            self.session.rows("wait_for_disk")
            return None
        self.at = (window.lo, window.hi)
        self.hold_partitions(window.lo, window.hi)
        began = time.monotonic()
        rows = self._replace(work, window.lo, window.hi)
        seconds = time.monotonic() - began
        if window.hi == lane["upper"]:
            self.session.rows("wait_for_disk")
        self.write_down(work, window.hi, window.lo, window.hi, rows)
        return WindowDone(lane["lane"], window.lo, window.hi, rows, seconds, window.keys)

    def _replace(self, work: Work, lo: str, hi: str) -> int:
        """Replace the tokens of a window: of all rows, or of those whose locks are available at once.

        Of none, if they are set aside.
        """
        session = self.session
        if self._failure:
            left = session.rows("leave_window", lane_id=work.lane["lane_id"], lo=lo, hi=hi, held_by="")
            session.emit(RowsSetAside(len(left), lo, self._failure.what))
            self._failure = None
            return 0
        if not work.skip_locked:
            return session.change("rotate_window", **self.target.window(lo, hi))
        held_by = work.held_by or "a session that could not be named"
        lane_id = work.lane["lane_id"]
        placement = self.target.placement
        window = self.target.window(lo, hi)
        rows, holes = placement.rotate_or_skip(session, lane_id, window, held_by, work.size)
        if holes:
            session.emit(HolesLeft(len(holes), holes[0]["key"], held_by))
        return rows

    def write_down(self, work: Work, reached: str | None, lo: str, hi: str, rows: int) -> None:
        """Tell listeners, move the checkpoint and write the journal: a window's last statements."""
        if self.channel is not None:
            self.session.rows(
                "notify_window",
                channel=self.channel,
                rotation=self.rotation,
                table=f"{self.target.schema}.{self.target.table}",
                column=self.target.column,
                lo=lo,
                hi=hi,
            )
        advanced = self.session.row(
            "advance_checkpoint",
            lane_id=work.lane["lane_id"],
            last_id=work.lane["last_id"],
            reached=reached,
            lo=lo,
            hi=hi,
            rows=rows,
            milliseconds=1000 * (time.monotonic() - work.since),
            throttled=1000 * work.throttled,
            throttle=work.throttle,
            worker=self.session.worker,
            writable=WRITABLE,
        )
        if advanced["entry"] is None:
            raise self.moved(work.lane)

    def undo(self) -> None:
        """Forget what the latest window did, which was rolled back."""

    def set_aside(self, failure: DatabaseFailure) -> None:
        """Leave the next rows, `fewest` at most, for the end, or as they are."""
        self._failure = failure

    def gave_up(self, seconds: float, conflict: LockConflict, blockers: str) -> RotationError:
        """The error that ends the run when no window got its locks for so long."""
        return Stopped(
            f"no window got its locks for {seconds:.0f} s ({conflict}; held by {blockers}):"
            " end that session, then run the same command again"
        )

    def hold_target(self) -> None:
        """Keep the target what it was at the start until COMMIT, so that nothing else is run or written.

        Raises LockConflict if another session is about to change it, RotationError if one has.
        """
        self.require_same_target("hold_target")

    def hold_partitions(self, lo: str | None = None, hi: str | None = None) -> None:
        """The same for the partitions that hold the rows of a window; for all, without its bounds."""
        if self.target.partitioned:
            self.target.placement.hold_partitions(self.session, lo, hi)
            self.require_same_target()

    def require_same_target(self, *first: str) -> None:
        """Raise RotationError if the target is not what it was at the start; see read_shape."""
        then = "the window was rolled back"
        require_shape(self.session, self.rotation, self.target, self._shape, then, *first)

    def moved(self, lane: Row) -> RotationError:
        """The error for a lane that was moved under its window, which is rolled back now."""
        now = self.claim()
        if now["status"] != Status.RUNNING:
            return Stopped(f"rotation {self.rotation} is {now['status']}")
        return RotationError(
            f"lane {lane['lane']} was moved by something that ignores its lock;"
            " the window was rolled back; find out what writes to batchprogress"
        )
