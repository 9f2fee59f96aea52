"""Connections that were lost in a row, with no work done in between: what no outage explains."""

import time
from dataclasses import dataclass, field

MOST_CUTS = 5  # times that an action is repeated whose connection breaks after the same time
SHORTEST_LIMIT = 0.9  # seconds: shorter ones may be a pooler's, which connects while the server is down
CUT_SECONDS = 0.2  # by which those times may differ, and a fifth
MOST_LOSSES = 60  # of connections that were established: more than an outage explains
FORGET_SECONDS = 60.0  # without a loss, after which it is another matter


@dataclass
class Losses:
    """The losses of one session."""

    _seconds: list[float] = field(default_factory=list)  #: that each action had run
    _latest: float = 0.0

    def note(self, seconds: float) -> None:
        """Take note that an established connection broke, after its action had run for so long."""
        self._seconds.append(seconds)
        self._latest = time.monotonic()

    def answered(self, worked: bool) -> None:
        """Take note of an answer, and of whether that means that work was done."""
        if worked or time.monotonic() - self._latest > FORGET_SECONDS:
            self._seconds.clear()

    @property
    def hopeless(self) -> str:
        """Why it makes no sense to try again, or nothing."""
        latest = self._seconds[-MOST_CUTS:]
        alike = len(latest) == MOST_CUTS and max(latest) < 1.2 * min(latest) + CUT_SECONDS
        if alike and min(latest) > SHORTEST_LIMIT:
            return (
                f"the connection was cut {MOST_CUTS} times in a row, each time after {latest[-1]:.1f} s:"
                " a time limit of a proxy or pooler (query_timeout)? raise it, or connect to PostgreSQL"
                " directly"
            )
        if len(self._seconds) <= MOST_LOSSES:
            return ""
        return (
            f"the connection was lost {len(self._seconds)} times, and nothing was done in between: see"
            " the logs of the server and of what is before it"
        )

    @property
    def at_once(self) -> str:
        """What connections suggest that are opened, and break with the first statement."""
        if len(self._seconds) < MOST_CUTS or max(self._seconds) > SHORTEST_LIMIT:
            return ""
        return " at once each time: by a pooler with pool_mode=statement, or without a server?"
