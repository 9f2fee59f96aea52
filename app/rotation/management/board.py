"""A rotation, followed from another shell: a picture that is drawn anew, or lines."""

import shutil
import textwrap
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
MOST_FOLDED = 6  # lines of one sentence
FOR_THE_REST = 2  # rows of the terminal: a sum of the other lanes, and the cursor
HELP = "Ctrl-C ends watching, not the rotation"


class Board(Console):
    """Shows what was seen of a rotation; on a terminal with its lanes, in place."""

    _heading = ""
    _seen: Seen | None = None

    @property
    def drawn(self) -> bool:
        """Whether it is a picture on a terminal."""
        return self._mode == "bar"

    def show(self, session: Session, seen: Seen) -> None:
        """Show how it is now."""
        told = self._heading
        self._heading = headline(session, seen.rotation, seen.state)
        self._seen = seen
        if not self.drawn and self._heading != told:
            self.line(self._heading)
        if self.drawn or not seen.state.left:
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
        room = max(1, columns - ECHOED)
        progress = self._seen.state.progress
        lines = [*_folded(self._heading, room), progress_bar(progress, columns)]
        if progress.throttle:
            lines += _folded(f"held back: {progress.throttle}", room)
        if progress.status in UNFINISHED:
            most = rows - len(lines) - 2 - FOR_THE_REST
            lines += lane_lines(self._seen.lanes, max(0, min(MOST_LANES, most)))
            lines.append(HELP)
        return [cut(one_line(line), room) for line in lines[: max(1, rows - 1)]]


def _folded(text: str, room: int) -> list[str]:
    """Text in lines of so many columns: a command in it is there to be copied."""
    return textwrap.wrap(one_line(text), max(20, room), break_on_hyphens=False)[:MOST_FOLDED]
