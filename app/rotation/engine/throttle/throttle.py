"""The throttle: says why the next window has to wait now. It observes; the workers wait."""

import threading
import time

from ..options import LiveOptions

BURST_SECONDS = 0.5  # with a limit on the rate, a window holds the rows of so much time at most


class Throttle:
    """Shared by the workers of a process, and fed by its watch."""

    def __init__(self, live: LiveOptions) -> None:
        self.live = live
        self.failure: Exception | None = None  #: what ends the run: a critical limit was passed
        self._probed = "the first check of the server is not done yet"
        self._bucket = TokenBucket()
        self._share = 1.0  #: of all workers of the rotation, how many are this process's

    def learn(self, probed: str, share: float, failure: Exception | None = None) -> None:
        """Take over what the watch found: a reason to wait, or an empty text."""
        self._probed = probed
        self._share = share
        self.failure = failure or self.failure

    def reason(self) -> str | None:
        """Why no window should begin now; None: nothing speaks against it.

        Raises RotationError once a critical limit was passed.
        """
        if self.probed():
            return self._probed
        return f"rate (limit {self.live.now.max_rate:.0f} rows/s)" if self.owed() else None

    def owed(self) -> float:
        """Seconds until the limit on the rate lets the next window go."""
        rate = self.live.now.max_rate
        return self._bucket.owes(rate * self._share) if rate else 0.0

    def probed(self) -> str | None:
        """As `reason`, without the limit on the rate."""
        if self.failure:
            raise self.failure
        return self._probed or None

    def spend(self, rows: int) -> None:
        """Take note of rows that a worker rotated."""
        self._bucket.spend(rows)

    @property
    def largest_window(self) -> int | None:
        """Rows that a window may hold, so that the limit on the rate is kept smoothly."""
        now = self.live.now
        if now.max_rate is None:
            return None
        return max(1, int(now.max_rate * self._share * BURST_SECONDS / now.workers))


class TokenBucket:
    """Rows that were rotated and are not yet paid for by time. Thread-safe."""

    def __init__(self) -> None:
        self._debt = 0.0
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def spend(self, rows: int) -> None:
        """Take note of rows that were rotated."""
        with self._lock:
            self._debt += rows

    def owes(self, rate: float) -> float:
        """Seconds until, at so many rows a second, the rows until now are paid for."""
        with self._lock:
            now = time.monotonic()
            self._debt = max(0.0, self._debt - rate * (now - self._at))
            self._at = now
            return self._debt / rate
