"""Standbys: how far behind they are, and the final wait until they have replayed everything."""

import time
from collections import Counter, deque
from collections.abc import Callable

from ..db.retry import Wait
from ..db.session import Row, Session
from ..errors import DatabaseFailure
from ..events import WARN, Found, Waiting
from ..kept import LiveOptions
from ..text import size

KEPT_POSITIONS = 7200  # of the primary, one per second: lags up to two hours are exact
LOOK_SECONDS = 0.2


#: What a role that may not measure something is answered, or a server that has no such thing:
#: insufficient_privilege, feature_not_supported, undefined_function, undefined_table,
#: object_not_in_prerequisite_state.
UNMEASURABLE = {"42501", "0A000", "42883", "42P01", "55000"}


class LagClock:
    """Turns WAL positions into seconds: how long ago the primary was where a standby is now.

    The standby's own measure (pg_stat_replication.replay_lag) stops when its replay does.
    """

    def __init__(self) -> None:
        self._positions: deque[tuple[float, int]] = deque(maxlen=KEPT_POSITIONS)

    def lag(self, written: int, replayed: int) -> float:
        """Seconds since the primary wrote what the standby has not replayed yet."""
        now = time.monotonic()
        if not self._positions or written > self._positions[-1][1]:
            self._positions.append((now, written))
        return next((now - at for at, position in self._positions if position > replayed), 0.0)


def wait_for_standbys(session: Session, live: LiveOptions, check: Callable[[], None]) -> list[str]:
    """Return when every connected standby has replayed what is written now; returns their names.

    None where this role may not see them, which the preflight has said. Those of the option `standbys`
    must be connected. `check` is called now and then, and may raise.
    Raises Stopped when a stop is requested.
    """
    try:
        now = session.through_outages(lambda: look(session))
    except DatabaseFailure as failure:
        if failure.sqlstate not in UNMEASURABLE or live.now.standbys:
            raise
        return []
    goal = 0
    seen = Counter[str]()
    wait = Wait(session)
    while True:
        check()
        goal = goal or max((row["written"] for row in now), default=0)
        connected = Counter(row["name"] for row in now)
        wanted = live.now.standbys
        for name in (seen - connected) - Counter(wanted):
            text = f"standby {name} disconnected before it had replayed everything"
            session.emit(Found(WARN, f"{text}: it may still serve old tokens"))
        seen = connected
        behind = [row for row in now if row["replayed"] < goal]
        missing = [name for name in wanted if name not in connected]
        if not behind and not missing:
            return sorted(f"{name} ({count})" if count > 1 else name for name, count in seen.items())
        what = _describe(behind, missing)
        if wait.due():
            session.emit(Waiting("the last step", what))
        wait.rest(
            LOOK_SECONDS,
            f", while waiting at the end for {what}; run the same command again to continue",
        )
        now = session.through_outages(lambda: look(session))


def look(session: Session) -> list[Row]:
    """The connected standbys that report their position; several may have the same name."""
    with session.reading():
        return [row for row in read_standbys(session) if row["replayed"] is not None]


def read_standbys(session: Session) -> list[Row]:
    """How far each standby is behind; see read_standbys.sql."""
    return session.rows("read_aurora_replicas" if session.aurora else "read_standbys")


def _describe(behind: list[Row], missing: list[str]) -> str:
    texts = [
        f"{row['name']} to replay {size(row['written'] - row['replayed'])} of WAL" for row in behind
    ]
    return ", ".join([*texts, *(f"standby {name} to connect" for name in missing)])
