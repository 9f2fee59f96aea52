"""Stopping in steps: after the current window, then at once, and then whatever hangs."""

import contextlib
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from ..events import Emit, Stopping

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TOLD_REQUESTS = 2  # that are acknowledged: a key held down sends many
ACKNOWLEDGE_SECONDS = 0.5  # for an acknowledgement, before the next signal is read
CANCEL_SECONDS = 5  # for a request to cancel to reach the server
GRACE_SECONDS = 3.0  # from the second signal until the process ends without waiting any longer


class StopSwitch:
    """Asks workers to stop. Asked twice, it cancels their running statements in the server.

    With `patient=False`, for work that is one statement, it does so the first time. It acknowledges
    a request through `tell`, from the thread that requests.
    """

    def __init__(self, patient: bool = True, tell: Emit = lambda event: None) -> None:
        self.tell = tell
        self._patient = patient
        self._requests = 0
        self.reason = ""
        self.immediate = False
        self._silent = False
        self._requested = threading.Event()
        self._running: dict[Any, bool] = {}  #: connections, and whether to cancel them at once
        self._lock = threading.Lock()

    @property
    def requested(self) -> bool:
        """Whether a stop was requested."""
        return self._requested.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep until a stop is requested, at most so long; True if one is."""
        return self._requested.wait(seconds)

    def request(self, reason: str) -> None:
        """Ask to stop after the current windows; the second call, to stop at once."""
        with self._lock:
            told = self._requests < TOLD_REQUESTS and not self._silent
            self._requests += 1
            again = self._requests > 1
            self.immediate = again or not self._patient
            self.reason = self.reason or reason
            self._requested.set()
            running = [one for one, at_once in self._running.items() if at_once or self.immediate]
        for connection in running:
            threading.Thread(target=_cancel, args=(connection,), daemon=True).start()
        if told:
            self.tell(Stopping(reason, bool(running) or not self._patient, again))

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Within the block nothing is running that a request would have to be acknowledged for."""
        self._silent = True
        try:
            yield
        finally:
            self._silent = False

    @contextlib.contextmanager
    def cancellable(self, connection: Any, at_once: bool = False) -> Iterator[None]:
        """Within the block, an immediate stop cancels what this connection of the driver's runs.

        `at_once`: the first request does, for one long statement that starts again anyway.
        """
        with self._lock:
            self._running[connection] = at_once
        try:
            yield
        finally:
            with self._lock:
                self._running.pop(connection, None)


def _cancel(connection: Any) -> None:
    """Cancel what a connection runs, in a process of its own.

    psycopg2 keeps all other threads from running while libpq connects to cancel, and that hangs where
    the network or a pooler does. libpq's PQcancel is safe after a fork: it may be called even in a
    signal handler.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12's, of a fork with threads
        pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CANCEL_SECONDS)
        os.closerange(0, 3)  # nobody must wait for the end of this output
        connection.cancel()
    finally:  # it may have ended or broken just now
        os._exit(0)


@contextlib.contextmanager
def signals_as_before() -> Iterator[None]:
    """After the block, signals have the handlers that they had before it.

    For another's process, in which a run that was asked to stop would leave them ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # else it was set by code that is not Python
                signal.signal(number, handler)


@contextlib.contextmanager
def stop_on_signals(switch: StopSwitch, abandon: Callable[[], None]) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into requests to stop; signals ignored before stay so.

    If the block has not ended GRACE_SECONDS after the second signal, `abandon` is called, from another
    thread: something hangs that no request reaches.

    A thread reads them from Python's wake-up descriptor, which the C handler writes to at once:
    an ordinary handler would wait until a query of the main thread returns. Outside the main thread
    Python can't set handlers, and the block runs without them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    last = threading.Timer(GRACE_SECONDS, abandon)
    last.daemon = True

    def relay() -> None:
        while number := os.read(reading, 1)[0]:
            if number not in SIGNALS:
                continue
            if switch.requested and not last.ident:
                last.start()
            # In a thread: if nobody reads our output, telling hangs.
            name = signal.Signals(number).name
            request = threading.Thread(target=switch.request, args=(name,), daemon=True)
            request.start()
            request.join(ACKNOWLEDGE_SECONDS)

    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = {
        number: signal.signal(number, lambda *_: None)
        for number in SIGNALS
        if signal.getsignal(number) != signal.SIG_IGN
    }
    thread = threading.Thread(target=relay, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            # A process that was asked to stop is on its way out: no further signal may change its
            # exit code, not even while Python shuts down.
            signal.signal(number, signal.SIG_IGN if switch.requested else handler)
        os.write(writing, b"\0")
        thread.join()
        last.cancel()
        os.close(reading)
        os.close(writing)
