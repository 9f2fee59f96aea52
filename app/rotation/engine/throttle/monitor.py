"""The monitor: a thread that checks once a second for reasons against the next window."""

import contextlib
import threading
from dataclasses import replace

from ..db.identity import colleague
from ..db.session import Session
from ..db.threads import Thread
from ..errors import DatabaseFailure, Refused, RotationError, Stopped
from ..events import Event, OutageStarted
from ..options import Options
from ..state.progress import RECENT_WINDOWS
from .probes import Probes
from .throttle import Throttle

LOOK_SECONDS = 1.0


class Monitor(Thread):
    """Feeds the throttle and the live options of a process, on its own connection."""

    def __init__(self, session: Session, rotation: int, oid: int, throttle: Throttle) -> None:
        super().__init__(replace(session, emit=self._fail_closed), self._watch)
        self._rotation = rotation
        self._throttle = throttle
        self._probes = Probes(self._session, rotation, oid)
        self._ended = threading.Event()
        self._told = ""
        self._noted: Options | None = None  # the limits as observers know them

    def _watch(self) -> None:
        """Check, until `end` is called."""
        while not self._ended.is_set():
            try:
                self._session.through_outages(self._look)
            except (Stopped, Refused, DatabaseFailure) as critical:
                self._throttle.learn("", 1.0, critical)
            except RotationError as error:
                self._throttle.learn(self._unchecked(error), 1.0)
            except Exception as failure:  # a bug of ours must not make windows wait forever
                self._throttle.learn("", 1.0, failure)
            self._ended.wait(LOOK_SECONDS)
        if self._told:
            with contextlib.suppress(RotationError):
                self._session.change("note_throttle", rotation=self._rotation, reason="")

    def end(self) -> None:
        """Ask it to end, and wait for that."""
        self._ended.set()
        self.join()

    def _fail_closed(self, event: Event) -> None:
        """Hold windows back as soon as the monitor has no database: without a check, none runs."""
        if isinstance(event, OutageStarted):
            self._throttle.learn(f"the server could not be checked ({event.why})", 1.0)

    def _unchecked(self, error: RotationError) -> str:
        """Fail closed: without a check, no window runs."""
        self._session.close()
        return f"the server could not be checked ({error})"

    def _look(self) -> None:
        session = self._session
        live = self._throttle.live
        with session.reading("5s"):
            asked = session.row("read_steering", rotation=self._rotation, recent=RECENT_WINDOWS)
        live.learn(asked["tuned"])
        if live.now != self._noted:
            self._session.change("note_limits", rotation=self._rotation, max_rate=live.now.max_rate)
            self._noted = live.now
        everybody = asked["workers"]
        ours = [name for name in everybody if colleague(session.worker, name)]
        share = len(ours) / len(everybody) if ours else 1.0
        try:
            reason = "; ".join(self._probes.reasons(live.now, asked["now"]))
        except DatabaseFailure as failure:
            reason = self._unchecked(failure)
        # An obstacle that is cleared later holds windows back until the probes have answered as well.
        self._throttle.learn(live.obstacle or reason, share)
        reason = reason or self._throttle.reason() or ""
        if reason or self._told:
            session.change("note_throttle", rotation=self._rotation, reason=reason)
        self._told = reason
