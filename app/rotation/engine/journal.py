"""The journal of a rotation, thinned and summed: for charts and for the report."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.rotation.engine.database import Row, Session
from app.rotation.models import Rotation

POINTS = 240  # of a chart, at the most
AROUND = 9  # windows that one point looks at


@dataclass(frozen=True)
class Point:
    """What the journal says of one moment."""

    at: datetime
    rows_per_second: float  #: of all workers, waits included
    milliseconds: float  #: of a window
    throttled: float  #: part of the time that windows waited, 0 to 1
    throttle: str  #: why they did


@dataclass(frozen=True)
class Stage:
    """A part of a rotation, as far as it got."""

    name: str
    began: datetime | None
    ended: datetime | None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it is not over."""
        return (self.ended - self.began).total_seconds() if self.began and self.ended else None


def read_points(session: Session, rotation: int) -> list[Point]:
    """The journal for a chart; its cost does not depend on how long the journal is."""
    rows = session.rows("thin_journal", rotation=rotation, points=POINTS, around=AROUND)
    return [Point(**row) for row in rows]


def read_stages(session: Session, rotation: Rotation) -> list[Stage]:
    """The parts of a rotation with their times."""
    windows = session.row("bounds_of_journal", rotation=rotation.pk)
    over = rotation.finished_at
    return [
        Stage("guard, and the wait for older writers", rotation.created_at, rotation.started_at),
        Stage("snapshot of revoked tokens", rotation.started_at, windows["began"]),
        Stage("windows", windows["began"], windows["ended"] if over else None),
        Stage("verification by value", windows["ended"] if over else None, over),
    ]


def read_throttles(session: Session, rotation: int) -> list[Row]:
    """What held windows back; reads the whole journal."""
    return session.rows("sum_throttles", rotation=rotation)


def read_workers(session: Session, rotation: int) -> list[dict[str, Any]]:
    """Who did the windows; reads the whole journal."""
    return session.rows("sum_workers", rotation=rotation)
