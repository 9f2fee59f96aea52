"""What an operation says its results to: a terminal, a log, a page."""

from typing import Any, Protocol


class Output(Protocol):
    """Whoever asked for an operation implements this; see management.console."""

    def __call__(self, event: Any) -> None:
        """Tell an event or a Progress."""

    def tell(self, event: Any, database: str = "") -> None:
        """Tell an event or a Progress, with the name of its database if there are several."""

    def line(self, text: str) -> None:
        """Say one line."""

    def ended(self, text: str, exit_code: int) -> None:
        """Say how the operation ended; of an error, the caller prints the line."""

    def close(self) -> None:
        """End what is shown live."""
