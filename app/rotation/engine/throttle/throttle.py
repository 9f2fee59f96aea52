"""The throttle: says why the next window must wait now. The workers do the waiting."""

import threading
import time

from ..options import LiveOptions

BURST_SECONDS = 0.5  # with a rate limit, a window holds at most the rows of this time


class Throttle:
    """Shared by the workers of a process, and fed by its monitor."""

    def __init__(self, live: LiveOptions) -> None:
        self.live = live
        self.failure: Exception | None = None  #: what ends the run: a critical limit was exceeded
        self._probed = "waiting for the first check of the server"
        self._bucket = TokenBucket()
        self._share = 1.0  #: this process's share of the rotation's workers

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
        if self._probed:
            return self._probed
        return f"rate (limit {self.live.now.max_rate:.0f} rows/s)" if self.owed() else None

    def owed(self) -> float:
        """Seconds until the rate limit lets the next window start."""
        rate = self.live.now.max_rate
        return self._bucket.owes(rate * self._share) if rate else 0.0

    def spend(self, rows: int) -> None:
        """Take note of rows that a worker rotated."""
        self._bucket.spend(rows)

    @property
    def largest_window(self) -> int | None:
        """Rows that a window may hold to keep to the rate limit smoothly."""
        now = self.live.now
        if now.max_rate is None:
            return None
        return max(1, int(now.max_rate * self._share * BURST_SECONDS / now.workers))


class TokenBucket:
    """Rows rotated but not yet paid for with time. Thread-safe."""

    def __init__(self) -> None:
        self._debt = 0.0
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def spend(self, rows: int) -> None:
        """Take note of rows that were rotated."""
        with self._lock:
            self._debt += rows

    def owes(self, rate: float) -> float:
        """Seconds until the rows so far are paid for, at so many rows a second."""
        with self._lock:
            now = time.monotonic()
            self._debt = max(0.0, self._debt - rate * (now - self._at))
            self._at = now
            return self._debt / rate
