"""Waiting and retrying: how often to say what for, when to give up, and that a stop ends it."""

import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import LockConflict, Stopped
from .session import Session

Result = TypeVar("Result")
TELL_SECONDS = 10.0  # how often to repeat what something waits for
LOOK_SECONDS = 0.5  # how often a statement that reads the whole table is retried


class Every:
    """Is due once in so many seconds; the first time at once, unless told otherwise."""

    def __init__(self, seconds: float = TELL_SECONDS, at_once: bool = True) -> None:
        self._seconds = seconds
        self._at = float("-inf") if at_once else time.monotonic()

    def due(self) -> bool:
        """Whether so many seconds have passed since it was last due."""
        now = time.monotonic()
        if now - self._at <= self._seconds:
            return False
        self._at = now
        return True


class Wait:
    """One wait of a run: reported now and then, ended by a stop, given up after its patience."""

    def __init__(
        self, session: Session, patience: float = float("inf"), every: Every | None = None
    ) -> None:
        self._stop = session.stop
        self._patience = patience
        self._began = time.monotonic()
        self._every = every or Every()

    def due(self) -> bool:
        """Whether it is time to say what this waits for."""
        return self._every.due()

    @property
    def over(self) -> bool:
        """Whether the patience is exhausted. A stop comes first: `rest` raises it."""
        return time.monotonic() - self._began > self._patience and not self._stop.requested

    def rest(self, seconds: float, then: str = "") -> None:
        """Sleep until the next try. Raises Stopped, with what to do `then`, if a stop is requested."""
        if self._stop.wait(seconds):
            raise Stopped(f"by {self._stop.reason}{then}")


def patiently(session: Session, patience: float, action: Callable[[], Result]) -> Result:
    """Retry an action that reads the whole table until it succeeds, through outages too.

    The patience starts with the first conflict: reading the table may take longer than that. Raises
    Stopped for a stop, or when it is exhausted.
    """
    wait: Wait | None = None
    while True:
        try:
            return session.through_outages(action, lambda result: True)
        except LockConflict as conflict:
            wait = wait or Wait(session, patience)
            if wait.over:
                raise Stopped(
                    f"the table could not be read for {patience:.0f} s ({conflict}):"
                    " end what locks or alters it, then run the same command again"
                ) from conflict
            wait.rest(LOOK_SECONDS)
