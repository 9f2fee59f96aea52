"""The workers of one process, each a thread with its own connection."""

import threading
from collections.abc import Callable
from dataclasses import replace

from ..db.identity import worker_name
from ..db.retry import Every
from ..db.session import Session
from ..db.threads import Thread
from ..events import (
    Emit,
    Event,
    Found,
    LanesTaken,
    OutageContinues,
    OutageEnded,
    OutageStarted,
    Paused,
    Resumed,
    Throttled,
    TookOver,
)
from .worker import Worker

LOOK_SECONDS = 0.05  # how often the pool checks on its workers
#: Makes the worker that a thread runs, on that thread's session.
MakeWorker = Callable[[Session], Worker]


class WorkerPool:
    """Does one stage after the other, with as many workers as are wanted at the time."""

    def __init__(self, session: Session, wanted: Callable[[], int]) -> None:
        self._session = replace(session, emit=ToldOnce(session.emit))
        self._wanted = wanted
        self._threads: list[_WorkerThread] = []

    @property
    def rows(self) -> int:
        """Tokens that the pool replaced."""
        return sum(thread.worker.rows for thread in self._threads)

    @property
    def names(self) -> set[str]:
        """The names of all its workers, past and present."""
        return {thread.name for thread in self._threads}

    def work(self, make: MakeWorker) -> None:
        """Let workers do a stage until no lane has work left, or a stop is requested.

        Raises the first failure of a worker, after the others have finished their windows.
        """
        threads = self._threads
        while True:
            over = any(thread.result or thread.failure for thread in threads)
            at_work = [thread for thread in threads if thread.is_alive()]
            wanted = 0 if over else self._wanted()
            for thread in at_work[wanted:]:
                thread.worker.retire()
            if not (over or self._session.stop.requested):
                for _ in range(wanted - len(at_work)):
                    at_work.append(self._start(make, {thread.number for thread in at_work}))
                    threads.append(at_work[-1])
            if not at_work:
                break
            at_work[0].join(LOOK_SECONDS)
        for thread in threads:
            if thread.failure:
                raise thread.failure

    def _start(self, make: MakeWorker, taken: set[int]) -> "_WorkerThread":
        number = next(number for number in range(1, len(taken) + 2) if number not in taken)
        session = replace(self._session, worker=worker_name(number))
        thread = _WorkerThread(session, make(session), number)
        thread.start()
        return thread


class _WorkerThread(Thread):
    """A thread with a worker; its result is whether the stage is done in every lane."""

    def __init__(self, session: Session, worker: Worker, number: int) -> None:
        super().__init__(session, worker.run)
        self.number = number
        self.worker = worker


class ToldOnce:
    """Passes events on, but only once if several workers notice the same thing."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._why = ""  #: they are without one
        self._without = 0  #: workers without a database now
        self._standing: str | None = None  #: which worker this process waits for
        self._paused = False
        self._throttled = Every()  #: when reasons to wait are reported
        self._found: set[Found] = set()  #: what was already reported
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Pass an event on, unless another worker reported the same."""
        with self._lock:
            new = True
            if isinstance(event, OutageStarted):
                self._without += 1
                new = self._without == 1
            elif isinstance(event, OutageContinues):
                new = event.why != self._why
                self._why = event.why
            elif isinstance(event, OutageEnded):
                self._without -= 1
                new = self._without == 0
            elif isinstance(event, LanesTaken):
                new = self._standing != event.worker
                self._standing = event.worker
            elif isinstance(event, TookOver):
                new = self._standing is not None
                self._standing = None
            elif isinstance(event, (Paused, Resumed)):
                new = self._paused != isinstance(event, Paused)
                self._paused = isinstance(event, Paused)
            elif isinstance(event, Found):
                new = event not in self._found
                self._found.add(event)
            elif isinstance(event, Throttled):
                new = self._throttled.due()
        if new:
            self._emit(event)
