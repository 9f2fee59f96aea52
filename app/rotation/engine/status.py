"""What a rotation looks like from outside: one function for `rotation status` and for the web."""

from typing import Any

from app.rotation.engine.database import Session, translated
from app.rotation.engine.progress import read_progress
from app.rotation.engine.target import NUMBER_TYPES
from app.rotation.models import BatchProgress, Rotation, Status

STALLED_SECONDS = 3.0  # without a window and without anybody who holds a lane

WORKING = {Status.RUNNING, Status.PAUSING, Status.VERIFYING, Status.CANCELLING}


def describe(session: Session, rotation: Rotation) -> dict[str, Any]:
    """Return the rotation as plain data, with the keys that the command-line contract promises."""
    progress = read_progress(session, rotation.pk)
    busy = [
        row
        for row in session.rows("look_at_lanes", rotation=rotation.pk, stage="any", worker="")
        if row["busy"]
    ]
    working = progress.status in WORKING
    idle = progress.left_by_all or progress.idle_seconds > STALLED_SECONDS
    stalled = working and not busy and idle
    with translated("reading the lanes"):
        lanes = list(
            BatchProgress.objects.using(session.alias).filter(rotation=rotation).order_by("lane")
        )
    return {
        "id": rotation.pk,
        "table": f"{rotation.table_schema}.{rotation.table_name}",
        "column": rotation.token_column,
        "status": progress.status,
        "stalled": stalled,
        "rows_done": progress.rows_done,
        "rows_total": progress.rows_total,
        "rows_total_exact": progress.rows_total_exact,
        "percent": progress.percent,
        "rows_per_second": progress.rows_per_second,
        "eta_seconds": None if stalled else progress.eta_seconds,
        "throttle": progress.throttle or None,
        "windows": progress.windows,
        "lanes": [_describe_lane(lane) for lane in lanes],
        "revoked": progress.revoked,
        "survivors": progress.survivors,
        "holes": progress.holes,
        "workers": _count_workers(busy) if working else 0,
        "started_at": _iso(progress.started_at),
        "finished_at": _iso(progress.finished_at),
    }


def _count_workers(busy: list[dict[str, Any]]) -> int:
    names = {(row["worker"] or "").partition(" (pid ")[0] for row in busy} - {""}
    return max(len(names), 1 if busy else 0)  # one that began a moment ago may have no name yet


def _describe_lane(lane: BatchProgress) -> dict[str, Any]:
    return {
        "lane": lane.lane,
        "lower": _key(lane, lane.lower),
        "upper": _key(lane, lane.upper),
        "last_id": _key(lane, lane.last_id),
        "rows": lane.rows,
        "done": lane.done,
    }


def _key(lane: BatchProgress, key: str | None) -> int | str | None:
    return int(key) if key is not None and lane.pk_type in NUMBER_TYPES else key


def _iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None
