"""Follows a rotation from outside, until it is over or nobody wants to see more of it."""

from collections.abc import Callable

from ..engine.db.session import Session
from ..engine.db.stop import StopSwitch
from ..engine.state.status import Seen, look_at
from ..models import UNFINISHED, Rotation, Status

EVERY_SECONDS = 1.0


def watch(session: Session, number: int, show: Callable[[Seen], None], stop: StopSwitch) -> Rotation:
    """Show a rotation once a second, until it is over or a stop is requested; returns it as it is then.

    A failed one is over, until somebody runs it again. Raises Stopped after an outage of a minute.
    """
    while True:
        seen = session.through_outages(lambda: look_at(session, number))
        show(seen)
        status = seen.rotation.status
        if status not in UNFINISHED or status == Status.FAILED or stop.wait(EVERY_SECONDS):
            return seen.rotation
