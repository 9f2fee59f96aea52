"""How many workers the server has connections for, with some left for the application."""

from ..db.session import Session

KEPT_FREE = 5  # for the application, beyond what it has open
HELPERS = 4  # connections of a process besides its workers': phases, monitor, vacuum, progress

FEWEST = 3  # with which a run gets to its end: phases, monitor, one worker


def most_workers(session: Session) -> int:
    """Workers that a process may start now; at least one."""
    with session.reading():
        return workers_of(session.row("count_connections")["free"])


def workers_of(free: int) -> int:
    """Workers for which so many free connections suffice; at least one."""
    return max(1, free - KEPT_FREE - HELPERS)
