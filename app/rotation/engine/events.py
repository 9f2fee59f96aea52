"""What the engine reports while it works: facts, each with a sentence. Only commands print them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from .text import count, name_keys, one_line, shown


@dataclass(frozen=True)
class Event:
    """The root; `str()` gives one line for a person.

    `kind` is what machines read in `--progress json`: it stays when a class is renamed.
    """

    kind: ClassVar[str]
    warns: ClassVar[bool] = False  #: whether a person should not overlook it


Emit = Callable[[Any], None]


@dataclass(frozen=True)
class Connected(Event):
    """Which database a run or a dry run has connected to."""

    kind = "connected"
    version: str
    address: str | None  #: host and port; None for a socket of this machine
    database: str
    role: str
    embedded: bool  #: the project's own server, which is used without DATABASE_URL

    def __str__(self) -> str:
        where = f" at {self.address}" if self.address else " on this machine"
        if self.embedded:
            where = ", embedded (DATABASE_URL is not set)"
        names = f"database {one_line(self.database)}, role {one_line(self.role)}"
        return f"PostgreSQL {self.version}{where}, {names}"


@dataclass(frozen=True)
class RotationStarted(Event):
    """A new rotation was recorded, or an unfinished one was picked up."""

    kind = "began"
    rotation: int
    target: str
    resumed: bool
    rows_done: int
    phase: str  #: in which it starts or goes on

    def __str__(self) -> str:
        if self.resumed:
            done = count(self.rows_done, "row")
            return f"rotation {self.rotation} of {self.target} resumed after {done}"
        return f"rotation {self.rotation} of {self.target} started"


@dataclass(frozen=True)
class WindowDone(Event):
    """A window was committed."""

    kind = "window_done"
    lane: int
    lo: str
    hi: str
    rows: int  #: tokens replaced
    seconds: float
    keys: int  #: rows that the window held

    def __str__(self) -> str:
        rows = count(self.rows, "row")
        return f"window {shown(self.lo)}..{shown(self.hi)}: {rows} in {self.seconds:.3f} s"


@dataclass(frozen=True)
class Blocked(Event):
    """A window waits for another session's lock and is retried, smaller."""

    kind = "blocked"
    warns = True
    lo: str | None  #: None: the table itself is locked
    hi: str | None
    blockers: str
    size: int

    def __str__(self) -> str:
        if self.lo is None or self.hi is None:
            return f"the table is locked by {self.blockers}; retrying"
        if self.lo == self.hi:
            return f"row {shown(self.lo)} is locked by {self.blockers}; retrying"
        return (
            f"rows {shown(self.lo)}..{shown(self.hi)} are locked by {self.blockers};"
            f" retrying with {count(self.size, 'row')} per window"
        )


@dataclass(frozen=True)
class LanesTaken(Event):
    """Other processes hold every lane."""

    kind = "standing_by"
    worker: str

    def __str__(self) -> str:
        return f"waiting: {self.worker} is running this rotation; this process takes over if it exits"


@dataclass(frozen=True)
class TookOver(Event):
    """A lane became free, and this process works on it now."""

    kind = "took_over"

    def __str__(self) -> str:
        return "taking over: no other process is running this rotation now"


@dataclass(frozen=True)
class Throttled(Event):
    """The next window waits."""

    kind = "throttled"
    warns = True
    reason: str

    def __str__(self) -> str:
        return f"throttled: {self.reason}"


@dataclass(frozen=True)
class VacuumSkipped(Event):
    """A vacuum that was due did not run."""

    kind = "vacuum_skipped"
    warns = True
    why: str

    def __str__(self) -> str:
        return f"vacuum skipped: {self.why}; the table grows until the next one"


@dataclass(frozen=True)
class VacuumHindered(Event):
    """Vacuum can't remove the dead rows that windows leave behind."""

    kind = "vacuum_hindered"
    warns = True
    holder: str

    def __str__(self) -> str:
        return (
            f"vacuum cannot remove dead rows: {self.holder} holds an old snapshot;"
            " end it, or the table grows to twice its size"
        )


@dataclass(frozen=True)
class Paused(Event):
    """This rotation was asked to pause."""

    kind = "paused"
    warns = True
    rotation: int
    resume: str  #: the command that ends the pause

    def __str__(self) -> str:
        return f"paused: run {self.resume} to continue"


@dataclass(frozen=True)
class Resumed(Event):
    """The pause is over."""

    kind = "resumed"
    rotation: int

    def __str__(self) -> str:
        return "resumed"


@dataclass(frozen=True)
class OutageStarted(Event):
    """The database can't be reached."""

    kind = "outage_began"
    warns = True
    why: str
    deadline: float

    def __str__(self) -> str:
        return f"no database: {self.why}; retrying for up to {self.deadline:.0f} s"


@dataclass(frozen=True)
class OutageContinues(Event):
    """The database still can't be reached, now for another reason."""

    kind = "outage_continues"
    warns = True
    why: str

    def __str__(self) -> str:
        return f"still no database: {self.why}"


@dataclass(frozen=True)
class OutageEnded(Event):
    """The database is back."""

    kind = "outage_ended"
    seconds: float

    def __str__(self) -> str:
        return f"reconnected after {self.seconds:.1f} s; continuing from the checkpoint"


@dataclass(frozen=True)
class Stopping(Event):
    """A stop was requested; a window finishes first, a scan of the whole table does not."""

    kind = "stopping"
    warns = True
    reason: str
    cancelled: bool = False  #: what was running has been cancelled
    again: bool = False  #: it is at least the second request

    def __str__(self) -> str:
        if self.again:
            return f"{self.reason} received again: cancelling what runs now"
        if self.cancelled:
            return f"{self.reason} received: cancelling what runs now; the next run starts it again"
        return f"{self.reason} received: finishing the current window; send it again to cancel"


#: How serious a finding is.
REFUSE = "refuse"
WARN = "warn"
NOTE = "note"


@dataclass(frozen=True)
class Found(Event):
    """One finding of the preflight: refuse ends the run before it starts; others are only told."""

    kind = "found"
    level: str
    text: str

    def __post_init__(self) -> None:
        """It names what others have named, who may have put line breaks or control characters there."""
        object.__setattr__(self, "text", one_line(self.text))

    def __str__(self) -> str:
        return f"{self.level}: {self.text}"


class FoundElsewhere(Found):
    """One that names tables other than the target, and what they hold."""


def without_names(findings: list[Found]) -> list[Found]:
    """The same, but only how many name other tables, for who may not know about those."""
    told = [one for one in findings if not isinstance(one, FoundElsewhere)]
    for level in (NOTE, WARN, REFUSE):
        hidden = sum(1 for one in findings if isinstance(one, FoundElsewhere) and one.level == level)
        if hidden:
            what = f"{count(hidden, 'finding')} about other tables"
            told.insert(
                0 if level == REFUSE else len(told),
                Found(
                    level,
                    f"{what}, which"
                    " python manage.py rotate_tokens_sql --dry-run names, and this page does not",
                ),
            )
    return told


@dataclass(frozen=True)
class Waiting(Event):
    """Something can't start before other sessions are done."""

    kind = "waiting"
    warns = True
    what: str
    blockers: str

    def __str__(self) -> str:
        return f"{self.what} waits for {self.blockers}"


@dataclass(frozen=True)
class Unanswered(Event):
    """The database has not answered for some seconds."""

    kind = "unanswered"
    warns = True
    doing: str
    seconds: float
    why: str

    def __str__(self) -> str:
        return f"no answer for {self.seconds:.0f} s ({self.doing}): {self.why}"


@dataclass(frozen=True)
class Phase(Event):
    """A phase of the rotation has ended."""

    kind = "phase"
    number: int
    text: str

    def __str__(self) -> str:
        return f"phase {self.number} of {PHASES}: {self.text}"


PHASES = 4  # guard and barrier, snapshot, new tokens, proof
#: What machines read: before the first phase, each of them by its number, after the last.
PHASE_NAMES = ("preflight", "guard", "snapshot", "windows", "verification", "end")
GUARD, SNAPSHOT, WINDOWS, VERIFICATION, END = PHASE_NAMES[1:]


@dataclass(frozen=True)
class HolesLeft(Event):
    """Rows of a window were skipped because other sessions hold their locks."""

    kind = "holes_left"
    warns = True
    rows: int
    first: str
    blockers: str

    def __str__(self) -> str:
        held = f"locked by {self.blockers}"
        if self.rows == 1:
            return f"row {shown(self.first)} skipped: {held}; it is rotated at the end"
        skipped = f"{self.rows} rows skipped, the first is {shown(self.first)}"
        return f"{skipped}: {held}; they are rotated at the end"


@dataclass(frozen=True)
class RowsSetAside(Event):
    """Rows of a window are left for the end, because at least one of them can't be updated."""

    kind = "rows_set_aside"
    warns = True
    rows: int
    first: str
    why: str

    def __str__(self) -> str:
        return (
            f"{count(self.rows, 'row')}, the first is {shown(self.first)}, left for the end: at least"
            f" one can't be updated ({self.why})"
        )


@dataclass(frozen=True)
class Survived(Event):
    """A verification found rows that hold a revoked token; they are rotated again."""

    kind = "survived"
    warns = True
    survivors: int
    keys: list[str]
    pk: str

    def __str__(self) -> str:
        named = name_keys(self.pk, self.keys, self.survivors)
        hold = "holds" if self.survivors == 1 else "hold"
        return f"{count(self.survivors, 'row')} {hold} a revoked token: {named}; rotating again"


@dataclass(frozen=True)
class ListRead(Event):
    """A list of leaked tokens was read to its end, and is revoked too."""

    kind = "list_read"
    name: str
    tokens: int  #: that it holds; one that is listed twice counts twice
    added: int  #: different ones that were not revoked before

    def __str__(self) -> str:
        read = f"{count(self.tokens, 'token')} read from {self.name}"
        if self.added == self.tokens:
            return f"{read}: revoked too"
        return f"{read}: {self.added} added to the revoked ones, the rest were already among them"
