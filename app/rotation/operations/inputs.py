"""What a person names: the target, the databases, a list of leaked tokens, a rotation."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.models import Case, QuerySet, Value, When

from ..engine import errors
from ..engine.db.driver import make_fit
from ..engine.db.session import Session
from ..engine.db.stop import SIGNALS, StopSwitch
from ..engine.errors import Refused, UsageError, in_a_line
from ..engine.preflight.server import describe_server, require_state
from ..engine.proof.leaked import LeakedList, read_whole
from ..engine.state.rotations import rotations
from ..engine.state.status import describe
from ..engine.table.target import TargetName, parse_table
from ..engine.text import dotted
from ..models import UNFINISHED, Rotation
from .project import read_target
from .targets import find_targets, names_of_targets
from .wording import began_at


def require_text(flag: str, text: str | None) -> None:
    """Raise UsageError if a flag's value can't be stored as text."""
    try:
        usable = "\0" not in (text or "").encode().decode()
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise UsageError(f"{flag}: not valid UTF-8 text")


def target_from(options: dict[str, Any]) -> TargetName:
    """The target that the flags name; without --table, the one of the settings."""
    for flag in ("table", "pk", "column"):
        require_text(f"--{flag}", options[flag])
    if options["table"] is not None:
        schema, table = parse_table(options["table"])
        return TargetName(table, _or(options["column"], _column_of(table)), options["pk"], schema)
    configured = _configured()
    column = _or(options["column"], configured.column)
    return replace(configured, column=column, pk=options["pk"])


def by_name(options: dict[str, Any]) -> dict[str, Any]:
    """The flags, with those of the settings' target that is named, if one is.

    Raises UsageError for a name that there is not, and for flags that name another column.
    """
    name = options.get("target")
    if name is None:
        return options
    for flag in ("table", "column", "pk"):
        if options.get(flag) is not None:
            raise UsageError(f"--{flag}: leave it out with a target's name, {name}")
    its = find_targets([name])[0].target
    return options | {"table": dotted(its.schema or "", its.table), "column": its.column}


def _column_of(table: str) -> str:
    """The column that is meant if a table is named without one: the configured one of that table."""
    with contextlib.suppress(UsageError):
        configured = _configured()
        if configured.table == table:
            return configured.column
    return "token"


def _configured() -> TargetName:
    """The target of the settings. Raises UsageError if there is none."""
    configured = read_target()
    if configured is None:
        named = ", ".join(names_of_targets())
        raise UsageError(
            "--table: name the table to rotate, or"
            + (f" one of the settings' targets: {named}" if named else "")
            + " set ROTATION = {'TARGET': 'app.Model.field'} in the settings" * (not named)
        )
    return TargetName(*configured)


def _or(given: str | None, otherwise: str) -> str:
    """What was given, even if empty: an empty value is refused, not replaced by the default."""
    return otherwise if given is None else given


@contextlib.contextmanager
def leaked_list(path: str | None) -> Iterator[LeakedList | None]:
    """The list that --leaked names, open for reading, twice if needed; `-` is standard input.

    Raises UsageError if it can't be opened, Stopped if a signal comes while a pipe is read.
    """
    require_text("--leaked", path)
    if path is None:
        yield None
    elif path == "-":
        # Python has none if the shell (`<&-`) or the calling program closed it.
        if sys.stdin is None or sys.stdin.closed:
            raise UsageError(
                "--leaked -: standard input is closed; pipe the list into it, or name a file"
            )
        if sys.stdin.isatty() and sys.stderr:
            sys.stderr.write("reading leaked tokens from the terminal: end the list with Ctrl-D\n")
        yield _whole(path, lambda: sys.stdin.buffer)
    else:
        with contextlib.ExitStack() as stack:
            yield _whole(path, lambda: stack.enter_context(Path(path).open("rb")))


def _whole(path: str, opened: Callable[[], BinaryIO]) -> LeakedList:
    try:
        with _stopped_at_once(f"--leaked {path}"):
            return LeakedList(path, read_whole(opened()))
    except OSError as error:
        raise UsageError(f"--leaked {path}: {(error.strerror or str(error)).lower()}") from error


@contextlib.contextmanager
def _stopped_at_once(what: str) -> Iterator[None]:
    """Raise Stopped at the first signal: there is nothing to undo."""

    def stop(number: int, _: Any) -> None:
        raise errors.Stopped(f"by {signal.Signals(number).name}, while reading {what}")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, stop) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def checked_databases(options: dict[str, Any]) -> list[str]:
    """The aliases that --database names, where it may be repeated or not.

    Raises UsageError if the settings have no database of that name, or it is not PostgreSQL.
    """
    given = options["database"] or ["default"]
    aliases = [given] if isinstance(given, str) else given
    for alias in aliases:
        if aliases.count(alias) > 1:
            raise UsageError(f"--database {alias}: given twice")
        require_postgresql(alias, f"--database {alias}")
    return aliases


def require_postgresql(alias: str, what: str) -> None:
    """Raise UsageError, which begins with `what`, unless the settings have such a database."""
    if alias not in connections.databases:
        known = ", ".join(connections.databases)
        raise UsageError(f"{what}: settings.DATABASES has {known}; name one of those")
    try:
        vendor = connections[alias].vendor
    except ImproperlyConfigured as error:
        raise UsageError(f"{what}: {in_a_line(error)}") from error
    if vendor != "postgresql":
        raise UsageError(f"{what}: it is {vendor}, not PostgreSQL")


def fit_for_outages(aliases: list[str]) -> None:
    """Give databases timeouts for a network that drops packets, in all of this process.

    For a process of our own: in another's its connections and its pool must stay as they are.
    """
    for alias in aliases:
        make_fit(connections.databases[alias])


def open_session(alias: str, stop: StopSwitch | None = None) -> Session:
    """A session that can read the state. Raises Refused if this database has none.

    Raises UsageError if it is not PostgreSQL.
    """
    require_postgresql(alias, f"database {alias}")
    session = Session(alias, stop=stop or StopSwitch())
    require_state(session, describe_server(session))
    return session


def chosen(session: Session, options: dict[str, Any]) -> "QuerySet[Rotation]":
    """The rotations that the flags ask for: unfinished ones first, then the latest."""
    unfinished = Case(When(status__in=UNFINISHED, then=Value(0)), default=Value(1))
    found = rotations(session).order_by(unfinished, "-pk")
    for flag in ("table", "column"):
        require_text(f"--{flag}", options[flag])
    if options["table"] is None and options["column"] is None:
        return found
    schema, table = (None, None) if options["table"] is None else parse_table(options["table"])
    its = {"schema": schema, "table": table, "column": options["column"]}
    with session.looking("reading the rotations"):
        return found.filter(pk__in={row["id"] for row in session.rows("find_rotations", **its)})


def latest(session: Session, options: dict[str, Any]) -> Rotation | None:
    """The first of those; None without one."""
    with session.looking("reading the rotations"):
        return chosen(session, options).first()


def require_latest(session: Session, options: dict[str, Any]) -> Rotation:
    """The same. Raises Refused without one."""
    rotation = latest(session, options)
    if rotation is None:
        raise Refused(none_found(options))
    return rotation


def none_found(options: dict[str, Any]) -> str:
    """What to say when no rotation matches the flags."""
    asked = [f"{flag} {options[flag]!r}" for flag in ("table", "column") if options[flag] is not None]
    if asked:
        return f"no rotation of {' and '.join(asked)} in this database"
    return "no rotation yet: python manage.py rotate_tokens_sql starts one"


def entry(session: Session, rotation: Rotation) -> dict[str, Any]:
    """One line of the history, as plain data."""
    state = describe(session, rotation)
    return {name: one for name, one in state.items() if name != "lanes"} | {
        "begun_at": began.isoformat() if (began := began_at(rotation)) else None,
        "operator": rotation.operator,
        "host": rotation.host,
        "reason": rotation.reason,
        "options": rotation.options,
        "retired_at": rotation.retired_at.isoformat() if rotation.retired_at else None,
    }


def is_pipe(path: str) -> bool:
    """Whether a list can be read only once; what can't be checked fails later, when opened."""
    with contextlib.suppress(OSError, ValueError):
        return path == "-" or Path(path).is_fifo()
    return False
