"""The stage after the windows: rows that were skipped, and survivors."""

import time
from dataclasses import replace

from django.db import transaction

from ..db.session import Row, Session
from ..db.sqlstate import translated
from ..db.statements import Fragment
from ..errors import DatabaseFailure, LockConflict, RotationError, Unproven
from ..events import WindowDone
from ..options import LARGEST_SIZE
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
        self._tried = 0  #: survivors found by value
        self._closed: set[int] = set()  #: lanes with an entry closed since their list was started
        self.from_heap = False  #: find rows without an index, as it did not return them
        self.by_value = 0  #: find that many survivors by value, as their keys may change again
        self._skipping = self._naming("SKIP LOCKED")
        self._waiting = self._naming("")

    def _naming(self, if_locked: str) -> Session:
        return replace(self.session, names={**self.session.names, "if_locked": Fragment(if_locked)})

    def open_window(self, lock_timeout_ms: int, bounded: bool) -> Row:
        """Set what holds for a window's transaction; one that reads the whole table takes its time."""
        return super().open_window(lock_timeout_ms, bounded and not self.from_heap)

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
        if self.by_value:
            return self._work_by_value(work, began)
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
        self.later = []
        return self._write_down(work, done["lo"], done["hi"], done["rows"], began)

    def _write_down(self, work: Work, lo: str, hi: str, rows: int, began: float) -> WindowDone:
        self.write_down(work, work.lane["last_id"], lo, hi, rows)
        return WindowDone(work.lane["lane"], lo, hi, rows, time.monotonic() - began, rows)

    def _work_by_value(self, work: Work, began: float) -> WindowDone | None:
        """Lock some survivors wherever they are now, and replace their tokens, in this transaction.

        If there is none any more, what is left of the list is closed: those rows have other keys by now.
        A trigger may undo it, or a key change after a failure: each survivor has one try, in number.
        """
        found = self._lock_survivors(work) if self._tried < self.by_value else []
        if not found:
            rest = self.session.rows(
                "list_leftovers", lane_id=work.lane["lane_id"], after=0, size=LARGEST_SIZE
            )
            self.session.rows("close_leftovers", ids=[one["id"] for one in rest])
            return None
        ids = [one["id"] for one in found]
        self.at = (found[0]["key"], found[-1]["key"])
        try:
            rows = self._rotate_survivors(ids)
        except DatabaseFailure as failure:
            if not failure.of_a_row or work.size > 1:
                raise
            self._tried += 1
            self.session.change("note_failure", id=ids[0], failure=failure.what)
            return None
        closed = self.session.row("close_leftovers", ids=ids)
        self._tried += len(ids)
        return self._write_down(work, closed["lo"], closed["hi"], rows, began)

    def _lock_survivors(self, work: Work) -> list[Row]:
        """As many as are free; if none is, wait for one."""
        lane = work.lane
        its = {"lane_id": lane["lane_id"], "set": lane["set_id"], "salt": lane["salt"]}
        free = self._skipping.rows("lock_survivors", **its, size=work.size)
        return free or self._waiting.rows("lock_survivors", **its, size=1)

    def _rotate_survivors(self, ids: list[int]) -> int:
        """A failure undoes nothing else: the rows stay locked, and their entries known."""
        alias = self.session.alias
        with translated("going back to a savepoint"), transaction.atomic(using=alias):
            rows = self.session.change("rotate_survivors", ids=ids)
            self.session.change("check_constraints")
        return rows

    def undo(self) -> None:
        """Forget what the latest window did, which was rolled back."""
        self._after, self._closed = self._before

    def _wait_for_first(self, lane: Row) -> Row | None:
        """Wait for the lock of the first row left over, so that its holder can be named."""
        first = self.session.rows("list_leftovers", lane_id=lane["lane_id"], after=0, size=1)
        if not first:
            return None
        self.at = (first[0]["key"], first[0]["key"])
        self._due = first[0]["id"]
        # If the lock is not available, the other lanes come first.
        self.later = [one for one in self.later if one != lane["lane_id"]]
        self.later.append(lane["lane_id"])
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
