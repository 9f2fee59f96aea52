"""Several databases, each with its own rotation, side by side: one progress, one exit code."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.db.session import Session
from ..engine.db.stop import StopSwitch
from ..engine.db.threads import Thread
from ..engine.errors import Refused, RotationError, Stopped, Unproven, UsageError, in_a_line
from ..engine.events import REFUSE
from ..engine.options import Options
from ..engine.runner import RotationDriver
from ..engine.state.progress import Progress, add_up
from ..engine.table.target import TargetName
from .attending import attended
from .herald import Herald
from .inputs import is_pipe, leaked_list
from .output import Output
from .wording import summary

#: Which failure stands for several: what the same command can't fix comes before what it can.
WORST_FIRST: tuple[type[RotationError], ...] = (UsageError, RotationError, Unproven, Stopped)


@dataclass(frozen=True)
class RunRequest:
    """What is asked of every database."""

    name: TargetName
    options: Options
    new: bool
    reason: str
    leaked: str | None  #: path of a list, read once for each database
    hook: Sequence[str] = ()  #: see herald


def run_side_by_side(aliases: list[str], asked: RunRequest, reporter: Output) -> None:
    """Start or resume the rotations of all databases, and report how each ended.

    None is started if one of them is refused. Raises RotationError with the worst exit code if any
    failed; the others still run to their end.
    """
    if asked.leaked and is_pipe(asked.leaked):
        raise UsageError(
            f"--leaked {asked.leaked}: a pipe can't be read again for each --database; give a file"
        )
    told = SideBySide(aliases, reporter)
    with attended(aliases, reporter, new=asked.new) as stop:
        for alias in aliases:
            require_fit(alias, asked, stop, alias, "no database was changed")
        runs = [DatabaseRun(alias, asked, stop, told) for alias in aliases]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
    reporter.close()
    failed = [run for run in runs if run.failure]
    if not failed:
        for run in runs:
            reporter.line(f"{run.alias}: {run.result}")
        reporter.ended(f"{len(runs)} databases: every rotation succeeded", 0)
        return
    text = f"{len(failed)} of {len(runs)} databases did not finish: " + " | ".join(
        f"{run.alias}: {in_a_line(run.failure)}" for run in failed if run.failure
    )
    worst = worst_of(run.failure for run in failed)
    reporter.ended(text, worst.exit_code)
    raise worst(text)


def worst_of(failures: Iterable[BaseException | None]) -> type[RotationError]:
    """The kind of failure that stands for all of these; a stop if there is none."""
    codes = [getattr(failure, "exit_code", 1) for failure in failures]
    return next((kind for kind in WORST_FIRST if kind.exit_code in codes), Stopped)


def require_fit(alias: str, asked: RunRequest, stop: StopSwitch, called: str, then: str) -> str:
    """Raise what a run would raise at its start, as of what is `called` so; writes nothing.

    Returns the target's full name.
    """
    try:
        driver = RotationDriver(alias, asked.name, asked.options, stop, lambda event: None)
        if driver.unfinished(asked.new) is None and not asked.new and driver.finished():
            return driver.target.full_name
        refusals = [found.text for found in driver.findings() if found.level == REFUSE]
        if refusals:
            raise Refused(refusals[0])
        return driver.target.full_name
    except RotationError as error:
        raise type(error)(f"{called}: {error}; {then}") from error


class DatabaseRun(Thread):
    """The run of one database; its result is the summary."""

    def __init__(self, alias: str, asked: RunRequest, stop: StopSwitch, told: "SideBySide") -> None:
        super().__init__(Session(alias, worker=alias), self._rotate)
        self.alias = alias
        self._asked = asked
        self._switch = stop
        self._told = told

    def _rotate(self) -> str:
        asked = self._asked
        progress = None
        try:
            with leaked_list(asked.leaked) as leaked:
                emit = self._told.of(self.alias)
                herald = Herald(self.alias, asked.hook, emit)
                driver = RotationDriver(self.alias, asked.name, asked.options, self._switch, herald)
                emit(driver.where)
                outcome = herald.run(
                    lambda: driver.run(new=asked.new, reason=asked.reason, leaked=leaked)
                )
            progress = outcome.progress
            return summary(outcome)
        finally:
            self._told.ended(self.alias, progress)


class SideBySide:
    """Reports the events of several databases with their names, and the sum of their progress."""

    def __init__(self, aliases: list[str], reporter: Output) -> None:
        self._latest: dict[str, Progress | None] = dict.fromkeys(aliases)
        self._failed: set[str] = set()
        self._reporter = reporter
        self._lock = threading.Lock()

    def of(self, alias: str) -> Any:
        """Return the function that one database reports its events to."""

        def emit(event: Any) -> None:
            with self._lock:
                if not isinstance(event, Progress):
                    self._reporter.tell(event, alias)
                    return
                self._latest[alias] = event
                known = [one for one in self._latest.values() if one is not None]
                if len(known) == len(self._latest):
                    self._reporter(add_up(self._latest, self._failed))  # type: ignore[arg-type]

        return emit

    def ended(self, alias: str, progress: Progress | None) -> None:
        """Note that the run of one database is over, with its final progress; None if it failed."""
        with self._lock:
            if progress:
                self._latest[alias] = progress
            elif self._latest[alias] is None:
                del self._latest[alias]
            else:
                self._failed.add(alias)
