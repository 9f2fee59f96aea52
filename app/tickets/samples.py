"""Sample tickets, made in the server."""

from app.rotation.engine.db.session import Session
from app.rotation.engine.db.stop import StopSwitch
from app.rotation.engine.errors import LockConflict, Refused, Stopped, UsageError
from app.rotation.engine.preflight import server
from app.rotation.engine.state import rotations, transitions
from app.rotation.engine.state.status import describe
from app.rotation.engine.table.target import TargetName, resolve

MOST_TICKETS = 1_000_000_000


def regenerate(alias: str, name: TargetName, size: int, stop: StopSwitch, force: bool = False) -> None:
    """Remove all tickets and make `size` new ones, in one transaction; real ones only by `force`.

    Rotations of the old tickets are ended or retired with them: they say nothing about the new ones.
    Raises UsageError for a size out of range, Refused while a rotation of the tickets is running,
    Stopped when a stop is requested.
    """
    if not 0 <= size <= MOST_TICKETS:
        raise UsageError(f"--size {size}: expected 0 to {MOST_TICKETS} tickets")
    session = Session(alias, stop=stop)
    server.check_server(session)
    target = resolve(session, name)
    try:
        with session.reading():
            real = not force and session.row("find_real_tickets")["real"]
        if real:
            raise Refused(
                "there are tickets that --init has not made, and it would remove them: --force does"
            )
        with session.durable():
            session.rows("read_views")
            session.change("truncate_tickets")  # first, because it waits for all other users
            rotation = rotations.find_unfinished(session, target)
            if rotation and describe(session, rotation)["workers"]:
                raise Refused(f"{rotation} is running: stop it first, with Ctrl-C where it runs")
            transitions.replace_rows(session, target)
            session.rows("pass_guard", active=target.active)
            session.change("generate_tickets", size=size)
    except LockConflict as conflict:
        if stop.requested:
            raise Stopped(f"by {stop.reason}; nothing was changed") from conflict
        raise Refused(
            f"the tickets are in use ({conflict}): stop what uses them, then run the command again"
        ) from conflict
