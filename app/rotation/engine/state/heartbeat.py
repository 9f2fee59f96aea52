"""What a process notes in its rotation, for observers, now or later."""

import contextlib
import threading
from typing import Any

from django.db.models.functions import Coalesce, Now

from ...models import Rotation
from ..db.identity import tools
from ..db.session import Row, Session
from ..db.sqlstate import translated
from ..db.threads import Thread
from ..errors import RotationError
from ..events import Waiting
from .progress import read_progress

SAMPLE_SECONDS = 0.5  # how often progress is read and reported
LAST_SECONDS = 2.0  # for the last note of a sampler


def note_process(session: Session, rotation: int, server: Row) -> None:
    """Note that a process works on a rotation, and with what versions; the first one starts it."""
    versions = {"PostgreSQL": server["version_text"], **tools()}
    with session.durable(), translated("taking up the rotation"):
        this = Rotation.objects.using(session.alias).filter(pk=rotation)
        this.update(begun_at=Coalesce("begun_at", Now()), versions=versions)


class Sampler(Thread):
    """Reads a rotation's progress now and then, and shows observers that it is alive, or waits.

    In a thread of its own: what reports to people must not wait for a database that hangs.
    """

    def __init__(self, session: Session, rotation: int) -> None:
        super().__init__(session, self._sample)
        self._rotation = rotation
        self._over = threading.Event()
        self._waits_for = ""  #: as the latest event says
        self._shown = ""

    def note(self, event: Any) -> None:
        """Take note of an event of the run."""
        self._waits_for = str(event) if isinstance(event, Waiting) else ""

    def end(self) -> None:
        """Ask it to end, and wait for that, but not if it hangs."""
        self._over.set()
        self.join(LAST_SECONDS)

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            try:
                self._look()
            except RotationError:
                self._session.close()  # the workers deal with the outage, and report it
        with contextlib.suppress(RotationError):
            self._waits_for = ""
            self._show_wait()

    def _look(self) -> None:
        session = self._session
        progress = read_progress(session, self._rotation)
        self._show_wait()
        idle = progress.left_by_all or progress.idle_seconds > SAMPLE_SECONDS
        if idle and not session.stop.requested:
            # During one long statement, like the verification, others must see that we are alive.
            session.change("note_alive", rotation=self._rotation)
        session.emit(progress)

    def _show_wait(self) -> None:
        waits_for = self._waits_for
        if waits_for != self._shown:
            self._session.change("note_throttle", rotation=self._rotation, reason=waits_for)
            self._shown = waits_for
