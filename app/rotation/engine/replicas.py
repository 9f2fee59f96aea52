"""The end waits for the standbys: until they have replayed it, they serve revoked tokens."""

import time

from app.rotation.engine.database import Row, Session
from app.rotation.engine.errors import Stopped
from app.rotation.engine.events import Found, Waiting
from app.rotation.engine.options import Options
from app.rotation.engine.units import size

LOOK_SECONDS = 0.2
TELL_SECONDS = 10.0


def wait_for_standbys(session: Session, options: Options) -> list[str]:
    """Return when every connected standby has replayed all that is written now; their names.

    Those of `options.standbys` must be connected. Raises Stopped when a stop is requested.
    """
    first = session.through_outages(lambda: look(session))
    goal = max((row["written"] for row in first.values()), default=0)
    wanted = {name for name, row in first.items() if row["replayed"] is not None}
    told = float("-inf")
    while True:
        now = session.through_outages(lambda: look(session))
        for name in wanted - set(now) - set(options.standbys):
            text = f"standby {name} is gone before it replayed the end: it may still serve old tokens"
            session.emit(Found("warn", text))
            wanted.discard(name)
        behind = {name: now[name] for name in wanted & set(now) if now[name]["replayed"] < goal}
        missing = [name for name in options.standbys if name not in now]
        if not behind and not missing:
            return sorted(wanted)
        what = _describe(behind, missing)
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            session.emit(Waiting("the end", what))
        if session.stop.wait(LOOK_SECONDS):
            raise Stopped(
                f"by {session.stop.reason}, while the end waited for {what};"
                " run the same command again to go on"
            )


def look(session: Session) -> dict[str, Row]:
    """The standbys that are connected, by name."""
    with session.reading():
        return {row["name"]: row for row in session.rows("read_standbys")}


def _describe(behind: dict[str, Row], missing: list[str]) -> str:
    texts = [
        f"{name} to replay {size(row['written'] - row['replayed'])} of WAL"
        for name, row in sorted(behind.items())
    ]
    return ", ".join([*texts, *(f"standby {name} to connect" for name in missing)])
