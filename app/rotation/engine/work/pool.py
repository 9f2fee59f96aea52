"""The crew: the workers of one process, each a thread with a connection of its own."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from ..db.identity import worker_name
from ..db.session import Session
from ..events import (
    Emit,
    Event,
    Found,
    OutageBegan,
    OutageEnded,
    Paused,
    Resumed,
    StandingBy,
    Throttled,
    TookOver,
)
from .worker import Worker

TELL_SECONDS = 10.0  # how often it is told that windows wait
LOOK_SECONDS = 0.05  # how often the crew looks after its workers
#: Makes the worker that a thread runs, on that thread's session.
MakeWorker = Callable[[Session], Worker]


class WorkerPool:
    """Does one stage after the other with as many workers as are wanted at the time."""

    def __init__(self, session: Session, wanted: Callable[[], int]) -> None:
        self._session = replace(session, emit=ToldOnce(session.emit))
        self._wanted = wanted
        self._hands: list[_WorkerThread] = []

    @property
    def rows(self) -> int:
        """Tokens that the crew took or replaced."""
        return sum(hand.worker.rows for hand in self._hands)

    @property
    def names(self) -> set[str]:
        """The names of all workers that there were."""
        return {hand.name for hand in self._hands}

    def work(self, make: MakeWorker) -> None:
        """Let workers do a stage until no lane has work left, or a stop is requested.

        Raises what ended the first of them that failed, after the windows of the others.
        """
        hands = self._hands
        while True:
            over = any(hand.done or hand.failure for hand in hands)
            at_work = [hand for hand in hands if hand.is_alive()]
            wanted = 0 if over else self._wanted()
            for hand in at_work[wanted:]:
                hand.worker.retire()
            if not (over or self._session.stop.requested):
                for _ in range(wanted - len(at_work)):
                    at_work.append(self._start(make, {hand.number for hand in at_work}))
                    hands.append(at_work[-1])
            if not at_work:
                break
            at_work[0].join(LOOK_SECONDS)
        for hand in hands:
            if hand.failure:
                raise hand.failure

    def _start(self, make: MakeWorker, taken: set[int]) -> "_WorkerThread":
        number = next(number for number in range(1, len(taken) + 2) if number not in taken)
        session = replace(self._session, worker=worker_name(number))
        hand = _WorkerThread(session, make(session), number)
        hand.start()
        return hand


class _WorkerThread(threading.Thread):
    """A thread with a worker. `failure` holds what ended it early, `done` that the stage is."""

    def __init__(self, session: Session, worker: Worker, number: int) -> None:
        super().__init__(name=session.worker, daemon=True)
        self.number = number
        self.worker = worker
        self.failure: BaseException | None = None
        self.done = False
        self._session = session

    def run(self) -> None:
        try:
            self.done = self.worker.run()
        except Exception as failure:
            self.failure = failure
        finally:
            self._session.close()


class ToldOnce:
    """Passes events on, but what several workers notice together only once."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._without = 0  #: workers that have no database now
        self._standing: str | None = None  #: for whom this process stands by
        self._paused = False
        self._throttled_at = float("-inf")  #: when a reason to wait was told
        self._found: set[Found] = set()  #: what was told already
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Pass an event on, unless another worker told of the same."""
        with self._lock:
            new = True
            if isinstance(event, OutageBegan):
                self._without += 1
                new = self._without == 1
            elif isinstance(event, OutageEnded):
                self._without -= 1
                new = self._without == 0
            elif isinstance(event, StandingBy):
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
                now = time.monotonic()
                new = now - self._throttled_at > TELL_SECONDS
                self._throttled_at = now if new else self._throttled_at
        if new:
            self._emit(event)
