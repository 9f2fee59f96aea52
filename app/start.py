"""How the programs of this checkout begin and end: in one line and with a documented exit code.

It imports only what Python has loaded by itself: until `begin` was called, a signal is a traceback.
"""

import _signal as signal  # type: ignore[import-not-found]
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

FAILED = 1
STOPPED = 3
NAMES = {signal.SIGINT: "SIGINT", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


def begin(program: str) -> None:
    """Until `begun` is called, let a signal end this process at once, whatever it imports."""

    def stop(number: int, _: object) -> None:
        say(f"{program}: stopped by {NAMES[number]}")
        os._exit(STOPPED)

    for number in NAMES:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NAMES)  # run.py has blocked them for its exec
    hold_descriptors()


def begun() -> None:
    """Let signals mean what they usually do: from here on the program itself handles them."""
    for number in NAMES:
        if signal.getsignal(number) != signal.SIG_IGN:
            usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, usual)


def hold_descriptors() -> None:
    """Put /dev/null where a standard stream was closed, lest a connection gets its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    sys.stdout = sys.stdout or open(1, "w", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)


def say(text: str) -> None:
    """Write a line to standard error, if it can be written to; what can't be shown, escaped."""
    line = "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)
    try:
        os.write(2, f"{line}\n".encode())
    except OSError:
        pass


def end(text: str, code: int = FAILED) -> "NoReturn":
    """Write a line, and exit."""
    say(text)
    sys.exit(code)


def run(program: str, main: "Callable[[], None]") -> None:
    """Run a program; what ends it is told in one line (--traceback shows it whole)."""
    try:
        from app.rotation.engine.errors import in_a_line

        main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        end(f"{program}: stopped by SIGINT", STOPPED)
    except BrokenPipeError:  # who reads the output has enough
        drop_output()
        sys.exit(FAILED)
    except Exception as error:
        if "--traceback" in sys.argv:
            raise
        drop_output()
        end(f"{program}: {in_a_line(error)}")


def drop_output() -> None:
    """Keep Python from trying again, as it exits, to write what can't be written."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
