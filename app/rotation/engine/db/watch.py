"""Says what this process waits for when the database does not answer: a lock, a standby, the network."""

import threading

from ..events import Emit, Unanswered
from .blockers import describe_pids
from .calls import Call, longest
from .identity import colleague, worker_name
from .retry import TELL_SECONDS, Every
from .session import Row, Session
from .threads import InBackground, Thread

TELL_AFTER = 3.0  # seconds without an answer, before this asks what for
ASK_SECONDS = 2.0  # for the answer to that
LOOK_SECONDS = 0.5


class AnswerWatch(InBackground):
    """Within the block, reports every call of this process that stays without an answer, and why.

    It asks the server on a connection of its own, which it opens only then.
    """

    def __init__(self, aliases: list[str], emit: Emit) -> None:
        self._aliases = aliases
        self._emit = emit
        self._over = threading.Event()
        self._told = {alias: Every(TELL_SECONDS) for alias in aliases}
        self._asking: dict[str, Thread] = {}
        self._thread = threading.Thread(target=self._watch, name="answers", daemon=True)

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for alias in self._aliases:
                call = self._longest(alias)
                if call and call.seconds > TELL_AFTER and self._told[alias].due():
                    self._tell(alias, call)

    def _longest(self, alias: str) -> Call | None:
        return longest(alias, but={one.ident for one in self._asking.values()})

    def _tell(self, alias: str, call: Call) -> None:
        why = self._ask(alias)
        if why and self._longest(alias) == call and not self._over.is_set():
            self._emit(Unanswered(call.doing, call.seconds, why))

    def _ask(self, alias: str) -> str:
        """Why there is no answer, as the server says; empty if it is at work."""
        asking = self._asking.get(alias)
        if asking is None or not asking.is_alive():
            session = Session(alias)
            asking = self._asking[alias] = Thread(session, lambda: name_wait(session))
            asking.start()
        asking.join(ASK_SECONDS)
        if asking.is_alive() or asking.failure:
            return (
                "a new connection gets none either: the server, a pooler or the network hangs, or a"
                " pooler has no connection left (a run of K workers needs K + 3)"
            )
        return str(asking.result)


def name_wait(session: Session) -> str:
    """Why the sessions of this process get no answer; empty if one of them is at work.

    Raises RotationError without a database.
    """
    with session.reading("2s"):
        rows = session.rows("name_waits")
        ours = [row for row in rows if colleague(worker_name(), row["worker"])]
        for row in ours:
            if why := _in_words(session, row):
                return why
    if not ours:
        return "the server works on nothing for this process: the network or a pooler lost it"
    return ""


def _in_words(session: Session, row: Row) -> str:
    """What one session waits for, other than its own work."""
    if row["blockers"]:
        return f"waits for {describe_pids(session, [pid or None for pid in row['blockers']])}"
    if row["event"] == "SyncRep":
        connected = ", ".join(filter(None, row["standbys"] or [])) or "none"
        return (
            f"waits for the synchronous standbys (synchronous_standby_names = {row['synchronous']!r},"
            f" connected: {connected}): start them, or change that setting and reload it"
        )
    return f"waits for the server's disk ({row['event']})" if row["disk"] else ""
