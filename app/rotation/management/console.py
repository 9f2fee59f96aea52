"""Shows a run on standard output: a live bar, lines, JSON, or nothing."""

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import threading
import time
from datetime import datetime, timezone
from typing import Any

from django.core.management.color import no_style

from ..engine.errors import Stopped
from ..engine.events import PHASE_NAMES, REFUSE, WARN, Event, Found, Phase, RotationStarted, WindowDone
from ..engine.state.progress import Progress
from ..engine.text import one_line
from ..models import Status
from .bar import EMPTY, FULL, progress_bar, progress_line

MODES = ("auto", "bar", "lines", "json", "none")
LINE_SECONDS = 1.0  # between two lines in the first minute
LATER_LINE_SECONDS = 10.0


class Console:
    """Prints the engine's events, from any thread."""

    def __init__(self, stream: Any, mode: str, verbosity: int, style: Any = None) -> None:
        """`style`: Django's; None: no colours."""
        self._stream = stream
        self._style = style or no_style()
        self._phases: dict[str, str] = {}  #: the phase of each database
        self._lock = threading.RLock()
        self._verbosity = verbosity
        self._mode = mode if mode != "auto" else ("bar" if _is_terminal(stream) else "lines")
        if verbosity == 0:
            self._mode = "none"
        self._bar = ""
        self._shown: Progress | None = None  #: what the bar shows
        self._begin()

    def __call__(self, event: Any) -> None:
        """Print an event or a Progress as the mode asks."""
        self.tell(event)

    def tell(self, event: Any, database: str = "") -> None:
        """Print an event or a Progress as the mode asks; of which database, if there are several."""
        with self._lock:
            if isinstance(event, RotationStarted) and not database:
                self._begin()
            if self._mode == "none":
                return
            if self._mode == "json":
                self._json(event, database)
            elif isinstance(event, Progress):
                self._progress(event)
            elif not isinstance(event, WindowDone) or self._verbosity > 1:
                self.line(f"{database}: {event}" if database else str(event), _role(event))

    def _begin(self) -> None:
        """Forget the previous rotation: a serving process does one after the other."""
        self._began = time.monotonic()
        self._line_at = self._began + LINE_SECONDS / 2
        self._complete = False

    def line(self, text: str, role: str = "") -> None:
        """Print one line, above the bar if there is one; in JSON mode it is an object.

        `role`: which of the style's colours it has.
        """
        with self._lock:
            if self._mode == "json":
                self._object("message", {"text": text})
                return
            shown = one_line(text)
            if role:
                shown = getattr(self._style, role)(shown)
            if self._bar:
                wipe = self._wipe()
                self._write(f"{wipe}{shown}\n{self._draw()}")
            elif self._mode != "none":
                self._write(f"{shown}\n")

    def ended(self, text: str, exit_code: int) -> None:
        """Report how the run ended; except in JSON mode, an error's line is left to the command."""
        if self._mode == "json":
            self._object("ended", {"exit_code": exit_code, "text": text})
        elif exit_code == 0:
            self.line(text, "SUCCESS")

    def abandoned(self, text: str) -> None:
        """Print why the process ends now, as Django prints a CommandError."""
        self.close()
        self.ended(text, Stopped.exit_code)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"Stopped: {text}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Leave the bar's last state on a line of its own."""
        with self._lock:
            if self._bar:
                self._write("\n")
                self._bar = ""

    def _picture(self) -> list[str]:
        """What is drawn anew each time: the bar, as wide as the terminal is now."""
        return [progress_bar(self._shown, shutil.get_terminal_size().columns)] if self._shown else []

    def _draw(self) -> str:
        """The picture, in letters that the stream has."""
        drawn = "\n".join(map(one_line, self._picture()))
        if drawn:
            blocks = shows_blocks(self._stream)
            self._bar = drawn if blocks else drawn.replace(FULL, "#").replace(EMPTY, ".")
        return self._bar

    def _wipe(self) -> str:
        """What clears the picture, which takes more rows if the terminal has shrunk."""
        columns = max(1, shutil.get_terminal_size().columns)
        rows = sum(1 + max(0, len(line) - 1) // columns for line in self._bar.split("\n")) - 1
        return f"\x1b[{rows}A\r\x1b[J" if rows else "\r\x1b[K"

    def _progress(self, progress: Progress) -> None:
        if self._mode == "bar":
            self._shown = progress
            wipe = self._wipe()
            self._write(f"{wipe}{self._draw()}")
            return
        now = time.monotonic()
        # Every row is rotated a moment before the proof starts: the last line comes after it.
        complete = progress.complete and progress.status == Status.SUCCEEDED
        if (now < self._line_at and not complete) or self._complete:
            return
        self._complete = complete
        quick = now - self._began < 60
        self._line_at = now + (LINE_SECONDS if quick else LATER_LINE_SECONDS)
        self._write(one_line(progress_line(progress)) + "\n")

    def _json(self, event: Event | Progress, database: str) -> None:
        data = dataclasses.asdict(event)
        if database:
            data = {"database": database, **data}
        if isinstance(event, Progress):
            self._phases[database] = event.phase
            data |= {"percent": event.percent, "eta_seconds": event.eta_seconds}
            self._object("progress", data, database)
            return
        if isinstance(event, RotationStarted):
            self._phases[database] = event.phase
        if isinstance(event, Phase):
            self._phases[database] = PHASE_NAMES[event.number]
        self._object(event.kind, data, database)
        if isinstance(event, Phase):
            self._phases[database] = PHASE_NAMES[event.number + 1]

    def _object(self, kind: str, data: dict[str, Any], database: str = "") -> None:
        """Print an object with what each has: when, what, and in which phase."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        phase = self._phases.get(database, PHASE_NAMES[0])
        told = {"time": now, "event": kind, "phase": phase, **data}
        self._write(json.dumps(told, default=lambda moment: moment.isoformat()) + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text, ending="")
        self._stream.flush()


def _role(event: Event) -> str:
    """Which of the style's colours an event has; empty: none."""
    if isinstance(event, Found):
        return {REFUSE: "ERROR", WARN: "WARNING"}.get(event.level, "")
    if isinstance(event, Phase):
        return "MIGRATE_LABEL"
    return "WARNING" if event.warns else ""


def shows_blocks(stream: Any) -> bool:
    """Whether the stream's encoding has what the bar is made of."""
    try:
        (FULL + EMPTY).encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_terminal(stream: Any) -> bool:
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
