"""One worker's lock conflicts: waits, names the blocker, leaves rows for later, gives up."""

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..db.blockers import BlockerWatch
from ..db.retry import Every, Wait
from ..db.session import Session
from ..errors import LockConflict
from ..events import Blocked
from ..kept import LiveOptions
from ..table.windows import WindowSizer
from .stages import Stage, Work

LONGEST_BACK_OFF = 2.0  # seconds
ALIVE_SECONDS = 1.0  # how often a worker without a finished window shows that it is alive
HOLE_SECONDS = 2.0  # after conflicts at one place for this long, rows locked there become holes
SKIP_SECONDS = 30.0  # for this long after a hole, other locked rows are not waited for either


@dataclass
class Streak:
    """Consecutive conflicts, without a finished window."""

    wait: Wait  #: until the run gives up
    rows: Wait  #: until rows that are still locked become holes
    tries: int = 0
    blockers: str = ""
    skips: bool = False  #: whether the latest try left locked rows alone, if it came so far
    show: Every = field(default_factory=lambda: Every(ALIVE_SECONDS))


class Contention:
    """What a worker does about locks that it can't get."""

    def __init__(self, session: Session, stage: Stage, sizer: WindowSizer, live: LiveOptions) -> None:
        self._session = session
        self._stage = stage
        self._sizer = sizer
        self._live = live
        self._streak: Streak | None = None
        self._skipping = ""  #: who holds recently skipped rows
        self._skip_until = float("-inf")

    def over(self, work: Work) -> None:
        """Take note of a window that was committed."""
        self._streak = None
        if work.skip_locked:
            self._skipping = work.held_by
            self._skip_until = time.monotonic() + SKIP_SECONDS

    def skip(self) -> tuple[bool, str]:
        """Whether locked rows are now left for later, and who holds them."""
        now = time.monotonic()
        streak = self._streak
        if not self._stage.skips_locked:
            return False, ""
        if streak and streak.rows.over:
            return True, streak.blockers
        return now < self._skip_until, self._skipping

    @contextlib.contextmanager
    def watched(self, pid: int) -> Iterator[None]:
        """While there is contention, find out who blocks the block."""
        streak = self._streak
        if streak is None:
            yield
            return
        with BlockerWatch(self._session.alias, pid) as watch:
            try:
                yield
            except LockConflict:
                streak.blockers = watch.blockers or streak.blockers
                self._tell(streak)
                raise

    def back_off(self, conflict: LockConflict) -> None:
        """Wait a little, longer each time, and halve the window; give up when patience is exhausted.

        Raises Stopped for a stop, and what the stage says when it is exhausted.
        """
        session = self._session
        patience = self._live.now.lock_patience
        if self._streak is None:
            rows = Wait(session, min(HOLE_SECONDS, patience / 2))
            self._streak = Streak(Wait(session, patience), rows)
        streak = self._streak
        streak.tries += 1
        self._sizer.conflict()
        # However short the patience, or slow a try: the rows that are free come first.
        if streak.wait.over and streak.skips:
            blockers = streak.blockers or "a session that could not be named"
            raise self._stage.gave_up(patience, conflict, blockers) from conflict
        streak.skips = streak.rows.over
        longest = min(LONGEST_BACK_OFF, 0.05 * 2**streak.tries)
        if streak.show.due():
            session.through_outages(lambda: session.change("note_alive", rotation=self._stage.rotation))
        streak.wait.rest(random.uniform(longest / 2, longest))  # noqa: S311 (jitter, not a secret)

    def _tell(self, streak: Streak) -> None:
        if streak.blockers and streak.wait.due():
            size = max(1, self._sizer.size // 2)
            lo, hi = self._stage.at or (None, None)
            self._session.emit(Blocked(lo, hi, streak.blockers, size))
