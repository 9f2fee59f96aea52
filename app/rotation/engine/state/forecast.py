"""How long a rotation would take, by what one of the same column took."""

from dataclasses import dataclass

from ...models import Rotation
from ..db.session import Session
from ..table.target import Target
from ..text import count, duration
from .journal import read_phase_times
from .progress import Progress, read_progress
from .rotations import find_begun

TOLD_SHARE = 0.01  # of the time, from which on waits are mentioned


@dataclass(frozen=True)
class Forecast:
    """An estimate, and what it rests on."""

    seconds: float
    rotation: int  #: the one whose pace it is
    pace: float  #: rows a second, of all its workers
    workers: int
    without_waits: bool  #: of the throttle, of which that one had some
    limited: bool  #: by a limit of rows a second that is below that pace

    def __str__(self) -> str:
        by = "at --max-rate" if self.limited else f"at the pace of rotation {self.rotation}"
        how = "" if self.limited else f" ({self.pace:.0f} rows/s, {count(self.workers, 'worker')})"
        waits = " without its waits" if self.without_waits and not self.limited else ""
        return f"about {duration(self.seconds)} {by}{waits}{how}"


def forecast(
    session: Session,
    target: Target,
    unfinished: Rotation | None,
    rows: int | None,
    max_rate: float | None,
) -> Forecast | None:
    """How long the unfinished rotation still needs, or a new one of so many rows; None if not known.

    By the latest windows of the unfinished one, waits included, or else of the latest that began: a
    new one need not wait as that one did. To its windows that one's time for snapshot and verification
    is added, row by row.
    """
    known = unfinished or find_begun(session, target)
    progress = read_progress(session, known.pk) if known else None
    pace = progress.rows_per_second if progress else None
    total = progress.rows_total if unfinished and progress and progress.rows_total else rows
    if known is None or progress is None or not pace or total is None:
        return None
    held = 0.0 if unfinished else progress.throttled_share
    pace /= 1 - held
    limited = max_rate is not None and max_rate < pace
    left = max(0, total - progress.rows_done) if unfinished else total
    seconds = left / (min(max_rate, pace) if max_rate is not None else pace)
    if not unfinished:
        seconds += _beside_windows(session, known, progress) * total
    return Forecast(seconds, known.pk, pace, max(1, progress.workers), held >= TOLD_SHARE, limited)


def _beside_windows(session: Session, rotation: Rotation, progress: Progress) -> float:
    """Seconds for each row that a rotation spent in its snapshot and its verification."""
    phases = read_phase_times(session, rotation)
    spent = sum(one.seconds or 0.0 for one in phases if one.of_each_row)
    rows = progress.rows_total or progress.rows_done
    return max(0.0, spent) / rows if rows else 0.0
