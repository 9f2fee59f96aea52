"""Finds out, on a second connection, who holds the lock that a statement waits for."""

import threading

from .session import Row, Session
from .threads import InBackground, Thread

LOOK_SECONDS = 0.02
PREPARED = "a prepared transaction (see pg_prepared_xacts)"


class BlockerWatch(InBackground):
    """Within the block, looks for what blocks backend `pid`; `blockers` names it, or is empty."""

    def __init__(self, alias: str, pid: int) -> None:
        self.blockers = ""
        self._session = Session(alias)
        self._pid = pid
        self._over = threading.Event()
        # A failure is ignored: naming blockers is a courtesy that needs a second connection.
        self._thread = Thread(self._session, self._look)

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS) and not self.blockers:
            rows = self._session.rows("name_sessions", pids=None, pid=self._pid)
            self.blockers = " and ".join(map(describe, rows[:3]))


def describe_pids(session: Session, pids: list[int | None]) -> str:
    """The sessions of these pids in words; None stands for a prepared transaction."""
    known = [pid for pid in pids if pid]
    rows = session.rows("name_sessions", pids=known, pid=None) if known else []
    names = [describe(row) for row in rows[:3]]
    if len(known) < len(pids):
        names.append(PREPARED)
    more = len(pids) - len(names)
    return " and ".join(names) + (f" and {more} more" if more > 0 else "")


def describe(blocker: Row) -> str:
    """A blocking session in words: its pid, its program, since when; never its query."""
    if not blocker["pid"]:
        return PREPARED
    known = [blocker["application_name"], blocker["state"]]
    if blocker["query_start"]:
        known.append(f"query since {blocker['query_start']}, {blocker['seconds']:.0f} s")
    details = ", ".join(part for part in known if part)
    return f"pid {blocker['pid']}" + (f" ({details})" if details else "")
