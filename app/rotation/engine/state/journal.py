"""The journal of a rotation, sampled and summed up for charts and for the report."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...models import PROVEN, ROTATED, Rotation, Status
from ..db.session import Row, Session
from ..kept import as_kept

HALVINGS = 7  # of the journal, for a chart: at most 128 points
AROUND = 9  # windows per point
SAMPLED = 2**HALVINGS * AROUND  # windows beyond which a sample leaves some out


@dataclass(frozen=True)
class Point:
    """What the journal says about one moment."""

    at: datetime
    rows_per_second: float  #: of all workers, waits included
    milliseconds: float  #: of a window
    throttled: float  #: share of the time that windows waited, 0 to 1
    throttle: str  #: why they did


@dataclass(frozen=True)
class PhaseTimes:
    """When a part of a rotation ran, as far as it got."""

    name: str
    began: datetime | None
    ended: datetime | None
    of_each_row: bool = False  #: its time grows with the rows, beside that of the windows

    @property
    def seconds(self) -> float | None:
        """How long it took; None until it has ended."""
        return (self.ended - self.began).total_seconds() if self.began and self.ended else None


def read_points(session: Session, rotation: int, whole: bool = False) -> list[Point]:
    """The journal for a chart: a sample, whose cost does not depend on the length of the journal.

    With `whole` every window counts, for the report: it misses no short wait.
    """
    rows = session.rows("sample_journal", rotation=rotation, depth=HALVINGS, around=AROUND, whole=whole)
    return [Point(**row) for row in rows]


def read_phase_times(session: Session, rotation: Rotation) -> list[PhaseTimes]:
    """The parts of a rotation with their times; None where one has not ended or was not stored."""
    windows = session.row("read_journal_bounds", rotation=rotation.pk)
    rotated = rotation.status in ROTATED
    began = rotation.verifying_at if rotated else None
    ended = rotation.finished_at
    proven = rotation.status in PROVEN and ended and (began is None or ended >= began)
    kept = as_kept(rotation.options)
    guarded = kept.get("guard", True)
    first = "guard and snapshot, with their waits" if guarded else "snapshot, with its waits"
    stages = [
        PhaseTimes(first, rotation.begun_at, rotation.started_at, True),
        PhaseTimes("canary, until the first window", rotation.started_at, windows["began"] or began),
        PhaseTimes("windows", windows["began"], windows["ended"] if rotated else None),
    ]
    if rotation.begun_at or not rotation.started_at:  # else: an earlier version started it
        until = rotation.begun_at or ended
        then = "a process took it up" if rotation.begun_at or not ended else "it was cancelled"
        stages.insert(0, PhaseTimes(f"recorded, until {then}", rotation.created_at, until))
    unproven = rotation.status == Status.SUCCEEDED and rotation.verified_at is None
    if kept.get("verify", True) and not unproven:
        waits = ", and the wait for standbys" if kept.get("wait_replicas", True) else ""
        name = f"verification by value{waits}"
        stages.append(PhaseTimes(name, began, ended if proven else None, True))
    return stages


def read_throttles(session: Session, rotation: int) -> list[Row]:
    """What held windows back; reads the whole journal."""
    return session.rows("sum_throttles", rotation=rotation)


def read_workers(session: Session, rotation: int) -> list[dict[str, Any]]:
    """Who did the windows; reads the whole journal."""
    return session.rows("sum_workers", rotation=rotation)
