"""Sample tickets, made in the server."""

from app.rotation.engine import control, preflight
from app.rotation.engine.database import Session
from app.rotation.engine.errors import Refused, UsageError
from app.rotation.engine.status import STALLED_SECONDS, describe
from app.rotation.engine.target import TargetName, resolve

MOST_TICKETS = 1_000_000_000


def regenerate(alias: str, name: TargetName, size: int) -> None:
    """Remove all tickets and make `size` new ones, in one transaction.

    Rotations of the old tickets are ended or retired with them: they say nothing of the new ones.
    Raises UsageError for a size out of range, Refused while a rotation of the tickets is under way.
    """
    if not 0 <= size <= MOST_TICKETS:
        raise UsageError(f"--size {size}: give a number of tickets from 0 to {MOST_TICKETS}")
    session = Session(alias)
    preflight.check_server(session)
    target = resolve(session, name)
    rotation = control.find_unfinished(session, target)
    if rotation:
        if describe(session, rotation)["workers"]:
            raise Refused(
                f"{rotation} is under way: stop it first (Ctrl-C where it runs; a killed one counts"
                f" as gone after {STALLED_SECONDS:.0f} s)"
            )
        control.cancel(session, rotation.pk)
    control.retire(session, target)
    with session.transaction():
        session.change("truncate_tickets")
        session.change("generate_tickets", size=size)
