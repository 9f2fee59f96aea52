"""Tells the project how a run fares: by Django's signals, and by the operator's command (--hook)."""

import contextlib
import json
import os
import queue
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

from ..engine.db.retry import Every
from ..engine.errors import Stopped, UsageError, in_a_line
from ..engine.events import WARN, Emit, Found, RotationStarted, Throttled
from ..engine.state.progress import Outcome
from ..engine.text import count
from ..models import Rotation
from ..signals import SIGNALS
from .project import name_of, setting

HOOK_SECONDS = 10.0  # for the command, before it is killed
AGAIN_SECONDS = 60.0  # between two announcements that windows wait


def parse_hook(given: str | None) -> list[str]:
    """The command of --hook, or of the settings, as words, if any. Raises UsageError if it can't run."""
    text = setting("HOOK") if given is None else given
    if not text and given is None:
        return []
    flag = name_of("HOOK") if given is None else "--hook"
    if not isinstance(text, str):
        raise UsageError(f"{flag}: expected a command, as text")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {str(error).lower()}") from error
    if not words or not shutil.which(words[0]):
        name = f" {words[0]}" if words else ""
        raise UsageError(f"{flag}{name}: there is no such program; give its path, or install it")
    return words


class Hook:
    """Runs the command for each announcement, one after the other, beside the work."""

    def __init__(self, words: list[str], emit: Emit) -> None:
        self._words = words
        self._emit = emit
        self._child: subprocess.Popen[bytes] | None = None
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def send(self, told: dict[str, Any]) -> None:
        """Give it one object as JSON on its standard input."""
        if not self._words:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="hook", daemon=True)
            self._thread.start()
        self._waiting.put(json.dumps(told).encode())

    def close(self) -> None:
        """Wait until it has been told everything, for two calls at most; then say what it was not."""
        if self._thread is None:
            return
        self._waiting.put(None)
        self._thread.join(2 * HOOK_SECONDS)
        untold = self._waiting.qsize() - 1  # without the end's mark
        if untold > 0:
            self._warn(f"it was too slow to hear of the last {count(untold, 'event')}")
        if self._thread.is_alive():
            self._kill()
        self._thread = None

    def _work(self) -> None:
        while (told := self._waiting.get()) is not None:
            if why := self._call(told):
                self._warn(f"{why}; the run goes on")

    def _warn(self, why: str) -> None:
        # Only the program: what follows may be a secret address.
        self._emit(Found(WARN, f"the hook {self._words[0]}: {why}"))

    def _kill(self) -> None:
        """End the present call, with whatever it has started."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def _call(self, told: bytes) -> str:
        """Run it once; return why it failed, or nothing."""
        try:
            self._child = child = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the run
            )
        except OSError as error:
            return in_a_line(error)
        try:
            child.communicate(told, timeout=HOOK_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
            child.wait()
            return f"no end after {HOOK_SECONDS:.0f} s: killed"
        return f"it ended with exit code {child.returncode}" if child.returncode else ""


class Herald:
    """Announces one run, which reports through `emit` as before. Call `run` to run it."""

    def __init__(self, alias: str, hook: Sequence[str], emit: Emit) -> None:
        self._about: dict[str, Any] = {"database": alias, "rotation": None, "target": None}
        self._emit = emit
        self._hook = Hook([*hook], emit)
        self._held_back = Every(AGAIN_SECONDS)

    def __call__(self, event: Any) -> None:
        """Report an event, and announce it if it is one of those."""
        self._emit(event)
        if isinstance(event, RotationStarted):
            self._about |= {"rotation": event.rotation, "target": event.target}
            self._tell("rotation_started", resumed=event.resumed, rows_done=event.rows_done)
        elif isinstance(event, Throttled) and self._held_back.due():
            self._tell("rotation_held_back", reason=event.reason)

    def run(self, rotate: Callable[[], Outcome]) -> Outcome:
        """Run it and announce how it ended, unless it never began. Raises what it raises."""
        try:
            outcome = rotate()
        except Exception as error:
            if self._about["rotation"] is not None:
                self._tell_failure(error)
            raise
        else:
            if not outcome.already:
                self._tell_success(outcome)
            return outcome
        finally:
            self._hook.close()

    def _tell_failure(self, error: Exception) -> None:
        code = getattr(error, "exit_code", 1)
        if code == Stopped.exit_code:
            self._tell("rotation_stopped", reason=in_a_line(error))
        else:
            self._tell("rotation_failed", reason=in_a_line(error), exit_code=code)

    def _tell_success(self, outcome: Outcome) -> None:
        progress = outcome.progress
        its = {"rows": progress.rows_done, "seconds": round(outcome.seconds, 1)}
        if progress.survivors != 0:  # or not known
            self._tell("rotation_unproven", **its)
        else:
            self._tell("rotation_proven", revoked=progress.revoked, **its)

    def _tell(self, name: str, **more: Any) -> None:
        told = self._about | more
        for receiver, answer in SIGNALS[name].send_robust(sender=Rotation, **told):
            if isinstance(answer, Exception):
                called = getattr(receiver, "__qualname__", type(receiver).__name__)
                why = in_a_line(answer).replace("--traceback shows", "the logger django.dispatch has")
                self._emit(Found(WARN, f"{called}, a receiver of {name}: {why}; the run goes on"))
        self._hook.send({"event": name, "time": datetime.now(timezone.utc).isoformat(), **told})
