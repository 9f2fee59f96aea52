"""How far a rotation is, how fast it goes, and how much longer it needs, where that is known."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ...models import AHEAD, HALTED, ROTATING, UNFINISHED, Status
from ..db.session import Session
from ..events import END, GUARD, SNAPSHOT, VERIFICATION, WINDOWS

RECENT_WINDOWS = 50
STUCK_SECONDS = 30.0  # without a window, after which the remaining time is unknown


@dataclass(frozen=True)
class Progress:
    """A snapshot of a rotation's progress, read from its lanes and journal in one statement."""

    rotation: int
    status: str
    rows_done: int
    rows_total: int | None
    rows_total_exact: bool
    windows: int
    lanes: int
    lanes_done: int
    rows_per_second: float | None  #: of all workers, waits included; None if not known
    workers: int
    started_at: datetime | None
    finished_at: datetime | None
    revoked: int | None  #: hashes in the set of revoked tokens; None until the snapshot is complete
    survivors: int | None  #: rows with a revoked token when last verified; None: never verified
    verified_at: datetime | None
    tokens: int  #: in the snapshot so far
    holes: int  #: rows left for the end: locked by others, or not to be updated
    left_over: int  #: holes and survivors, still to be rotated
    left_by_all: bool  #: the last process that worked on it left in good order
    throttle: str  #: why windows wait now; empty: they don't
    throttled_share: float  #: share of the time around the latest windows spent waiting
    idle_seconds: float  #: since the last sign of life
    quiet_seconds: float = 0.0  #: since the last window

    @property
    def complete(self) -> bool:
        """Whether every lane is at its end, and nothing was left over."""
        if self.status == Status.PENDING or (self.status == Status.CANCELLED and not self.lanes):
            return False
        return self.lanes_done == self.lanes and not self.left_over

    @property
    def verifying(self) -> bool:
        """Whether every row is rotated and the proof is running."""
        return self.status == Status.VERIFYING

    @property
    def in_snapshot(self) -> bool:
        """Whether the snapshot of revoked tokens is still being taken."""
        return self.revoked is None and self.tokens > 0 and self.status == Status.PENDING

    @property
    def phase(self) -> str:
        """In which phase it is; one of events.PHASE_NAMES."""
        if self.status == Status.PENDING:
            taken = self.revoked is not None
            return WINDOWS if taken else SNAPSHOT if self.in_snapshot else GUARD
        if self.verifying:
            return VERIFICATION
        return WINDOWS if self.status in UNFINISHED and self.status != Status.FAILED else END

    @property
    def percent(self) -> float | None:
        """Share of the rows done; 100 only when all are, None if the total is not known."""
        if self.complete:
            return 100.0
        if not self.rows_total:
            return None
        return min(99.99, int(10_000 * self.rows_done / self.rows_total) / 100)

    @property
    def stuck(self) -> bool:
        """Whether windows have waited so long that their earlier pace says nothing."""
        return bool(self.throttle) and max(self.idle_seconds, self.quiet_seconds) > STUCK_SECONDS

    @property
    def eta_seconds(self) -> float | None:
        """Seconds still needed at the recent pace; None if not known.

        Nor is it known while windows are stuck.
        """
        if self.complete:
            return 0.0
        if not self.rows_total or not self.rows_per_second or self.rows_done >= self.rows_total:
            return None
        if self.status in HALTED or self.stuck:
            return None
        return (self.rows_total - self.rows_done) / self.rows_per_second


@dataclass(frozen=True)
class AddedUp(Progress):
    """The progress of rotations in several databases, side by side."""

    slowest: float | None = None  #: seconds that the last of them needs

    @property
    def eta_seconds(self) -> float | None:
        """They are done when the last of them is."""
        return self.slowest


def add_up(parts: dict[str, Progress], failed: Collection[str] = ()) -> AddedUp:
    """Rows, windows and workers of rotations in several databases, by the databases' names.

    Nothing works on failed ones any more.
    """
    every = list(parts.values())
    at_work = [one for name, one in parts.items() if name not in failed and not one.complete]
    least = min(every, key=lambda one: AHEAD.index(one.status) if one.status in AHEAD else -1)
    totals = [one.rows_total for one in every]
    etas = [one.eta_seconds for one in at_work]
    reasons = [
        f"{one.throttle} ({name})" for name, one in parts.items() if one.throttle and name not in failed
    ]
    return AddedUp(
        rotation=least.rotation,
        status=least.status,
        rows_done=sum(one.rows_done for one in every),
        rows_total=None if None in totals else sum(total or 0 for total in totals),
        rows_total_exact=all(one.rows_total_exact for one in every),
        windows=sum(one.windows for one in every),
        lanes=sum(one.lanes for one in every),
        lanes_done=sum(one.lanes_done for one in every),
        rows_per_second=sum(one.rows_per_second or 0 for one in at_work) or None,
        workers=sum(one.workers for one in at_work),
        started_at=least.started_at,
        finished_at=least.finished_at,
        revoked=None if least.revoked is None else sum(one.revoked or 0 for one in every),
        survivors=None if least.survivors is None else sum(one.survivors or 0 for one in every),
        verified_at=least.verified_at,
        tokens=sum(one.tokens for one in every),
        holes=sum(one.holes for one in every),
        left_over=sum(one.left_over for one in every),
        left_by_all=all(one.left_by_all for one in every),
        throttle="; ".join(reasons),
        throttled_share=max(one.throttled_share for one in every),
        idle_seconds=min(one.idle_seconds for one in every),
        slowest=None if None in etas else max((eta or 0 for eta in etas), default=0.0),
    )


@dataclass(frozen=True)
class Outcome:
    """How a successful run ended."""

    rotation: int
    target: str
    progress: Progress
    rows: int  #: rotated by this run
    seconds: float  #: that this run took
    already: bool  #: the rotation was finished before this run started


def read_progress(session: Session, rotation: int) -> Progress:
    """Read the progress of a rotation, whichever process works on it.

    The pace is rows per time that a worker worked and waited for its latest windows since the limits
    were changed, times the workers seen in them, so that neither a pause nor a jumping clock distorts
    it. It is never above the limit of rows a second, and is that limit until a window is finished.
    """
    row = session.row("read_progress", rotation=rotation, recent=RECENT_WINDOWS)
    busy = row.pop("recent_milliseconds") / 1000
    throttled = row.pop("recent_throttled") / 1000
    rows = row.pop("recent_rows")
    workers = row.pop("recent_workers")
    limit = row.pop("max_rate")
    paces = [limit] if limit and row["status"] in ROTATING else []
    if busy > 0:
        paces.append(rows / (busy + throttled) * workers)
    return Progress(
        **row,
        rotation=rotation,
        rows_per_second=min(paces, default=None) or None,
        workers=workers,
        throttled_share=throttled / (throttled + busy) if throttled else 0.0,
    )
