"""A process that serves: it takes up rotations that were recorded, and those that nobody works on."""

import time
from collections.abc import Iterator
from contextlib import suppress

from app.rotation.engine import control, preflight
from app.rotation.engine.database import Session, translated
from app.rotation.engine.driver import RotationDriver
from app.rotation.engine.errors import RotationError, Stopped
from app.rotation.engine.options import from_stored
from app.rotation.engine.progress import read_progress
from app.rotation.engine.status import STALLED_SECONDS, describe
from app.rotation.engine.stop import StopSwitch, stop_on_signals
from app.rotation.engine.target import TargetName
from app.rotation.management.reporter import Reporter
from app.rotation.management.runner import summary
from app.rotation.models import UNFINISHED, Rotation, Status

LOOK_SECONDS = 1.0
AGAIN_SECONDS = 60.0  # after a rotation that could not be done


def serve(session: Session, reporter: Reporter) -> None:
    """Take up whatever waits, with the options that are kept with it, until a signal ends this.

    Raises Stopped if the signal came while a rotation was under way.
    """
    session.stop = StopSwitch()
    not_before: dict[int, float] = {}
    told = ""
    with stop_on_signals(session.stop):
        reporter.line("serving: rotations are taken up as they are recorded; Ctrl-C ends it")
        while not session.stop.wait(LOOK_SECONDS):
            try:
                preflight.require_state(session, preflight.describe_server(session))
                for rotation in list(waiting(session)):
                    if time.monotonic() >= not_before.get(rotation.pk, 0):
                        not_before[rotation.pk] = time.monotonic() + AGAIN_SECONDS
                        take_up(session, rotation, reporter)
                told = ""
            except Stopped:
                if session.stop.requested:
                    raise
            except RotationError as error:
                if str(error) != told:  # once: an outage, or tables that are not there yet
                    reporter.line(str(error))
                told = str(error)
                session.close()


def waiting(session: Session) -> Iterator[Rotation]:
    """Rotations that are recorded and not begun, or begun and left; not those that are paused."""
    with translated("reading the rotations"):
        unfinished = list(control.rotations(session).filter(status__in=UNFINISHED).order_by("pk"))
    for rotation in unfinished:
        recorded = rotation.status == Status.PENDING
        if (recorded and read_progress(session, rotation.pk).idle_seconds > STALLED_SECONDS) or (
            not recorded and describe(session, rotation)["stalled"]
        ):
            yield rotation


def take_up(session: Session, rotation: Rotation, reporter: Reporter) -> None:
    """Do a rotation. What keeps it from being done is told, and noted with it; Stopped is raised."""
    name = TargetName(
        rotation.table_name, rotation.token_column, rotation.pk_column, rotation.table_schema
    )
    try:
        options = from_stored(rotation.options)
        driver = RotationDriver(session.alias, name, options, session.stop, reporter)
        reporter.line(summary(driver.run()))
    except Stopped:
        raise
    except RotationError as error:
        again = f"{rotation} is tried again in {AGAIN_SECONDS:.0f} s"
        reporter.line(f"{error}; {again}")
        with suppress(RotationError):
            session.change("note_throttle", rotation=rotation.pk, reason=str(error))
