"""Stopping in two steps: first after the current window, then at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSwitch:
    """Asks workers to stop. Asked twice, it cancels their running statements in the server.

    With `patient=False`, for work that is one statement, it does so the first time.
    """

    def __init__(self, patient: bool = True) -> None:
        self._patient = patient
        self.reason = ""
        self.immediate = False
        self.cancelled = False  #: whether a request has cancelled a statement
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
            self.immediate = self.requested or not self._patient
            self.reason = self.reason or reason
            self._requested.set()
            running = [one for one, at_once in self._running.items() if at_once or self.immediate]
            self.cancelled = self.cancelled or bool(running)
        for connection in running:
            with contextlib.suppress(Exception):  # it may have ended or broken just now
                connection.cancel()

    @contextlib.contextmanager
    def cancellable(self, connection: Any, at_once: bool = False) -> Iterator[None]:
        """Within the block, an immediate stop cancels what this psycopg2 connection runs.

        `at_once`: the first request does, for one long statement that starts again anyway.
        """
        with self._lock:
            self._running[connection] = at_once
        try:
            yield
        finally:
            with self._lock:
                self._running.pop(connection, None)


@contextlib.contextmanager
def stop_on_signals(switch: StopSwitch) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into requests to stop; signals ignored before stay so.

    A thread reads them from Python's wake-up descriptor, which the C handler writes to at once:
    an ordinary handler would wait until a query of the main thread returns. Outside the main thread
    Python can't set handlers, and the block runs without them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def relay() -> None:
        while number := os.read(reading, 1)[0]:
            if number in SIGNALS:
                switch.request(signal.Signals(number).name)

    before = {
        number: signal.signal(number, lambda *_: None)
        for number in SIGNALS
        if signal.getsignal(number) != signal.SIG_IGN
    }
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
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
        os.close(reading)
        os.close(writing)
