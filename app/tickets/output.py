"""What the demo's parts share: how they print, and how they end."""

import signal
import sys

#: What a terminal sends to a program that is to end.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def end_as_by_ctrl_c() -> None:
    """Let each of these signals interrupt the program, which then ends what it has started."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
