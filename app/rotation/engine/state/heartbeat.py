"""What a process notes in its rotation, for observers, now or later."""

import contextlib
from typing import Any

from django.db.models.functions import Coalesce, Now

from ...models import Rotation
from ..db.identity import tools
from ..db.session import Row, Session
from ..db.sqlstate import translated
from ..errors import RotationError
from ..events import Waiting


def note_process(session: Session, rotation: int, server: Row) -> None:
    """Note that a process works on a rotation, and with what versions; the first one starts it."""
    versions = {"PostgreSQL": server["version_text"], **tools()}
    with session.durable(), translated("taking up the rotation"):
        this = Rotation.objects.using(session.alias).filter(pk=rotation)
        this.update(begun_at=Coalesce("begun_at", Now()), versions=versions)


class Waits:
    """Shows what a run waits for, until it continues."""

    def __init__(self, session: Session, rotation: int) -> None:
        self._session = session
        self._rotation = rotation
        self._shown = False

    def note(self, event: Any) -> None:
        """Take note of an event of the run."""
        waits = isinstance(event, Waiting)
        if waits or self._shown:
            self._shown = waits
            reason = str(event) if waits else ""
            with contextlib.suppress(RotationError):  # others report outages
                self._session.change("note_throttle", rotation=self._rotation, reason=reason)
