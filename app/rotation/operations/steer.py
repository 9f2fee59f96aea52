"""Steers a rotation: each step is done for `who`, and returns what was done as one sentence."""

from collections.abc import Callable
from typing import Any

from ..engine.db.session import Session
from ..engine.errors import Refused, RotationError, UsageError
from ..engine.options import as_given
from ..engine.state import transitions
from ..engine.state.commands import command_of
from ..engine.state.progress import read_progress
from ..engine.state.rotations import read_rotation
from ..engine.state.status import read_lanes, read_state
from ..engine.throttle.probes import ask
from ..models import Rotation


def pause(session: Session, rotation: Rotation, who: str) -> str:
    """Let the workers wait after their windows. Raises Refused unless windows run."""
    if transitions.pause(session, rotation.pk, who):
        return f"{rotation} pauses after its current windows"
    status = read_rotation(session, rotation.pk).status
    raise Refused(f"{rotation} is {status}: it can be paused only while windows run")


def resume(session: Session, rotation: Rotation, who: str) -> str:
    """Let a paused rotation continue. Raises Refused if it is not paused."""
    if not transitions.resume(session, rotation.pk, who):
        status = read_rotation(session, rotation.pk).status
        raise Refused(f"{rotation} is {status}, not paused{_if_left(session, rotation)}")
    return f"{rotation} continues{_if_left(session, rotation)}"


def _if_left(session: Session, rotation: Rotation) -> str:
    """What to do where no process works on it. One that waits shows that it is there."""
    left = read_state(session, rotation.pk).left
    return f"; no process is working on it: run {command_of(rotation)} again" if left else ""


def tune(session: Session, rotation: Rotation, tuned: dict[str, Any], who: str) -> str:
    """Change options while it runs. Raises Refused if the rotation is over, UsageError for a query that
    can't throttle.
    """
    query = tuned.get("throttle_sql")
    if query not in (None, "default"):
        try:
            ask(session, query)
        except RotationError as error:
            raise UsageError(f"throttle_sql: {error}") from error
    now = transitions.tune(session, rotation.pk, tuned, who)
    said = ", ".join(f"{name}={as_given(value)}" for name, value in now.items())
    more = _of_workers(session, rotation, now.get("workers", 0))
    what = said or "options as each run was started"
    return f"{rotation}: {what}, effective from the next window{more}"


def _of_workers(session: Session, rotation: Rotation, workers: int) -> str:
    """What becomes of more workers than there are lanes: each works on a lane of its own."""
    lanes = [one for one in read_lanes(session, rotation) if not one["done"]]
    if workers <= len(lanes) or not lanes:
        return ""
    left = "1 lane is" if len(lanes) == 1 else f"{len(lanes)} lanes are"
    return f"; {left} left, and each gives work to one worker"


def cancel(session: Session, rotation: Rotation, who: str) -> str:
    """End a rotation for good. Raises Refused if it has already ended."""
    cancelled = transitions.cancel(session, rotation.pk, who)
    progress = read_progress(session, rotation.pk)
    if not cancelled:
        raise Refused(f"{rotation} is {progress.status} by now, so it was not cancelled")
    about = "" if progress.rows_total_exact else "about "
    total = "an unknown number of" if progress.rows_total is None else f"{about}{progress.rows_total}"
    done = f"{progress.rows_done} of {total} tokens were replaced"
    if progress.rows_done > (progress.rows_total or progress.rows_done):  # some came later
        done = f"{progress.rows_done} tokens were replaced ({total} at the start)"
    return (
        f"{rotation} is cancelled: {done}; every other row keeps its old token, and replaced ones can be"
        " written back until another rotation runs"
    )


#: The steps that need nothing but a rotation.
STEPS: dict[str, Callable[[Session, Rotation, str], str]] = {
    "pause": pause,
    "resume": resume,
    "cancel": cancel,
}
