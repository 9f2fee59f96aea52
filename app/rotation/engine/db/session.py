"""A thread's connection: transactions, and the statements of `sql/` with typed errors."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connections, transaction

from ..errors import ConnectionLost, DatabaseFailure, LockConflict, Refused, Stopped
from ..events import Emit, OutageContinues, OutageEnded, OutageStarted
from . import driver, statements
from .hints import hint
from .identity import worker_name
from .losses import Losses
from .sqlstate import READ_ONLY, translated
from .stop import StopSwitch

Row = dict[str, Any]
Result = TypeVar("Result")
#: Precedes every statement: names are printed with quotes only where they need them, and an error, e.g.
#: that a lock is not available, does not end the session.
PLAIN = "SET LOCAL quote_all_identifiers TO off;\nSET LOCAL exit_on_error TO off;\n"
#: Precedes a statement while the schema of the state is not known yet.
PINNED = "SET LOCAL search_path TO pg_catalog, pg_temp;\n"
ROLES_OWN = "SET LOCAL search_path TO DEFAULT;\n"
#: Statements that ask what the role's search path finds.
FINDS_NAMES = {
    "describe_server",
    "find_table",
    "list_tables",
    "parse_sql",
    "sample_expression",
    "find_no_token",
}
#: The operator's own condition on rows, if there is one: its names mean the same in every statement.
OPERATORS_OWN = "where"
#: Statements that print names in full: the state's triggers read them by PostgreSQL's own path.
NAMES_IN_FULL = {"list_columns"}
#: Statements that fire the application's triggers, which rely on the role's search path.
FIRES_TRIGGERS = {
    "rotate_window",
    "rotate_unlocked",
    "rotate_leftovers",
    "rotate_survivors",
    "try_write",
    "check_constraints",
    "truncate_tickets",
    "generate_tickets",
    # The last of a window, before the COMMIT, which fires those that are deferred.
    "advance_checkpoint",
}
#: Statements with which transactions begin.
OPENS = {
    "open_window",
    "open_reading",
    "open_looking",
    "open_install",
    "open_check",
    "make_durable",
}
# seconds between two tries to connect
FIRST_WAIT = 0.1
LONGEST_WAIT = 2.0
SERVED_SECONDS = 20.0  # an action that ran this long, longer than a connect attempt, had a database


@dataclass
class Session:
    """One connection of the calling thread, and how long it outlives an outage.

    `names` fills the braces in statements; `variants` are folders of `sql/` whose statements replace
    their namesakes; `outage_seconds` is the deadline for reconnecting.
    """

    alias: str
    worker: str = field(default_factory=worker_name)
    names: dict[str, statements.Name] = field(default_factory=dict)
    variants: tuple[str, ...] = ()
    stop: StopSwitch = field(default_factory=StopSwitch)
    emit: Emit = lambda event: None
    outage_seconds: float = 60.0
    aurora: bool = False  #: the server is Amazon's, whose standbys are seen otherwise
    _composed: dict[tuple[str, ...], str] = field(default_factory=dict, init=False)
    _losses: Losses = field(default_factory=Losses, init=False)

    @property
    def state_schema(self) -> str:
        """The schema of the rotation's state, which the preflight has found."""
        name = self.names["rotation"]
        assert isinstance(name, tuple)
        return name[0]

    def rows(self, *statements: str, **parameters: Any) -> list[Row]:
        """Run `sql/<statement>.sql` and return its rows as dictionaries by column name.

        Several go to the server as one message, with the search path of the first; the rows are those of
        the last.
        """
        with self._execute(statements, parameters) as cursor:
            columns = [column[0] for column in cursor.description]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def row(self, *statements: str, **parameters: Any) -> Row:
        """Return the one row of a statement that always has one."""
        return self.rows(*statements, **parameters)[0]

    def change(self, statement: str, **parameters: Any) -> int:
        """Run a statement that returns no rows; returns how many it changed, as the server counted."""
        with self._execute((statement,), parameters) as cursor:
            return cursor.rowcount

    def script(self, text: str, doing: str) -> None:
        """Run statements that are already composed and take no parameters."""
        with translated(doing), driver.open_cursor(self.alias) as cursor:
            driver.execute(cursor, text)

    def outside_transactions(self, statement: str) -> list[str]:
        """Run a statement that can't be in a transaction; return the server's warnings.

        An immediate stop cancels it.
        """
        text = self._compose(statement)
        connection = connections[self.alias].connection
        self.rows("lift_timeouts", pid=connection.info.backend_pid)
        with driver.warnings_of(connection) as told, self.stop.cancellable(connection):
            self.script(text, statement.replace("_", " "))
        return told

    def copy(self, statement: str, source: Any) -> None:
        """Stream a file-like object of bytes into a COPY ... FROM STDIN."""
        with self._prepared(statement) as (text, cursor):
            driver.copy_in(cursor, text, source)

    def copy_out(self, statement: str, sink: Any, **parameters: Any) -> int:
        """Stream a COPY ... TO STDOUT into a file-like object for bytes; how many rows it had."""
        text = self.text(statement, **parameters)
        with self._prepared(statement) as (_, cursor):
            driver.execute(cursor, self._path(statement))
            return driver.copy_out(cursor, text, sink)

    def ask(self, query: str) -> str:
        """The result of a user's query, as JSON; see ask_throttle.sql."""
        text = self._compose("ask_throttle")
        with translated("running the query", hints=False), driver.open_cursor(self.alias) as cursor:
            driver.execute(cursor, text, {"query": query})
            return str(cursor.fetchone()[0])

    def text(self, statement: str, **parameters: Any) -> str:
        """Return the statement as PostgreSQL gets it."""
        composed = self._compose(statement)
        with translated("connecting", self.alias), driver.open_cursor(self.alias) as cursor:
            return driver.mogrify(cursor, composed, parameters)

    def explain(self, statement: str, **parameters: Any) -> tuple[str, dict[str, Any]]:
        """Return the statement as PostgreSQL gets it, and its plan (EXPLAIN FORMAT JSON)."""
        text = self._compose(statement)
        with translated(f"explaining {statement}"), driver.open_cursor(self.alias) as cursor:
            path = self._path(statement).replace("%", "%%")
            driver.execute(cursor, f"{path}EXPLAIN (FORMAT JSON) {text}", parameters)
            plan = cursor.fetchone()[0][0]["Plan"]
            return driver.mogrify(cursor, text, parameters), plan

    @contextlib.contextmanager
    def transaction(self, at_once: bool = False, reads: bool = False) -> Iterator[None]:
        """Run the block in its own transaction, which an immediate stop cancels.

        `at_once`: any request to stop does, see StopSwitch.cancellable. `reads`: it only reads; else a
        server that accepts no writes is one that is not there.
        Raises LockConflict, ConnectionLost or DatabaseFailure; then nothing was committed, except
        that a ConnectionLost during COMMIT leaves this unknown.
        """
        self._require_autocommit()
        try:
            with (
                self.stop.cancellable(connections[self.alias].connection, at_once),
                translated("committing", self.alias),
                transaction.atomic(using=self.alias, durable=True),
            ):
                yield
        except DatabaseFailure as failure:
            if failure.sqlstate == READ_ONLY and not reads:
                raise ConnectionLost(hint(READ_ONLY), connected=True) from None
            raise

    def _require_autocommit(self) -> None:
        """Raise Refused if the project has switched off what lets our transactions begin and end."""
        connection = connections[self.alias]
        with translated("connecting", self.alias):
            connection.ensure_connection()
        if not (connection.in_atomic_block or connection.get_autocommit()):
            raise Refused(
                f"settings.DATABASES[{self.alias!r}] has AUTOCOMMIT: False, with which a site can't"
                " commit here: set it to True, or use the commands in a shell"
            )

    @contextlib.contextmanager
    def looking(self, doing: str) -> Iterator[None]:
        """Run models' queries in a transaction, a new one if there is none, that takes no name from a
        schema where somebody else may have put it, and waits for no lock without end.
        """
        with contextlib.ExitStack() as stack:
            if not connections[self.alias].in_atomic_block:
                stack.enter_context(self.transaction())
                self.change("open_looking", worker=self.worker)
            stack.enter_context(translated(doing))
            yield

    @contextlib.contextmanager
    def reading(self, statement_timeout: str = "0", at_once: bool = False) -> Iterator[None]:
        """Run the block in a transaction in which PostgreSQL refuses every write."""
        with self.transaction(at_once, reads=True):
            self.rows("open_reading", worker=self.worker, statement_timeout=statement_timeout)
            yield

    @contextlib.contextmanager
    def durable(self, at_once: bool = False, standbys: bool = False) -> Iterator[None]:
        """Run the block in a transaction whose COMMIT waits for the disk.

        `standbys`: and for the synchronous standbys, if the server is configured so.
        """
        with self.transaction(at_once):
            self.rows("make_durable", worker=self.worker, standbys=standbys)
            yield

    def through_outages(
        self, action: Callable[[], Result], works: Callable[[Result], bool] = lambda result: False
    ) -> Result:
        """Return what the action returns; while the database is unreachable, wait and retry.

        `works`: whether a result means that work was done. Raises Stopped after `outage_seconds` without
        a database, when a stop is requested, or when connections keep breaking and no work is done.
        """
        began = None
        wait = FIRST_WAIT
        told = ""
        while True:
            tried = time.monotonic()
            try:
                result = action()
            except ConnectionLost as lost:
                self.close()
                now = time.monotonic()
                if lost.connected:
                    self._losses.note(now - tried)
                if began is not None and now - tried > SERVED_SECONDS:
                    self.emit(OutageEnded(tried - began))
                    began = None
                    wait = FIRST_WAIT
                if began is None:
                    began = now
                    self.emit(OutageStarted(str(lost), self.outage_seconds))
                elif str(lost) != told:
                    self.emit(OutageContinues(str(lost)))
                told = str(lost)
                self._give_up(lost, now - began, wait)
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                if began is not None:
                    self.emit(OutageEnded(time.monotonic() - began))
                self._losses.answered(works(result))
                return result

    def _give_up(self, lost: ConnectionLost, seconds: float, wait: float) -> None:
        """Wait until the next try, or raise Stopped if there is none."""
        why = ""
        if hopeless := self._losses.hopeless:
            why = f"{hopeless}; then run the same command again"
        elif seconds > self.outage_seconds:
            why = (
                f"no database for {self.outage_seconds:.0f} s ({lost}{self._losses.at_once}); run the"
                " same command again when it is back"
            )
        elif self.stop.wait(wait):
            why = (
                f"by {self.stop.reason} while the database was unreachable; run the same command again"
                " when it is back"
            )
        if why:
            raise Stopped(why) from lost

    def close(self) -> None:
        """Close the connection; the next statement opens a new one."""
        with contextlib.suppress(DatabaseError, InterfaceError):
            connections[self.alias].close()

    def _compose(self, *names: str) -> str:
        """The text of statements; all of them take parameters if one does."""
        if names not in self._composed:
            connection = connections[self.alias]
            with translated("connecting", self.alias):
                connection.ensure_connection()
            text = statements.compose(names, self.names, connection.connection, self.variants)
            self._composed[names] = text
        return self._composed[names]

    @contextlib.contextmanager
    def _execute(self, names: tuple[str, ...], parameters: dict[str, Any]) -> Iterator[Any]:
        with self._prepared(*names) as (text, cursor):
            driver.read_any_year(cursor)
            path = self._path(names[0])
            if "%(" in text:  # the driver leaves a statement without parameters alone
                path = path.replace("%", "%%")
            driver.execute(cursor, path + text, parameters)
            yield cursor

    def _path(self, statement: str) -> str:
        """What precedes a statement, so that its names mean what they should until the next one.

        Its operators and functions are PostgreSQL's, and its tables those of the state, in whose schema
        nobody else may create any, whatever the role's own search path would find first.
        """
        known = "state" in self.names and statement not in NAMES_IN_FULL
        path = self._compose("pin_search_path") + "\n" if known else PINNED
        by_role = FINDS_NAMES | FIRES_TRIGGERS
        if statement in by_role or (OPERATORS_OWN in self.names and self._chooses(statement)):
            path = ROLES_OWN
        if statement in OPENS or not connections[self.alias].in_atomic_block:
            path += self._compose("plan_plainly") + "\n"
        return PLAIN + driver.READABLE + path

    def _chooses(self, statement: str) -> bool:
        """Whether the operator's own condition on rows is part of a statement."""
        return "{chosen}" in statements.load(statement, self.variants)

    @contextlib.contextmanager
    def _prepared(self, *names: str) -> Iterator[tuple[str, Any]]:
        if self.stop.immediate:
            raise LockConflict("stopped immediately")
        if not connections[self.alias].in_atomic_block:
            self._require_autocommit()
        text = self._compose(*names)
        doing = names[-1].replace("_", " ")
        with translated(doing, self.alias), driver.open_cursor(self.alias) as cursor:
            yield text, cursor
