"""Follows a rotation from outside, until it is over or nobody wants to see more of it."""

import math
import time
from collections.abc import Callable

from ..engine.db.session import Session
from ..engine.db.stop import StopSwitch
from ..engine.state.status import Seen, look_at
from ..models import UNFINISHED, Status

EVERY_SECONDS = 1.0
ABANDONED_SECONDS = 60.0  # after which nobody is likely to run it again by himself


def watch(
    session: Session,
    number: int,
    show: Callable[[Seen], None],
    stop: StopSwitch,
    patience: float = math.inf,
) -> Seen:
    """Show a rotation once a second, until it is over or a stop is requested; returns the last look.

    A failed one is over, until somebody runs it again. So is one on which no process has worked for
    `patience` seconds. Raises Stopped after an outage of a minute.
    """
    worked_on = time.monotonic()
    while True:
        seen = session.through_outages(lambda: look_at(session, number))
        show(seen)
        if not seen.state.deserted:
            worked_on = time.monotonic()
        status = seen.rotation.status
        over = status not in UNFINISHED or status == Status.FAILED
        if over or time.monotonic() - worked_on > patience or stop.wait(EVERY_SECONDS):
            return seen
