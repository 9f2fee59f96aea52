"""The journal of a rotation, thinned and summed: for charts and for the report."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...models import PROVEN, ROTATED, Rotation
from ..db.session import Row, Session
from ..options import as_kept

HALVINGS = 7  # of the journal, for a chart: 128 points at the most
AROUND = 9  # windows that one point looks at
SAMPLED = 2**HALVINGS * AROUND  # windows beyond which a sample leaves some out


@dataclass(frozen=True)
class Point:
    """What the journal says of one moment."""

    at: datetime
    rows_per_second: float  #: of all workers, waits included
    milliseconds: float  #: of a window
    throttled: float  #: part of the time that windows waited, 0 to 1
    throttle: str  #: why they did


@dataclass(frozen=True)
class PhaseTimes:
    """A part of a rotation, as far as it got."""

    name: str
    began: datetime | None
    ended: datetime | None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it is not over."""
        return (self.ended - self.began).total_seconds() if self.began and self.ended else None


def read_points(session: Session, rotation: int, whole: bool = False) -> list[Point]:
    """The journal for a chart: a sample, whose cost does not depend on how long the journal is.

    With `whole` every window counts, for the report: no short wait is passed by.
    """
    rows = session.rows("sample_journal", rotation=rotation, depth=HALVINGS, around=AROUND, whole=whole)
    return [Point(**row) for row in rows]


def read_phase_times(session: Session, rotation: Rotation) -> list[PhaseTimes]:
    """The parts of a rotation with their times; what is not over, or was not kept, is None."""
    windows = session.row("bounds_of_journal", rotation=rotation.pk)
    rotated = rotation.status in ROTATED
    began, ended = rotation.verifying_at if rotated else None, rotation.finished_at
    proven = rotation.status in PROVEN and ended and (began is None or ended >= began)
    stages = [
        PhaseTimes("guard, and the wait for older writers", rotation.begun_at, rotation.started_at),
        PhaseTimes(
            "snapshot, and the wait for older writers", rotation.started_at, windows["began"] or began
        ),
        PhaseTimes("windows", windows["began"], windows["ended"] if rotated else None),
    ]
    if rotation.begun_at or not rotation.started_at:  # else: an earlier version began it
        until = rotation.begun_at or ended
        stages.insert(0, PhaseTimes("recorded, until a process took it up", rotation.created_at, until))
    if as_kept(rotation.options).get("verify", True):
        name = "verification by value, and the wait for standbys"
        stages.append(PhaseTimes(name, began, ended if proven else None))
    return stages


def read_throttles(session: Session, rotation: int) -> list[Row]:
    """What held windows back; reads the whole journal."""
    return session.rows("sum_throttles", rotation=rotation)


def read_workers(session: Session, rotation: int) -> list[dict[str, Any]]:
    """Who did the windows; reads the whole journal."""
    return session.rows("sum_workers", rotation=rotation)
