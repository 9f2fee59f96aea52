"""A thread of the engine: it works on its own session, and keeps what ended it early."""

import contextlib
import ctypes
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from django.db import connections

from .driver import own_connection
from .session import Session

# libc loads it when a thread ends, and aborts the process if there is no memory left then.
with contextlib.suppress(OSError):
    ctypes.CDLL("libgcc_s.so.1")

Itself = TypeVar("Itself", bound="InBackground")


class InBackground:
    """Within the block its thread runs, which looks whether it is over.

    At the end it is not joined: what it asks may hang, and nothing must wait for that.
    """

    _thread: threading.Thread
    _over: threading.Event

    def __enter__(self: Itself) -> Itself:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()


class Thread(threading.Thread):
    """Runs `work`, then closes its session. A failure is kept for the thread that started it."""

    def __init__(self, session: Session, work: Callable[[], Any]) -> None:
        super().__init__(name=session.worker, daemon=True)
        self.failure: Exception | None = None
        self.result: Any = None  #: what `work` returned
        self._session = session
        self._work = work

    def run(self) -> None:
        """Work, and keep the result or the failure."""
        try:
            own_connection(self._session.alias)
            self.result = self._work()
        except Exception as failure:
            self.failure = failure
        finally:
            self._session.close()
            connections.close_all()  # this thread's: a receiver of a signal may have used another one
