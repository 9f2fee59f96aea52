"""Trying again: through outages, and until a lock on the whole table is granted."""

import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import LockConflict, Stopped
from ..options import Options
from .session import Session

Result = TypeVar("Result")


def patiently(session: Session, options: Options, action: Callable[[], Result]) -> Result:
    """Try an action that reads the whole table until it succeeds, or the patience runs out.

    The patience begins with the first conflict: reading the table may take longer than that.
    """
    began: float | None = None
    while True:
        try:
            return session.through_outages(action)
        except LockConflict as conflict:
            if session.stop.requested:
                raise Stopped(f"by {session.stop.reason}") from None
            now = time.monotonic()
            began = now if began is None else began
            if now - began > options.lock_patience:
                raise Stopped(
                    f"the table could not be read for {options.lock_patience:.0f} s ({conflict}):"
                    " end what locks or alters it, then run the same command again"
                ) from conflict
            session.stop.wait(0.5)
