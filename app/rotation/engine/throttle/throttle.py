"""The throttle: says why the next window must wait now. The workers do the waiting."""

import threading

from ..errors import Stopped
from ..kept import LiveOptions
from ..text import count
from .bucket import Bucket

BURST_SECONDS = 0.5  # with a rate limit, a window holds at most the rows of this time


class Throttle:
    """Shared by the workers of a process, and fed by its monitor."""

    def __init__(self, live: LiveOptions) -> None:
        self.live = live
        self.failure: Exception | None = None  #: what ends the run: a critical limit was exceeded
        self._probed = "waiting for the first check of the server"
        self._bucket = Bucket()
        self._share = 1.0  #: this process's share of the rotation's workers
        self._left = live.now.stop_after  #: rows that this run may still rotate; None: all
        self._lock = threading.Lock()

    def learn(self, probed: str, share: float, failure: Exception | None = None) -> None:
        """Adopt what the monitor found: a reason to wait, or an empty string."""
        self._probed = probed
        self._share = share
        self.failure = failure or self.failure

    def reason(self) -> str | None:
        """Why no window should start now; None if it may.

        Raises RotationError once a critical limit was exceeded.
        """
        if self.failure:
            raise self.failure
        if standing := self.live.obstacle or self._probed:
            return standing
        return f"rate (limit {self.live.now.max_rate:.0f} rows/s)" if self.owed() else None

    def owed(self) -> float:
        """Seconds until the rate limit lets the next window start."""
        rate = self.live.now.max_rate
        return self._bucket.owes(rate * self._share) if rate else 0.0

    def spend(self, rows: int) -> None:
        """Take note of rows that a worker rotated."""
        self._bucket.spend(rows)

    def grant(self, size: int) -> int:
        """The rows of a window of that size that this run may still rotate.

        What the window did not need is given back by `give_back`. Raises Stopped if there are none.
        """
        with self._lock:
            if self._left is None:
                return size
            granted = min(size, self._left)
            if not granted:
                rows = count(self.live.now.stop_after or 0, "row")
                raise Stopped(
                    f"after {rows} of this run (--stop-after): look at the application, then run the"
                    " same command again to continue"
                )
            self._left -= granted
            return granted

    def give_back(self, rows: int) -> None:
        """Take note of rows that were granted, and not rotated."""
        with self._lock:
            if self._left is not None:
                self._left += rows

    @property
    def largest_window(self) -> int | None:
        """Rows that a window may hold to keep to the rate limit smoothly."""
        now = self.live.now
        if now.max_rate is None:
            return None
        return max(1, int(now.max_rate * self._share * BURST_SECONDS / now.workers))
