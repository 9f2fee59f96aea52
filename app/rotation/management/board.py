"""A rotation, followed from another shell: a picture that is drawn anew, or lines."""

import shutil
from typing import Any

from ..engine.db.session import Session
from ..engine.events import Stopping
from ..engine.state.status import Seen
from ..engine.text import one_line
from ..models import HALTED, UNFINISHED
from .bar import ECHOED, cut, progress_bar
from .console import Console
from .overview import headline, lane_lines

MOST_LANES = 10
FOR_THE_REST = 3  # rows of the terminal: a sum of the other lanes, what ends it, and the cursor
HELP = "Ctrl-C ends watching, not the rotation"


class Board(Console):
    """Shows what was seen of a rotation; on a terminal with its lanes, in place."""

    heading = ""  #: what was said last of the rotation as a whole
    _seen: Seen | None = None

    @property
    def drawn(self) -> bool:
        """Whether it is a picture on a terminal."""
        return self._mode == "bar"

    def show(self, session: Session, seen: Seen) -> None:
        """Show how it is now."""
        told = self.heading
        self.heading = headline(session, seen.rotation, seen.state)
        self._seen = seen
        if not self.drawn and self.heading != told:
            self.line(self.heading)
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
        # The terminal folds what is too long, so that a command in it is copied as one line.
        heading = cut(one_line(self.heading), max(1, columns * (rows - FOR_THE_REST)))
        lines = [progress_bar(progress, columns)]
        if progress.throttle and progress.status not in HALTED:
            lines.append(f"held back: {progress.throttle}")
        if progress.status in UNFINISHED:
            most = rows - FOR_THE_REST - len(lines) - -(-len(heading) // columns)
            lines += lane_lines(self._seen.lanes, max(0, min(MOST_LANES, most)))
            lines.append(HELP)
        return [heading, *(cut(one_line(line), room) for line in lines)]
