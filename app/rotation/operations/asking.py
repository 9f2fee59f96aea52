"""Asking a person, where there is one."""

import sys


def on_a_terminal() -> bool:
    """Whether a person can be asked: a program is not."""
    try:
        return sys.stdin.isatty() and sys.stdout.isatty()
    except (AttributeError, ValueError):  # closed
        return False


def confirm(question: str) -> bool:
    """Ask a person; anything but yes is no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
