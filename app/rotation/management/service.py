"""A process that serves: it takes up rotations that were recorded, and those that nobody works on."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from app.rotation.engine import control, preflight
from app.rotation.engine.database import Session, translated
from app.rotation.engine.driver import RotationDriver
from app.rotation.engine.errors import RotationError, Stopped
from app.rotation.engine.options import from_stored
from app.rotation.engine.progress import read_progress
from app.rotation.engine.status import WORKING, read_state
from app.rotation.engine.stop import StopSwitch, stop_on_signals
from app.rotation.engine.target import TargetName
from app.rotation.management.reporter import Reporter
from app.rotation.management.runner import summary
from app.rotation.models import UNFINISHED, Rotation, Status

LOOK_SECONDS = 1.0
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0  # seconds until a rotation that could not be done is tried again
TAKEN_UP = {Status.PENDING, *WORKING}


@dataclass(frozen=True)
class Failure:
    """What kept a rotation from being done, and when it is tried again."""

    why: str
    rows_done: int
    wait: float
    again_at: float


def after(before: Failure | None, why: str, rows_done: int) -> Failure:
    """One more failure of a rotation: the wait doubles, unless it got on meanwhile."""
    stuck = before is not None and rows_done == before.rows_done
    wait = min(2 * before.wait, LONGEST_WAIT) if before and stuck else FIRST_WAIT
    return Failure(why, rows_done, wait, time.monotonic() + wait)


def serve(session: Session, reporter: Reporter) -> None:
    """Take up whatever waits, with the options that are kept with it, until a signal ends this.

    Raises Stopped if the signal came while a rotation was under way.
    """
    session.stop = StopSwitch()
    failed: dict[int, Failure] = {}
    told = ""
    with stop_on_signals(session.stop):
        reporter.line("serving: rotations are taken up as they are recorded; Ctrl-C ends it")
        while not session.stop.wait(LOOK_SECONDS):
            try:
                preflight.require_state(session, preflight.describe_server(session))
                look_round(session, reporter, failed)
                told = ""
            except RotationError as error:
                if session.stop.requested and isinstance(error, Stopped):
                    raise
                if str(error) != told:  # once: an outage, or tables that are not there yet
                    reporter.line(str(error))
                told = str(error)
                session.close()


def look_round(session: Session, reporter: Reporter, failed: dict[int, Failure]) -> None:
    """Take up every rotation that waits; keep showing what ails those that could not be done."""
    for rotation in list(waiting(session, set(failed))):
        before = failed.get(rotation.pk)
        if before and time.monotonic() < before.again_at:
            session.change("note_throttle", rotation=rotation.pk, reason=before.why)
            continue
        why = take_up(session, rotation, reporter)
        now = read_progress(session, rotation.pk)
        failed.pop(rotation.pk, None)
        if why and now.status in TAKEN_UP:
            failed[rotation.pk] = after(before, why, now.rows_done)
            why += f"; {rotation} is tried again in {failed[rotation.pk].wait:.0f} s"
        if why:
            reporter.line(why)


def waiting(session: Session, failed: set[int]) -> Iterator[Rotation]:
    """Rotations that are recorded and not begun, or begun and left; not those that are paused.

    One of `failed` shows a sign of life, which is ours: it waits unless somebody works on it.
    """
    with translated("reading the rotations"):
        unfinished = list(control.rotations(session).filter(status__in=UNFINISHED).order_by("pk"))
    for rotation in unfinished:
        state = read_state(session, rotation.pk)
        stays = rotation.pk in failed and state.progress.status in TAKEN_UP
        if state.stalled or state.unserved or (stays and not state.workers):
            yield rotation


def take_up(session: Session, rotation: Rotation, reporter: Reporter) -> str:
    """Do a rotation; what kept it from being done, or nothing. Raises Stopped if a signal ended it."""
    name = TargetName(
        rotation.table_name, rotation.token_column, rotation.pk_column, rotation.table_schema
    )
    try:
        options = from_stored(rotation.options)
        driver = RotationDriver(session.alias, name, options, session.stop, reporter)
        done = summary(driver.run())
    except RotationError as error:
        if session.stop.requested and isinstance(error, Stopped):
            raise
        return str(error)
    finally:
        reporter.close()
    reporter.line(done)
    return ""
