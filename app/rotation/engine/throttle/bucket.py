"""A limit of something a second, kept by waiting until what was spent is paid for with time."""

import threading
import time


class Bucket:
    """What was spent, e.g. rows rotated, and not yet paid for with time. Thread-safe."""

    def __init__(self) -> None:
        self._debt = 0.0
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def spend(self, amount: float) -> None:
        """Take note of what was spent."""
        with self._lock:
            self._debt += amount

    def owes(self, rate: float, most: float = float("inf")) -> float:
        """Seconds, `most` at most, until all is paid for at so much a second."""
        with self._lock:
            now = time.monotonic()
            self._debt = min(max(0.0, self._debt - rate * (now - self._at)), rate * most)
            self._at = now
            return self._debt / rate
