"""Shows a run on standard output: a live bar, lines, JSON, or nothing."""

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import threading
import time
from typing import Any

from ..engine.errors import Stopped
from ..engine.events import Event, RotationStarted, WindowDone
from ..engine.state.progress import Progress
from ..engine.text import duration, one_line
from ..models import HALTED, Status

MODES = ("auto", "bar", "lines", "json", "none")
LINE_SECONDS = 1.0  # between two lines in the first minute
LATER_LINE_SECONDS = 10.0
FULL, EMPTY = "█", "░"
SHORTEST_BAR = 8  # columns


class Console:
    """Prints the engine's events, from any thread."""

    def __init__(self, stream: Any, mode: str, verbosity: int) -> None:
        self._stream = stream
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
                self._json(event, {"database": database} if database else {})
            elif isinstance(event, Progress):
                self._progress(event)
            elif not isinstance(event, WindowDone) or self._verbosity > 1:
                self.line(f"{database}: {event}" if database else str(event))

    def _begin(self) -> None:
        """Forget the previous rotation: a serving process does one after the other."""
        self._began = time.monotonic()
        self._line_at = self._began + LINE_SECONDS / 2
        self._complete = False

    def line(self, text: str) -> None:
        """Print one line, above the bar if there is one; in JSON mode it is an object."""
        with self._lock:
            if self._mode == "json":
                self._write(json.dumps({"event": "message", "text": text}) + "\n")
            elif self._bar:
                wipe = self._wipe()
                self._write(f"{wipe}{one_line(text)}\n{self._draw()}")
            elif self._mode != "none":
                self._write(f"{one_line(text)}\n")

    def ended(self, text: str, exit_code: int) -> None:
        """Report how the run ended; except in JSON mode, an error's line is left to the command."""
        if self._mode == "json":
            event = {"event": "ended", "exit_code": exit_code, "text": text}
            self._write(json.dumps(event) + "\n")
        elif exit_code == 0:
            self.line(text)

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

    def _draw(self) -> str:
        """The bar, as wide as the terminal is now."""
        if self._shown:
            bar = one_line(progress_bar(self._shown, shutil.get_terminal_size().columns))
            self._bar = bar if shows_blocks(self._stream) else bar.replace(FULL, "#").replace(EMPTY, ".")
        return self._bar

    def _wipe(self) -> str:
        """What clears the bar, which takes several rows if the terminal has shrunk."""
        rows = max(0, len(self._bar) - 1) // max(1, shutil.get_terminal_size().columns)
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

    def _json(self, event: Event | Progress, more: dict[str, str]) -> None:
        kind = "progress" if isinstance(event, Progress) else event.kind
        data = {"event": kind, **more, **dataclasses.asdict(event)}
        if isinstance(event, Progress):
            data |= {"percent": event.percent, "eta_seconds": event.eta_seconds}
        self._write(json.dumps(data, default=lambda moment: moment.isoformat()) + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text, ending="")
        self._stream.flush()


def progress_line(progress: Progress) -> str:
    """The brief's line: `completed: 30.30 % (15150 of 50000) | remaining time:   21 second(s)`."""
    percent = progress.percent
    eta = progress.eta_seconds
    held = _held(progress)
    if progress.in_snapshot:
        of = f" of {_total(progress)}" if progress.rows_total else ""
        line = f"phase 2 of 4: snapshot of tokens to revoke: {progress.tokens}{of}"
        return f"{line} | {held}" if held else line
    if progress.verifying:
        return f"phase 4 of 4: comparing every token with the {progress.revoked} revoked ones"
    share = "unknown" if percent is None else f"{percent:5.2f} %"
    left = "unknown" if eta is None else f"{eta:4.0f} second(s)"
    line = f"completed: {share} ({_of_total(progress)}) | remaining time: {left}"
    if progress.holes:
        line += f" | {progress.holes} left for the end"
    if progress.rows_per_second:
        line += f" | {progress.rows_per_second:.0f} rows/s"
    if progress.workers > 1:
        line += f" | {progress.workers} workers"
    return f"{line} | {held}" if held else line


def progress_bar(progress: Progress, columns: int) -> str:
    """One line that fits the terminal: bar, percent, rows, pace, remaining time, what holds it back.

    When space is tight the pace is dropped first, then the rows, then the remaining time; the bar
    shrinks. What holds windows back stays as long as any of it fits.
    """
    percent = progress.percent
    eta = progress.eta_seconds
    if progress.in_snapshot or progress.verifying:
        return progress_line(progress)[: max(1, columns - 4)]
    share = "    ?  " if percent is None else f"{percent:6.2f} %"
    rows = _of_total(progress)
    held = _held(progress)
    pace = f"{progress.rows_per_second:.0f} rows/s" if progress.rows_per_second else ""
    if pace and progress.workers > 1:
        pace += f" by {progress.workers} workers"
    left = "remaining: " + ("unknown" if eta is None else duration(eta))
    room = max(1, columns - 4)  # the terminal echoes ^C after it
    for fields in ([share, rows, pace, left], [share, rows, left], [share, left], [share]):
        text = "  ".join(filter(None, [*fields, held]))
        width = min(40, room - len(text) - 1)
        if width >= SHORTEST_BAR:
            filled = int(width * (percent or 0) / 100)
            return FULL * filled + EMPTY * (width - filled) + " " + text
    return text[:room]


def _held(progress: Progress) -> str:
    """Why windows wait, and for what share of the time; empty if neither is worth showing."""
    if progress.status in HALTED:
        return "paused"
    share = f"throttled {progress.throttled_share:.0%} of the time"
    if progress.throttle:
        return (
            f"{share}, now by {progress.throttle}"
            if progress.throttled_share >= 0.01
            else (f"throttled: {progress.throttle}")
        )
    return share if progress.throttled_share >= 0.01 else ""


def _of_total(progress: Progress) -> str:
    # Survivors are rotated twice: never show more rows than were counted.
    counted = progress.rows_total if progress.rows_total_exact else None
    done = progress.rows_done if counted is None else min(progress.rows_done, counted)
    return f"{done} of {_total(progress)}"


def _total(progress: Progress) -> str:
    if progress.rows_total is None:
        return "unknown"
    return f"{'' if progress.rows_total_exact else '~'}{progress.rows_total}"


def shows_blocks(stream: Any) -> bool:
    """Whether the stream's encoding has what the bar is made of."""
    try:
        (FULL + EMPTY).encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_terminal(stream: Any) -> bool:
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
