"""A rotation steered from outside: paused, resumed, tuned; each a conditional update of its row."""

from collections.abc import Callable
from typing import Any

from django.db.models.functions import Now

from app.rotation.engine.control import move, rotations
from app.rotation.engine.database import Session, translated
from app.rotation.engine.errors import Refused
from app.rotation.engine.events import Paused, Resumed
from app.rotation.engine.options import as_kept
from app.rotation.models import UNFINISHED, Status

LOOK_SECONDS = 0.3  # how often a paused process looks whether it may go on

PAUSED = (Status.PAUSING, Status.PAUSED)


def pause(session: Session, rotation: int, who: str) -> bool:
    """Ask the workers to wait after their windows; False if it does not run.

    Nobody may be at work: then nobody else will acknowledge it.
    """
    with session.durable(), translated("pausing the rotation"):
        asked = move(session, rotation, Status.RUNNING, Status.PAUSING)
        if asked:
            session.change("note_steering", rotation=rotation, who=who, what="pause")
    lanes = session.rows("look_at_lanes", rotation=rotation, stage="any", worker="")
    if asked and not any(lane["busy"] for lane in lanes):
        with session.durable(), translated("pausing the rotation"):
            # Without a sign of life: it is left by all.
            move(session, rotation, Status.PAUSING, Status.PAUSED, touched_at=None)
    return asked


def wait_while_paused(session: Session, rotation: int, leaving: Callable[[], bool]) -> None:
    """Acknowledge a request to pause, and return when it is over or the caller is to leave."""
    if not session.through_outages(lambda: acknowledge_pause(session, rotation)):
        return
    session.emit(Paused(rotation))
    while not leaving():
        session.stop.wait(LOOK_SECONDS)
        if not session.through_outages(lambda: acknowledge_pause(session, rotation)):
            session.emit(Resumed(rotation))
            return


def acknowledge_pause(session: Session, rotation: int) -> bool:
    """Whether the rotation is paused or about to be; if so, it is paused now."""
    with session.durable(), translated("pausing the rotation"):
        this = rotations(session).filter(pk=rotation)
        # With a sign of life: it is not stalled.
        paused = this.filter(status__in=PAUSED).update(status=Status.PAUSED, touched_at=Now())
    return bool(paused)


def resume(session: Session, rotation: int, who: str) -> bool:
    """Let a paused rotation go on; False if it is not paused."""
    with session.durable(), translated("resuming the rotation"):
        pausing = move(session, rotation, Status.PAUSING, Status.RUNNING)
        resumed = move(session, rotation, Status.PAUSED, Status.RUNNING) or pausing
        if resumed:
            session.change("note_steering", rotation=rotation, who=who, what="resume")
    return resumed


def tune(session: Session, rotation: int, tuned: dict[str, Any], who: str) -> dict[str, Any]:
    """Change live options of an unfinished rotation, and return all that are tuned now.

    The value 'default' gives an option back to what each run was given. Raises Refused if it is over.
    """
    with session.durable(), translated("tuning the rotation"):
        this = rotations(session).select_for_update(no_key=True).get(pk=rotation)
        if this.status not in UNFINISHED:
            raise Refused(f"{this} is {this.status}: there is nothing to tune")
        now = {
            name: value for name, value in (as_kept(this.tuned) | tuned).items() if value != "default"
        }
        rotations(session).filter(pk=rotation).update(tuned=now)
        asked = " ".join(f"{name}={_text(one)}" for name, one in tuned.items())
        session.change("note_steering", rotation=rotation, who=who, what=f"tune {asked}")
    return now


def _text(value: Any) -> str:
    """A tuned value as it was given."""
    if value is None:
        return "off"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
