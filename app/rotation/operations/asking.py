"""Asking a person, where there is one."""

import contextlib
import select
import sys

from ..engine.db.stop import StopSwitch

POLL_SECONDS = 0.1  # in which a signal is noticed


def on_a_terminal() -> bool:
    """Whether a person can be asked: a program is not."""
    try:
        return sys.stdin.isatty() and sys.stdout.isatty()
    except (AttributeError, ValueError):  # closed
        return False


def confirm(question: str, stop: StopSwitch | None = None) -> bool:
    """Ask a person; anything but yes is no, and so is a request to stop."""
    with stop.silent() if stop else contextlib.nullcontext():
        sys.stdout.write(f"{question} [y/N] ")
        sys.stdout.flush()
        while not (stop and stop.requested):
            if select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
                return sys.stdin.readline().strip().lower() in ("y", "yes")
    sys.stdout.write("\n")
    return False
