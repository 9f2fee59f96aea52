"""What a rotation looks like from outside, for both `rotation status` and the web."""

from dataclasses import dataclass, replace
from typing import Any, TypedDict

from ...models import ROTATING, UNFINISHED, WORKING, BatchProgress, Leftover, Rotation, Status
from ..db.session import Session
from ..proof.verdict import say
from ..table.target import NUMBER_TYPES
from ..text import count, name_keys
from .progress import Progress, read_progress
from .rotations import busy_lanes, read_rotation

MOST_NAMED = 5  # rows of a kind
STALLED_SECONDS = 3.0  # without a window and without a session that holds a lane


@dataclass(frozen=True)
class State:
    """How far a rotation is, and whether a process is working on it."""

    progress: Progress  #: without a pace, unless rows are being rotated
    left: bool  #: no sign of life for a while
    workers: int

    @property
    def stalled(self) -> bool:
        """Whether it was started and abandoned."""
        return self.left and self.progress.status in WORKING

    @property
    def deserted(self) -> bool:
        """Whether no process will do anything, unless somebody runs one."""
        status = self.progress.status
        return self.left and status in UNFINISHED and status != Status.FAILED

    @property
    def unserved(self) -> bool:
        """Whether it was recorded, but no process has picked it up."""
        return self.left and self.progress.status == Status.PENDING


@dataclass(frozen=True)
class Seen:
    """A rotation from outside, with its lanes."""

    rotation: Rotation
    state: State
    lanes: list[dict[str, Any]]  #: as in RotationStatus


def look_at(session: Session, number: int) -> Seen:
    """Read all that is shown of a rotation while it runs."""
    state = read_state(session, number)
    rotation = read_rotation(session, number)  # after its state: if that is final, so is this
    return Seen(rotation, state, read_lanes(session, rotation))


def read_lanes(session: Session, rotation: Rotation) -> list[dict[str, Any]]:
    """The lanes of a rotation, in their order, as plain data."""
    with session.looking("reading the lanes"):
        lanes = BatchProgress.objects.using(session.alias).filter(rotation=rotation)
        return [_describe_lane(lane) for lane in lanes.order_by("lane")]


def read_state(session: Session, rotation: int) -> State:
    """Look at a rotation from outside."""
    progress = read_progress(session, rotation)
    busy = busy_lanes(session, rotation) if progress.status in WORKING else []
    left = not busy and (progress.left_by_all or progress.idle_seconds > STALLED_SECONDS)
    if left or progress.stuck or progress.status not in ROTATING:
        progress = replace(progress, rows_per_second=None)
    return State(progress, left, _count_workers(busy))


def why_failed(session: Session, rotation: Rotation, progress: Progress) -> str:
    """What a failed rotation left undone."""
    reasons = [
        f"{name_keys(rotation.pk_column, row['keys'], row['rows'])} can't be updated: {row['failure']}"
        for row in session.rows("list_failures", rotation=rotation.pk, most=MOST_NAMED)
    ]
    if not reasons and progress.holes:
        with session.looking("reading what was left over"):
            left = Leftover.objects.using(session.alias).filter(lane__rotation=rotation, rotated_at=None)
            by_others = left.exclude(held_by="").count() == progress.holes
        why = "stayed locked by other sessions" if by_others else "left for the end could not be rotated"
        reasons = [f"{count(progress.holes, 'row')} {why}"]
    if progress.verified_at and progress.survivors != 0:
        reasons.append(say(progress.survivors, progress.revoked or 0, progress.verified_at))
    return " | ".join(reasons) or "the reason was told by the run that ended so"


class RotationStatus(TypedDict):
    """A rotation as `rotation status --json` prints it; the documentation says what each key means."""

    id: int
    table: str
    column: str
    status: str
    stalled: bool
    rows_done: int
    rows_total: int | None
    rows_total_exact: bool
    percent: float | None
    rows_per_second: float | None
    eta_seconds: float | None
    throttle: str | None
    windows: int
    lanes: list[dict[str, Any]]
    revoked: int | None
    survivors: int | None
    holes: int
    workers: int
    started_at: str | None
    finished_at: str | None


def describe(session: Session, rotation: Rotation, state: State | None = None) -> RotationStatus:
    """Return the rotation as plain data, with the keys that the documentation promises."""
    state = state or read_state(session, rotation.pk)
    progress = state.progress
    return {
        "id": rotation.pk,
        "table": f"{rotation.table_schema}.{rotation.table_name}",
        "column": rotation.token_column,
        "status": progress.status,
        "stalled": state.stalled,
        "rows_done": progress.rows_done,
        "rows_total": progress.rows_total,
        "rows_total_exact": progress.rows_total_exact,
        "percent": progress.percent,
        "rows_per_second": progress.rows_per_second,
        "eta_seconds": None if state.stalled else progress.eta_seconds,
        "throttle": progress.throttle or None,
        "windows": progress.windows,
        "lanes": read_lanes(session, rotation),
        "revoked": progress.revoked,
        "survivors": progress.survivors,
        "holes": progress.holes,
        "workers": state.workers,
        "started_at": _iso(progress.started_at),
        "finished_at": _iso(progress.finished_at),
    }


def _count_workers(busy: list[dict[str, Any]]) -> int:
    names = {(row["worker"] or "").partition(" (pid ")[0] for row in busy} - {""}
    return max(len(names), 1 if busy else 0)  # one that has just started may have no name yet


def _describe_lane(lane: BatchProgress) -> dict[str, Any]:
    return {
        "lane": lane.lane,
        "lower": _key(lane, lane.lower),
        "upper": _key(lane, lane.upper),
        "last_id": _key(lane, lane.last_id),
        "rows": lane.rows,
        "done": lane.done,
    }


def share_of(lane: dict[str, Any]) -> float | None:
    """How far a lane of RotationStatus is, 0 to 1; None if its keys are no numbers."""
    if lane["done"]:
        return 1.0
    last = lane["last_id"]
    if last is None:
        return 0.0
    lower, upper = lane["lower"], lane["upper"]
    if isinstance(lower, int) and isinstance(upper, int) and upper > lower:
        return float(last - lower) / (upper - lower)
    return None


def _key(lane: BatchProgress, key: str | None) -> int | str | None:
    return int(key) if key is not None and lane.pk_type in NUMBER_TYPES else key


def _iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None
