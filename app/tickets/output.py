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
    """Let each of these signals interrupt the program, which then ends what it has started.

    SIGINT too if a shell runs it in the background, and so ignores it: the demo sends it to its run.
    """
    for number in SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
