"""What the pages show of a rotation, as text: the list's columns, and the live part of its own page."""

from datetime import datetime
from typing import Any

from ..engine.db.session import Session
from ..engine.kept import as_kept
from ..engine.options import TUNABLE
from ..engine.state.commands import command_of
from ..engine.state.journal import SAMPLED, read_phase_times, read_points
from ..engine.state.progress import Progress
from ..engine.state.rotations import read_rotation
from ..engine.state.status import RotationStatus, State, describe, read_state, share_of, why_failed
from ..engine.text import count, duration, in_utc, one_line, shown
from ..models import (
    CANCELLABLE,
    CLAIMABLE,
    HALTED,
    MOVING,
    UNFINISHED,
    WRITABLE,
    Rotation,
    RotationWindow,
    Status,
)
from ..operations.wording import (
    average_pace,
    conclude,
    show_duration,
    show_pace,
    show_rows,
    show_steering,
    why_nothing_happens,
)
from .charts import Limit, draw_charts
from .names import LABELS, show_named

LATEST = 12  # windows of the journal that the page shows
MOST_LANES = 32  # lanes that the page shows: what it costs a second must not depend on their number
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
    steering = show_steering(rotation)
    lanes = state["lanes"]
    return {
        "rotation": rotation,
        "state": state,
        "waits": why_it_failed(session, rotation, seen) or why_waits(rotation, seen),
        "going_on": going_on,
        "moving": state["status"] in MOVING and not state["stalled"],
        "sentence": one_line(conclude(rotation, progress)),
        "actions": [name for name, when in ACTIONS.items() if state["status"] in when],
        "figures": show_figures(rotation, state, progress),
        "charts": draw_charts(
            points,
            sampled=state["windows"] > SAMPLED,
            limit=limit_of(rotation),
            pauses=pauses_of(steering),
        ),
        "lanes": [show_lane(lane) for lane in choose_lanes(lanes)],
        "lanes_done": sum(lane["done"] for lane in lanes),
        "stages": read_phase_times(session, rotation),
        "steering": steering,
        "findings": show_findings(rotation),
        "options": show_options(rotation),
        "latest": latest.select_related("lane").order_by("-pk")[:LATEST],
    }


def why_waits(rotation: Rotation, seen: State) -> str:
    """Why nothing happens now, or nothing: what is paused or over is not held back."""
    status = seen.progress.status
    if status in HALTED and not seen.stalled:
        return paused_by(rotation) if status == Status.PAUSED else ""
    return why_nothing_happens(rotation, seen) if status in UNFINISHED else ""


def why_it_failed(session: Session, rotation: Rotation, seen: State) -> str:
    """Why it failed and what to do, or nothing."""
    if seen.progress.status != Status.FAILED:
        return ""
    return f"{why_failed(session, rotation, seen.progress)}; run {command_of(rotation)} to continue."


def paused_by(rotation: Rotation) -> str:
    """Who paused it, and when."""
    for one in reversed(show_steering(rotation)):
        if one.get("what") == "pause" and one["at"]:
            return f"Paused by {one.get('who')} at {in_utc(one['at'])}."
    return ""


def show_average(rotation: Rotation, progress: Progress) -> str:
    """Rows a second from start to end."""
    pace = average_pace(rotation, progress)
    return f"{pace:,.0f} rows/s" if pace else "–"


def show_remaining(seen: State) -> str:
    """The time left, where something is left and it is known."""
    eta = seen.progress.eta_seconds
    known = eta is not None and seen.progress.status in UNFINISHED and not seen.stalled
    return duration(eta) if eta is not None and known else "–"


def show_figures(rotation: Rotation, state: RotationStatus, progress: Progress) -> dict[str, str]:
    """The figures under the bar: of what is paused or over, none that only a running one has."""
    eta = state["eta_seconds"]
    status = progress.status
    figures = {
        "done": "unknown" if state["percent"] is None else f"{state['percent']:.2f} %",
        "rows": show_rows(progress),
    }
    if status not in UNFINISHED:
        figures["duration"] = show_duration(rotation)
        figures["average pace"] = show_average(rotation, progress)
    elif status in HALTED:
        figures["since its start"] = show_duration(rotation)
    else:
        figures["pace"] = show_pace(progress)
        figures["remaining"] = "–" if eta is None else duration(eta)
        figures["since its start"] = show_duration(rotation)
        if state["workers"]:
            figures["workers"] = str(state["workers"])
    figures["windows"] = f"{state['windows']:,}"
    held = progress.throttled_share
    if status in CLAIMABLE and held >= 0.01 and progress.rows_per_second:
        figures["held back"] = f"{held:.0%} of the time"
    return figures


def limit_of(rotation: Rotation) -> Limit | None:
    """The limit of rows a second as it is now, and since when."""
    return Limit(rotation.max_rate, rotation.limits_at) if rotation.max_rate else None


def pauses_of(steering: list[dict[str, Any]]) -> list[tuple[datetime, datetime]]:
    """From when to when it was paused, as far as it was resumed."""
    found = []
    began: datetime | None = None
    for one in steering:
        if one.get("what") == "pause":
            began = one["at"]
        elif one.get("what") == "resume" and began and one["at"]:
            found.append((began, one["at"]))
            began = None
    return found


def show_findings(rotation: Rotation) -> dict[str, Any]:
    """What the preflight found: what asks for something, and notes apart."""
    kept = rotation.findings if isinstance(rotation.findings, list) else []
    found = [one for one in kept if isinstance(one, dict)]
    notes = [one for one in found if one.get("level") == "note"]
    others = [one for one in found if one.get("level") != "note"]
    said = [count(len(others), "warning")] * bool(others) + [count(len(notes), "note")] * bool(notes)
    return {"others": others, "notes": notes, "said": ", ".join(said) or "nothing found"}


def show_options(rotation: Rotation) -> list[dict[str, Any]]:
    """The options that can be tuned, as they are now: by plain names, and as they are given."""
    given = as_kept(rotation.options)
    tuned = as_kept(rotation.tuned)
    return [
        {
            "label": LABELS[name],
            "name": name,
            "value": show_named(name, tuned.get(name, given.get(name))),
            "tuned": name in tuned,
        }
        for name in LABELS
        if name in TUNABLE and name in given.keys() | tuned.keys()
    ]


def choose_lanes(lanes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of many lanes those that tell most: begun ones, then the next, then done ones."""

    def rank(lane: dict[str, Any]) -> int:
        if lane["done"]:
            return 2
        return 1 if lane["last_id"] is None else 0

    chosen = sorted(lanes, key=rank)[:MOST_LANES]
    return sorted(chosen, key=lambda lane: lane["lane"])


def show_lane(lane: dict[str, Any]) -> dict[str, Any]:
    """A lane with keys as text, and its progress between its bounds if keys are numbers."""
    share = share_of(lane)
    percent = None if share is None else int(100 * share)
    last = lane["last_id"]
    keys = {"lower": shown(str(lane["lower"])), "upper": shown(str(lane["upper"]))}
    keys["last_id"] = "–" if last is None else shown(str(last))
    return lane | keys | {"rows": f"{lane['rows']:,}", "percent": percent}
