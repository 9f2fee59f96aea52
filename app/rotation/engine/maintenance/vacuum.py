"""Vacuum during the rotation, so that the space of replaced row versions is reused."""

import threading
from dataclasses import replace

from ..db.retry import Every
from ..db.session import Session
from ..db.stop import StopSwitch
from ..db.threads import Thread
from ..errors import ConnectionLost, RotationError
from ..events import VacuumHindered, VacuumSkipped
from ..kept import LiveOptions
from ..table.target import Target

LOOK_SECONDS = 0.2  # how often it checks whether a vacuum is due
TELL_SECONDS = 60.0  # how often the same obstacle is reported


class Vacuum(Thread):
    """Vacuums the target each time a share of its rows was replaced, on its own connection."""

    def __init__(self, session: Session, rotation: int, target: Target, live: LiveOptions) -> None:
        # A request to stop lets a window finish, which is short, and cancels a vacuum, which is not.
        super().__init__(replace(session, stop=StopSwitch(patient=False)), self._watch)
        self._whole = session.stop
        self._rotation = rotation
        self._target = target
        self._may: bool | None = None  # whether this role may vacuum the table, once known
        self._sees = False  # whether it may read what holds vacuum back
        self._live = live
        self._ended = threading.Event()
        self._mark: str | None = None  # of the vacuum before
        self._told: dict[str, Every] = {}

    def _watch(self) -> None:
        """Vacuum whenever it is due, until `end` is called."""
        while not self._ended.wait(LOOK_SECONDS):
            percent = self._live.now.vacuum
            if percent is None:
                continue
            try:
                self._look(percent)
            except ConnectionLost:  # the workers report it
                self._session.close()
            except RotationError as error:
                if not (self._whole.requested or self._session.stop.requested):
                    self._tell(VacuumSkipped(str(error)))
                self._session.close()

    def cancel(self, reason: str) -> None:
        """Cancel a running vacuum: the run has ended early, and must not wait for it."""
        self._session.stop.request(reason)

    def end(self) -> None:
        """Let a running vacuum finish, or cancel it if a stop was requested."""
        self._ended.set()
        while self.is_alive():
            if self._whole.requested:
                self._session.stop.request(self._whole.reason)
            self.join(LOOK_SECONDS)

    def _look(self, percent: float) -> None:
        session = self._session
        if self._may is None:
            with session.reading():
                table = session.row("describe_table", oid=self._target.oid, attnum=self._target.attnum)
                self._sees = not session.row("check_session_access")["hidden"]
            self._may = table["may_vacuum"]  # if not, the preflight has said so
        if not self._may:
            return
        with session.durable():
            due = session.rows("claim_vacuum", rotation=self._rotation, percent=percent)
        if not due:
            return
        if session.outside_transactions("vacuum_target"):
            self._tell(VacuumSkipped("another vacuum of the table is running"))
        if self._mark is not None and self._sees:
            for holder in session.rows("list_old_snapshots", mark=self._mark):
                self._tell(VacuumHindered(holder["holder"]))
        self._mark = due[0]["mark"]

    def _tell(self, event: VacuumSkipped | VacuumHindered) -> None:
        if self._told.setdefault(str(event), Every(TELL_SECONDS)).due():
            self._session.emit(event)
