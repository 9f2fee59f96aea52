"""What the live page of a rotation shows, as text."""

from typing import Any

from ..engine.db.session import Session
from ..engine.kept import as_kept
from ..engine.options import TUNABLE
from ..engine.state.journal import SAMPLED, read_phase_times, read_points
from ..engine.state.progress import Progress
from ..engine.state.rotations import read_rotation
from ..engine.state.status import RotationStatus, describe, read_state
from ..engine.text import duration
from ..models import (
    CANCELLABLE,
    CLAIMABLE,
    HALTED,
    MOVING,
    UNFINISHED,
    WRITABLE,
    Rotation,
    RotationWindow,
)
from ..operations.wording import (
    conclude,
    show_option,
    show_pace,
    show_rows,
    show_steering,
    why_nothing_happens,
)
from .charts import draw_charts

LATEST = 12  # windows of the journal that the page shows
#: What may be done to a rotation, and in which states.
ACTIONS = {"pause": CLAIMABLE, "resume": HALTED, "cancel": CANCELLABLE, "tune": WRITABLE}


def look(session: Session, rotation: Rotation) -> dict[str, Any]:
    """Everything the live part of the page shows; its cost does not depend on the journal's length."""
    seen = read_state(session, rotation.pk)
    rotation = read_rotation(session, rotation.pk)  # after its state: if that is final, so is this
    state = describe(session, rotation, seen)
    progress = seen.progress
    points = read_points(session, rotation.pk)
    going_on = state["status"] in UNFINISHED
    latest = RotationWindow.objects.using(session.alias).filter(rotation_id=rotation.pk)
    return {
        "rotation": rotation,
        "state": state,
        "waits": why_nothing_happens(rotation, seen),
        "going_on": going_on,
        "moving": state["status"] in MOVING and not state["stalled"],
        "sentence": conclude(rotation, progress),
        "actions": [name for name, when in ACTIONS.items() if state["status"] in when],
        "figures": show_figures(state, progress, going_on),
        "charts": draw_charts(points, sampled=state["windows"] > SAMPLED),
        "lanes": [show_lane(lane) for lane in state["lanes"]],
        "stages": read_phase_times(session, rotation),
        "steering": show_steering(rotation),
        "findings": rotation.findings or [],
        "options": {
            name: show_option(name, as_kept(rotation.tuned).get(name, value))
            for name, value in sorted(as_kept(rotation.options).items())
            if name in TUNABLE
        },
        "latest": latest.select_related("lane").order_by("-pk")[:LATEST],
    }


def show_figures(state: RotationStatus, progress: Progress, going_on: bool) -> dict[str, str]:
    """The figures under the bar."""
    eta = state["eta_seconds"]
    held = progress.throttled_share
    figures = {
        "done": "unknown" if state["percent"] is None else f"{state['percent']:.2f} %",
        "rows": show_rows(progress),
        "pace": show_pace(progress),
        "remaining": duration(eta) if eta is not None and going_on else "–",
        "workers": str(state["workers"]),
        "windows": f"{state['windows']:,}",
    }
    if held >= 0.01 and progress.rows_per_second:
        figures["held back"] = f"{held:.0%} of the time"
    return figures


def show_lane(lane: dict[str, Any]) -> dict[str, Any]:
    """A lane with keys as text, and its progress between its bounds if keys are numbers."""
    lower = lane["lower"]
    upper = lane["upper"]
    last = lane["last_id"]
    percent: int | None = None
    if lane["done"] or last is None:
        percent = 100 if lane["done"] else 0
    elif isinstance(upper, int) and upper > lower:
        percent = 100 * (last - lower) // (upper - lower)
    shown = {"lower": str(lower), "upper": str(upper), "last_id": "–" if last is None else str(last)}
    return lane | shown | {"rows": f"{lane['rows']:,}", "percent": percent}
