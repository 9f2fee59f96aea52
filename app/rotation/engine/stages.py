"""What one window does in each stage of a rotation: replace tokens, go back for what was left over."""

import time
from dataclasses import dataclass

from app.rotation.engine.citus import rotate_leftovers, rotate_or_leave
from app.rotation.engine.database import Row, Session
from app.rotation.engine.errors import LockConflict, RotationError, Stopped, Unproven
from app.rotation.engine.events import HolesLeft, WindowDone
from app.rotation.engine.plan import find_window
from app.rotation.engine.progress import read_progress
from app.rotation.engine.target import Target
from app.rotation.models import Status


@dataclass
class Work:
    """One window's worth of a stage, about to be done within the caller's transaction."""

    lane: Row  #: as claim_lane.sql returned it
    size: int  #: rows at the most
    since: float  #: monotonic time at which the worker became free for it
    skip_locked: bool = False  #: rows whose locks are not to be had at once become holes
    held_by: str = ""  #: who holds them, if known
    throttled: float = 0.0  #: seconds that it was held back before `since`
    throttle: str = ""  #: why


class Stage:
    """A stage is done lane by lane, in windows. Its name is the one that claim_lane.sql knows."""

    name = ""
    skips_locked = False  #: whether rows may be left for later
    rotates = True  #: whether it replaces tokens

    def __init__(self, session: Session, rotation: int, target: Target, shape: Row) -> None:
        self.session = session
        self.rotation = rotation
        self.target = target
        self.channel: str | None = None  #: whose listeners are told of each window
        self.at: tuple[str, str] | None = None  #: first and last key of the latest window
        self._shape = shape
        self._later: list[int] = []  #: lanes in which nothing could be locked a moment ago

    def claim(self) -> Row:
        """Claim a lane until COMMIT, in a transaction that the caller opened."""
        worker = self.session.worker
        return self.session.row(
            "claim_lane", rotation=self.rotation, stage=self.name, worker=worker, later=self._later
        )

    def work(self, work: Work) -> WindowDone | None:
        """Do the next window of the lane and move its checkpoint; None if the lane had none left."""
        lane = work.lane
        window = find_window(self.session, lane["lower"], lane["upper"], lane["last_id"], work.size)
        if window is None:
            self.session.change("close_lane", lane_id=lane["lane_id"], last_id=lane["last_id"])
            self.session.rows("await_disk")
            return None
        self.at = (window.lo, window.hi)
        began = time.monotonic()
        rows = self.do(work, window.lo, window.hi)
        seconds = time.monotonic() - began
        self.require_same_target()
        self.advance(work, window.lo, window.hi, rows)
        if window.hi == lane["upper"]:
            self.session.rows("await_disk")
        self.session.change("give_names_back")
        return WindowDone(lane["lane"], window.lo, window.hi, rows, seconds, window.keys)

    def do(self, work: Work, lo: str, hi: str) -> int:
        """Do the stage's statement for a window; how many tokens it took."""
        raise NotImplementedError

    def advance(self, work: Work, lo: str, hi: str, rows: int) -> None:
        """Move the checkpoint from what was claimed to the window's end."""
        raise NotImplementedError

    def gave_up(self, seconds: float, conflict: LockConflict, blockers: str) -> RotationError:
        """What ends the run when no window got its locks for so long."""
        return Stopped(
            f"no window got its locks for {seconds:.0f} s ({conflict}; held by {blockers}):"
            " end that session, then run the same command again"
        )

    def require_same_target(self) -> None:
        """Raise RotationError if the target is not what it was at the start.

        The lock of what the window has read or written keeps it as it is until COMMIT.
        """
        found = self.session.rows("look_at_target", oid=self.target.oid, attnum=self.target.attnum)
        if found and found[0] == self._shape:
            return
        names = ("schema", "table", "column", "column_type")
        if not found or any(found[0][name] != self._shape[name] for name in names):
            raise RotationError(
                f"{self.target.label} is no longer the column that rotation {self.rotation} was begun"
                " on (renamed, replaced or altered); the window was rolled back; look at the table,"
                " then run the command on the one that holds the old tokens"
            )
        changed = next(name for name, value in found[0].items() if value != self._shape[name])
        raise RotationError(
            f"the {changed.replace('_', ' ').replace('protection', 'row-level security')} of"
            f" {self.target.schema}.{self.target.table} changed while the rotation ran; the window"
            " was rolled back, nothing is lost; see what --dry-run says of it, then run the same"
            " command again"
        )

    def moved(self, lane: Row) -> RotationError:
        """What moved a lane under its window, which is rolled back now."""
        now = self.claim()
        if now["status"] != Status.RUNNING:
            return Stopped(f"rotation {self.rotation} is {now['status']}")
        return RotationError(
            f"lane {lane['lane']} was moved by something that does not keep to its lock;"
            " the window was rolled back; find out what writes to batchprogress"
        )


class Windows(Stage):
    """Replaces the tokens of every window."""

    name = "windows"
    skips_locked = True

    def do(self, work: Work, lo: str, hi: str) -> int:
        """Replace the tokens of a window, of all rows, or of all whose locks are to be had at once."""
        session = self.session
        if not work.skip_locked:
            return session.change("rotate_window", lo=lo, hi=hi)
        held_by = work.held_by or "a session that could not be named"
        lane_id = work.lane["lane_id"]
        rows, holes = rotate_or_leave(session, self.target, lane_id, lo, hi, held_by, work.size)
        if holes:
            session.emit(HolesLeft(len(holes), holes[0]["key"], held_by))
        return rows

    def advance(self, work: Work, lo: str, hi: str, rows: int) -> None:
        """Move the checkpoint to the window's end."""
        self.write_down(work, hi, lo, hi, rows)

    def write_down(self, work: Work, reached: str | None, lo: str, hi: str, rows: int) -> None:
        """Move the checkpoint, write the journal, and tell listeners."""
        if not self.session.rows(
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
        ):
            raise self.moved(work.lane)
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


class Leftovers(Windows):
    """Goes back for holes and survivors, as soon as their locks are to be had."""

    name = "leftovers"
    skips_locked = False

    def __init__(self, session: Session, rotation: int, target: Target, shape: Row) -> None:
        super().__init__(session, rotation, target, shape)
        self._after: dict[int, int] = {}  #: how far the list of a lane was worked off
        self._closed: set[int] = set()  #: lanes of whose list any entry was closed since it was begun
        self.from_heap = False  #: rows are found without an index, which did not return them

    def work(self, work: Work) -> WindowDone | None:
        """Replace the next rows left over in a lane; at its list's end, begin it again.

        Raises LockConflict when none of the whole list could be locked.
        """
        lane, began = work.lane, time.monotonic()
        number = lane["lane_id"]
        if self.from_heap:
            self.session.change("read_heap")
        after = self._after.get(number, 0)
        done = rotate_leftovers(self.session, self.target, number, after, work.size)
        if done["last"] is None:
            waited_for = None if number in self._closed else self._wait_for_first(lane)
            self._after.pop(number, None)
            self._closed.discard(number)
            if waited_for is None:
                return None
            done = waited_for
        self._after[number] = done["last"]
        if done["lo"] is None:
            return None
        self._closed.add(number)
        self._later = []
        self.require_same_target()
        self.write_down(work, lane["last_id"], done["lo"], done["hi"], done["rows"])
        self.session.change("give_names_back")
        seconds = time.monotonic() - began
        return WindowDone(lane["lane"], done["lo"], done["hi"], done["rows"], seconds, done["rows"])

    def _wait_for_first(self, lane: Row) -> Row | None:
        """Wait for the lock of the first row left over, so that its holder can be named."""
        first = self.session.rows("first_leftover", lane_id=lane["lane_id"])
        if not first:
            return None
        self.at = (first[0]["key"], first[0]["key"])
        # If the lock is not to be had, the other lanes come first.
        self._later = [*filter(lane["lane_id"].__ne__, self._later), lane["lane_id"]]
        self.session.rows("lock_row", key=first[0]["key"])
        return rotate_leftovers(self.session, self.target, lane["lane_id"], 0, 1)

    def gave_up(self, seconds: float, conflict: LockConflict, blockers: str) -> RotationError:
        """Holes remain."""
        count = read_progress(self.session, self.rotation).left_over
        rows, its = ("1 row", "holds its") if count == 1 else (f"{count} rows", "hold their")
        return Unproven(
            f"every other row is rotated, but {rows} stayed locked for {seconds:.0f} s by {blockers}"
            f" and {its} old token: end that session, then run the same command again"
        )
