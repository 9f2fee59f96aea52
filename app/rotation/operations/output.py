"""Where an operation reports: a terminal, a log, a page."""

from typing import Any, Protocol


class Output(Protocol):
    """Implemented by the caller of an operation; see management.console."""

    def __call__(self, event: Any) -> None:
        """Report an event or a Progress."""

    def tell(self, event: Any, database: str = "") -> None:
        """Report an event or a Progress, with the name of its database if there are several."""

    def line(self, text: str) -> None:
        """Print one line."""

    def ended(self, text: str, exit_code: int) -> None:
        """Say how the operation ended; the line of an error is printed by the caller."""

    def abandoned(self, text: str) -> None:
        """Say why the process ends now, with exit code 3, although something in it hangs."""

    def close(self) -> None:
        """Finish the live display."""
