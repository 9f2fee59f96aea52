"""What the engine tells while it works: facts, each with a sentence. Only the commands print them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """The root; `str()` gives one line for a person."""


Emit = Callable[[Any], None]


@dataclass(frozen=True)
class Began(Event):
    """A new rotation was recorded, or an unfinished one was taken up."""

    rotation: int
    target: str
    resumed: bool
    rows_done: int

    def __str__(self) -> str:
        if self.resumed:
            return f"rotation {self.rotation} of {self.target} goes on after {self.rows_done} rows"
        return f"rotation {self.rotation} of {self.target} begins"


@dataclass(frozen=True)
class WindowDone(Event):
    """A window was committed."""

    lane: int
    lo: str
    hi: str
    rows: int
    seconds: float

    def __str__(self) -> str:
        return f"window {self.lo}..{self.hi}: {self.rows} rows in {self.seconds:.3f} s"


@dataclass(frozen=True)
class Blocked(Event):
    """A window waits for somebody else's lock and is tried again, smaller."""

    lo: str
    hi: str
    blockers: str
    size: int

    def __str__(self) -> str:
        return (
            f"rows {self.lo}..{self.hi} are locked by {self.blockers};"
            f" trying again with {self.size} row{'s' if self.size != 1 else ''} a window"
        )


@dataclass(frozen=True)
class StandingBy(Event):
    """Every lane is in other hands."""

    worker: str

    def __str__(self) -> str:
        return f"standing by: {self.worker} does this rotation; if it ends, this process goes on"


@dataclass(frozen=True)
class TookOver(Event):
    """A lane became free, and this process works on it now."""

    def __str__(self) -> str:
        return "going on: nobody else works on this rotation now"


@dataclass(frozen=True)
class OutageBegan(Event):
    """The database can't be reached."""

    why: str
    deadline: float

    def __str__(self) -> str:
        return f"no database: {self.why}; trying again for up to {self.deadline:.0f} s"


@dataclass(frozen=True)
class OutageEnded(Event):
    """The database is back."""

    seconds: float

    def __str__(self) -> str:
        return f"connected again after {self.seconds:.1f} s; going on from the checkpoint"


@dataclass(frozen=True)
class Stopping(Event):
    """Somebody asked to stop; the window under way finishes first."""

    reason: str

    def __str__(self) -> str:
        return f"{self.reason}: finishing the window under way; once more to cancel it"
