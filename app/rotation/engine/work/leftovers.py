"""The stage after the windows: rows that were skipped, and survivors."""

import time

from ..db.session import Row, Session
from ..errors import LockConflict, RotationError, Unproven
from ..events import WindowDone
from ..state.progress import read_progress
from ..table.target import Target
from ..text import count
from .stages import Stage, Work


class LeftoverStage(Stage):
    """Goes back for holes and survivors, as soon as their locks are available."""

    name = "leftovers"
    skips_locked = False
    fewest = 1

    def __init__(self, session: Session, rotation: int, target: Target, shape: Row) -> None:
        super().__init__(session, rotation, target, shape)
        self._after: dict[int, int] = {}  #: how far the list of each lane was processed
        self._due: int | None = None  #: the entry that the latest window, of one row, was for
        self._before: tuple[dict[int, int], set[int]] = ({}, set())  #: both, at the window's start
        self._closed: set[int] = set()  #: lanes with an entry closed since their list was started
        self.from_heap = False  #: find rows without an index, as it did not return them

    def work(self, work: Work) -> WindowDone | None:
        """Replace the next rows left over in a lane; at the end of its list, start again.

        Raises LockConflict when no row of the whole list could be locked.
        """
        lane = work.lane
        began = time.monotonic()
        number = lane["lane_id"]
        self._before = dict(self._after), set(self._closed)
        self.hold_target()
        self.hold_partitions()
        if self.from_heap:
            self.session.change("read_heap")
        after = self._after.get(number, 0)
        if self._failure:
            self.session.change("note_failure", id=self._due, failure=self._failure.what)
            self._failure = None
            return None
        if work.size == 1:
            due = self.session.rows("list_leftovers", lane_id=number, after=after, size=1)
            self._due = due[0]["id"] if due else None
        done = self.target.placement.rotate_leftovers(self.session, number, after, work.size)
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
        self.session.change("restore_settings")
        seconds = time.monotonic() - began
        return WindowDone(lane["lane"], done["lo"], done["hi"], done["rows"], seconds, done["rows"])

    def undo(self) -> None:
        """Forget what the latest window did, which was rolled back."""
        self._after, self._closed = self._before

    def _wait_for_first(self, lane: Row) -> Row | None:
        """Wait for the lock of the first row left over, so that its holder can be named."""
        first = self.session.rows("find_first_leftover", lane_id=lane["lane_id"])
        if not first:
            return None
        self.at = (first[0]["key"], first[0]["key"])
        self._due = first[0]["id"]
        # If the lock is not available, the other lanes come first.
        self._later = [one for one in self._later if one != lane["lane_id"]]
        self._later.append(lane["lane_id"])
        self.session.rows("lock_row", key=first[0]["key"])
        return self.target.placement.rotate_leftovers(self.session, lane["lane_id"], 0, 1)

    def gave_up(self, seconds: float, conflict: LockConflict, blockers: str) -> RotationError:
        """Holes remain."""
        left = read_progress(self.session, self.rotation).left_over
        its = "holds its" if left == 1 else "hold their"
        return Unproven(
            f"every other row is rotated, but {count(left, 'row')} stayed locked for {seconds:.0f} s by"
            f" {blockers} and {its} old token: end that session, then run the same command again"
        )
