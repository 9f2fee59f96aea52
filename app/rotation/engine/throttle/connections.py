"""How many workers the server has connections for, with some left for the application."""

from ..db.session import Session

KEPT_FREE = 5  # for the application, beyond what it has open
HELPERS = 4  # connections of a process besides its workers': phases, monitor, vacuum, progress


def most_workers(session: Session) -> int:
    """Workers that a process may start now; at least one."""
    with session.reading():
        free: int = session.row("count_connections")["free"]
    return max(1, free - KEPT_FREE - HELPERS)
