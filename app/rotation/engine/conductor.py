"""The conductor: the thread that takes a rotation through its phases."""

import threading

from app.rotation.engine.database import Session
from app.rotation.engine.phases import Phases


class Conductor(threading.Thread):
    """Runs the phases. `failure` holds what ended them early."""

    def __init__(self, session: Session, phases: Phases) -> None:
        super().__init__(name=session.worker, daemon=True)
        self.failure: BaseException | None = None
        self.phases = phases
        self._session = session

    def run(self) -> None:
        """Work until the rotation is at its end, or something ends the work."""
        try:
            self.phases.run()
        except Exception as failure:
            self.failure = failure
        finally:
            self._session.close()
