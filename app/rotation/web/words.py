"""Facts about a rotation in words, as pages and the report show them."""

from typing import Any

from app.rotation.engine.progress import Progress
from app.rotation.engine.units import size
from app.rotation.models import Rotation, Status

BYTES = {"max_wal", "critical_wal", "max_lag_bytes", "min_free"}  # options that are sizes


def conclude(rotation: Rotation, done: int) -> str:
    """What the rotation came to, in one sentence."""
    if rotation.verified_at is None:
        how = f"{rotation.status}, {done:,} tokens replaced" if done else str(rotation.status)
        return f"{rotation} is {how}; it has not been verified by value."
    count, revoked = rotation.survivors, rotation.revoked or 0
    sentence = (
        f"{count:,} of {revoked:,} revoked tokens survive in {rotation.target},"
        f" checked {rotation.verified_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    if rotation.status != Status.SUCCEEDED:
        sentence += f" The rotation is {rotation.status}."
    return sentence


def show_rows(progress: Progress) -> str:
    """Rows done of how many."""
    total = "unknown" if progress.rows_total is None else f"{progress.rows_total:,}"
    about = "" if progress.rows_total_exact or progress.rows_total is None else "~"
    return f"{progress.rows_done:,} of {about}{total}"


def show_pace(progress: Progress) -> str:
    """Rows a second, the time counted in that windows were held back."""
    pace = progress.rows_per_second
    return f"{pace * (1 - progress.throttled_share):,.0f} rows/s" if pace else "–"


def show_option(name: str, value: Any) -> str:
    """An option as a person would give it."""
    if value is None:
        return "off"
    if name in BYTES:
        return size(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
