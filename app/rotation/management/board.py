"""A rotation, followed from another shell: a picture that is drawn anew, or lines."""

import shutil
from typing import Any

from ..engine.db.session import Session
from ..engine.events import Stopping
from ..engine.state.status import Seen
from ..engine.text import one_line
from ..models import UNFINISHED
from .bar import ECHOED, cut, progress_bar
from .console import Console
from .overview import headline, lane_lines

MOST_LANES = 10
BESIDE_LANES = 5  # rows of the terminal for the rest of the picture, and the cursor
HELP = "Ctrl-C ends watching, not the rotation"


class Board(Console):
    """Shows what was seen of a rotation; on a terminal with its lanes, in place."""

    _heading = ""
    _seen: Seen | None = None

    def show(self, session: Session, seen: Seen) -> None:
        """Show how it is now."""
        told = self._heading
        self._heading = headline(session, seen.rotation, seen.state)
        self._seen = seen
        if self._mode != "bar" and self._heading != told:
            self.line(self._heading)
        if self._mode == "bar" or not seen.state.left:
            self.tell(seen.state.progress)

    def tell(self, event: Any, database: str = "") -> None:
        """Print an event, except that watching ends: that stops nothing."""
        if not isinstance(event, Stopping):
            super().tell(event, database)

    def _picture(self) -> list[str]:
        """Heading, bar, and the lanes for which the terminal has room."""
        if self._seen is None:
            return []
        columns, rows = shutil.get_terminal_size()
        state = self._seen.state
        lines = [self._heading, progress_bar(state.progress, columns)]
        if state.progress.throttle:
            lines.append(f"held back: {state.progress.throttle}")
        if state.progress.status in UNFINISHED:
            lines += lane_lines(self._seen.lanes, max(0, min(MOST_LANES, rows - BESIDE_LANES)))
            lines.append(HELP)
        return [cut(one_line(line), max(1, columns - ECHOED)) for line in lines]
