"""The end waits for the standbys: until they have replayed it, they serve revoked tokens."""

import time
from collections import Counter
from collections.abc import Callable

from app.rotation.engine.database import Row, Session
from app.rotation.engine.errors import Stopped
from app.rotation.engine.events import Found, Waiting
from app.rotation.engine.options import Options
from app.rotation.engine.units import size

LOOK_SECONDS = 0.2
TELL_SECONDS = 10.0


def wait_for_standbys(session: Session, options: Options, check: Callable[[], None]) -> list[str]:
    """Return when every connected standby has replayed all that is written now; their names.

    Those of `options.standbys` must be connected. `check` is called now and then, and may raise.
    Raises Stopped when a stop is requested.
    """
    now = session.through_outages(lambda: look(session))
    goal, seen, told = 0, Counter[str](), float("-inf")
    while True:
        check()
        goal = goal or max((row["written"] for row in now), default=0)
        connected = Counter(row["name"] for row in now)
        for name in (seen - connected) - Counter(options.standbys):
            text = f"standby {name} is gone before it replayed the end: it may still serve old tokens"
            session.emit(Found("warn", text))
        seen = connected
        behind = [row for row in now if row["replayed"] < goal]
        missing = [name for name in options.standbys if name not in connected]
        if not behind and not missing:
            return sorted(f"{name} ({count})" if count > 1 else name for name, count in seen.items())
        what = _describe(behind, missing)
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            session.emit(Waiting("the end", what))
        if session.stop.wait(LOOK_SECONDS):
            raise Stopped(
                f"by {session.stop.reason}, while the end waited for {what};"
                " run the same command again to go on"
            )
        now = session.through_outages(lambda: look(session))


def look(session: Session) -> list[Row]:
    """The standbys that are connected and tell how far they are; several may have the same name."""
    with session.reading():
        return [row for row in session.rows("read_standbys") if row["replayed"] is not None]


def _describe(behind: list[Row], missing: list[str]) -> str:
    texts = [
        f"{row['name']} to replay {size(row['written'] - row['replayed'])} of WAL" for row in behind
    ]
    return ", ".join([*texts, *(f"standby {name} to connect" for name in missing)])
