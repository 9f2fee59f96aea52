"""A serving process: it picks up rotations that were recorded, and abandoned ones."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..engine.db.session import Session
from ..engine.errors import Refused, RotationError, Stopped, in_a_line
from ..engine.kept import from_stored
from ..engine.options import Options
from ..engine.preflight.server import connected, describe_server, require_state
from ..engine.runner import RotationDriver
from ..engine.state.progress import read_progress
from ..engine.state.rotations import read_rotation, rotations
from ..engine.state.status import read_state
from ..engine.table.target import TargetName
from ..models import TAKEN_UP, UNFINISHED, Rotation
from .attending import attended
from .herald import Herald
from .output import Output
from .wording import summary

LOOK_SECONDS = 1.0
# seconds until a failed rotation is retried
FIRST_WAIT = 5.0
LONGEST_WAIT = 300.0


@dataclass(frozen=True)
class Failure:
    """Why a rotation failed, and when it is retried."""

    why: str
    rows_done: int
    wait: float
    again_at: float


def after(before: Failure | None, why: str, rows_done: int) -> Failure:
    """Another failure of a rotation: the wait doubles, unless it made progress in between."""
    stuck = before is not None and rows_done == before.rows_done
    wait = min(2 * before.wait, LONGEST_WAIT) if before and stuck else FIRST_WAIT
    return Failure(why, rows_done, wait, time.monotonic() + wait)


def serve(
    session: Session, reporter: Output, throttle_sql: str | None = None, hook: Sequence[str] = ()
) -> None:
    """Pick up whatever waits, with the options stored with it, until a signal ends this.

    `throttle_sql` is the query that throttles all of them, and `hook` the command that is told of them:
    none is taken from the database.
    Raises Stopped if the signal came while a rotation was running.
    """
    service = Service(session, reporter, throttle_sql, hook)
    told = ""
    placed = False  # where this is was reported
    with attended([session.alias], reporter) as session.stop:
        reporter.line("serving: picks up rotations as they are recorded; Ctrl-C stops it")
        while not session.stop.wait(LOOK_SECONDS):
            try:
                server = describe_server(session)
                if not placed:
                    reporter(connected(session, server))
                    placed = True
                require_state(session, server)
                service.look_round()
                told = ""
            except RotationError as error:
                if session.stop.requested and isinstance(error, Stopped):
                    raise
                if str(error) != told:  # once: an outage, or tables that are not there yet
                    reporter.line(str(error))
                told = str(error)
                session.close()


@dataclass
class Service:
    """What a serving process knows about the rotations that it has looked at."""

    session: Session
    reporter: Output
    throttle_sql: str | None = None
    hook: Sequence[str] = ()
    failed: dict[int, Failure] = field(default_factory=dict)
    warned: set[int] = field(default_factory=set)  #: those whose ignored query was reported

    def look_round(self) -> None:
        """Pick up every rotation that waits; keep showing why the failed ones failed.

        However one of them fails, the others are looked at. Raises Stopped if a signal ended one,
        and RotationError if they can't be listed.
        """
        with self.session.looking("reading the rotations"):
            unfinished = rotations(self.session).filter(status__in=UNFINISHED)
            # Numbers only: a row that can't be read, e.g. its JSON, must fail one rotation, not all.
            numbers = list(unfinished.order_by("pk").values_list("pk", flat=True))
        for number in numbers:
            if self.session.stop.requested:
                return
            self._look_at(number)

    def _look_at(self, number: int) -> None:
        """Pick up one rotation if it waits; a failure is reported and goes no further."""
        before = self.failed.get(number)
        early = before is not None and time.monotonic() < before.again_at
        why = ""
        try:
            if not self._waits(number):
                return
            if before and early:
                self.session.change("note_throttle", rotation=number, reason=before.why)
                return
            rotation = read_rotation(self.session, number)
            why = self.take_up(rotation)
            now = read_progress(self.session, number)
            self.failed.pop(number, None)
            if why and now.status in TAKEN_UP:
                self._fail(number, str(rotation), before, why, now.rows_done)
            elif why:
                self.reporter.line(why)
        except Exception as error:
            if isinstance(error, Stopped) and self.session.stop.requested:
                raise
            self.session.close()
            if not early:
                rows = before.rows_done if before else 0
                self._fail(number, f"rotation {number}", before, why or in_a_line(error), rows)

    def _fail(self, number: int, name: str, before: Failure | None, why: str, rows: int) -> None:
        """Report why a rotation failed, and when it is retried."""
        failure = self.failed[number] = after(before, why, rows)
        self.reporter.line(f"{why}; retrying {name} in {failure.wait:.0f} s")

    def _waits(self, number: int) -> bool:
        """Whether it is recorded but not started, or was abandoned; not if it is paused.

        One that failed shows a sign of life, which is ours: it waits unless another process works on it.
        """
        state = read_state(self.session, number)
        stays = number in self.failed and state.progress.status in TAKEN_UP
        return bool(state.stalled or state.unserved or (stays and not state.workers))

    def take_up(self, rotation: Rotation) -> str:
        """Do a rotation; return why it failed, or nothing.

        Raises Stopped if a signal ended it.
        """
        name = TargetName(rotation.table_name, rotation.token_column, schema=rotation.table_schema)
        try:
            options = self._options(rotation)
            herald = Herald(self.session.alias, self.hook, self.reporter)
            driver = RotationDriver(self.session.alias, name, options, self.session.stop, herald)
            require_trusted(driver)
            done = summary(herald.run(driver.run))
        except Exception as error:
            if isinstance(error, Stopped) and self.session.stop.requested:
                raise
            if not isinstance(error, RotationError):
                self.session.close()  # its state is unknown
            return in_a_line(error)
        finally:
            self.reporter.close()
        self.reporter.line(done)
        return ""

    def _options(self, rotation: Rotation) -> Options:
        """The options stored with a rotation, with the query of this process in place of the stored one.

        Else anyone who may write to the table of rotations could make this process run any query.
        """
        kept = from_stored(rotation.options)
        if kept.throttle_sql not in (None, self.throttle_sql) and rotation.pk not in self.warned:
            self.warned.add(rotation.pk)
            own = "using that of --serve" if self.throttle_sql else "give --serve its own"
            self.reporter.line(
                f"warn: {rotation} was started with --throttle-sql, but a query stored in the"
                f" database is never run: {own}"
            )
        # Who asked for so many rows looks before it continues; what is served has been looked at.
        return replace(kept, throttle_sql=self.throttle_sql, stop_after=None)


def require_trusted(driver: RotationDriver) -> None:
    """Raise Refused if others could use this process, whose rights they don't have.

    Whoever may record a rotation chooses the table, and so whose triggers run here.
    """
    target = driver.target
    if others := driver.code_of_others():
        raise Refused(
            f"{target.schema}.{target.table} uses {others}, which would run with the rights of"
            f" {driver.server['role']}: serve as the table's owner, or run {target.command} by hand"
        )
