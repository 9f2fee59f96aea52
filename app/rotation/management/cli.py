"""What the product's commands share: one-line errors, exit codes, the target's flags."""

import contextlib
import signal
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from app.rotation.engine import errors
from app.rotation.engine.errors import (
    ConnectionLost,
    DatabaseFailure,
    LockConflict,
    RotationError,
    UsageError,
)
from app.rotation.engine.leaked import LeakedList, read_whole
from app.rotation.engine.stop import SIGNALS
from app.rotation.engine.target import TargetName, parse_table


class Refused(CommandError):
    """Exit code 1 or 2: nothing was done. Django prints the class's name before the message."""


class Failed(CommandError):
    """Exit code 1: something failed on the way; the message says what was done before it."""


class Stopped(CommandError):
    """Exit code 3: the same command goes on later."""


class Unproven(CommandError):
    """Exit code 4: rotated, but survivors or holes remain."""


BY_EXIT_CODE = {1: Refused, 2: Refused, 3: Stopped, 4: Unproven}


class OneLineParser(CommandParser):
    """An argument parser that answers a mistake with one line, not with all its flags."""

    def print_usage(self, file: Any = None) -> None:
        """Print nothing: the error's own line is enough, and --help says the rest."""


class RotationCommand(BaseCommand):
    """A command of the product."""

    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return Django's parser, which takes no abbreviated flags and errs in one line."""
        parser = super().create_parser(prog_name, subcommand, allow_abbrev=False, **kwargs)
        parser.__class__ = OneLineParser
        return parser


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn the engine's errors into Django's, with the exit code of the contract."""
    try:
        yield
    except (LockConflict, ConnectionLost) as error:
        raise Stopped(f"{error}; run the same command again", returncode=error.exit_code) from error
    except RotationError as error:
        failed = type(error) in (DatabaseFailure, RotationError)
        kind = Failed if failed else BY_EXIT_CODE[error.exit_code]
        raise kind(str(error), returncode=error.exit_code) from error


def value(what: str, read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return `read` for argparse, which then says what it expects in place of what it got."""

    def read_or_say(text: str) -> Any:
        try:
            return read(text)
        except ValueError:
            raise ArgumentTypeError(f"{text!r}: give {what}") from None

    return read_or_say


def add_database_flag(parser: ArgumentParser, several: bool = False) -> None:
    """Add --database; `several`: it may be given again, and its value is a list or None."""
    text = "which of settings.DATABASES to use"
    if several:
        text += "; given again, another one, side by side"
        parser.add_argument("--database", action="append", metavar="ALIAS", help=text)
    else:
        parser.add_argument("--database", default="default", metavar="ALIAS", help=text)


def add_target_flags(parser: ArgumentParser, several: bool = False) -> None:
    """Add --table, --pk, --column and --database; `several`: see add_database_flag."""
    parser.add_argument("--table", metavar="[SCHEMA.]TABLE", help="default: settings.ROTATION_TARGET")
    parser.add_argument("--pk", metavar="COLUMN", help="its primary key (default: the catalog's)")
    parser.add_argument("--column", metavar="COLUMN", help="the token's column (default: token)")
    add_database_flag(parser, several)


def require_text(flag: str, text: str | None) -> None:
    """Raise UsageError if a flag's value can't be stored as text."""
    try:
        usable = "\0" not in (text or "").encode().decode()
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise UsageError(f"{flag}: it is not valid UTF-8 text")


def target_from(options: dict[str, Any]) -> TargetName:
    """The target that the flags name; without --table, the one of settings.ROTATION_TARGET."""
    for flag in ("table", "pk", "column"):
        require_text(f"--{flag}", options[flag])
    if options["table"] is not None:
        schema, table = parse_table(options["table"])
        return TargetName(table, _or(options["column"], "token"), options["pk"], schema)
    setting = getattr(settings, "ROTATION_TARGET", None)
    if not setting:
        raise UsageError("--table: name the table to rotate, or set ROTATION_TARGET in the settings")
    try:
        label, model_name, field_name = setting.split(".")
        model = apps.get_model(label, model_name)
        column = model._meta.get_field(field_name).column
    except Exception as error:
        raise UsageError(f"settings.ROTATION_TARGET {setting!r}: {error}") from error
    return TargetName(model._meta.db_table, _or(options["column"], column), options["pk"])


def _or(given: str | None, otherwise: str) -> str:
    """What was given, even if it is empty: that is refused, and not taken for the default."""
    return otherwise if given is None else given


@contextlib.contextmanager
def leaked_list(path: str | None) -> Iterator[LeakedList | None]:
    """The list that --leaked names, open for reading, twice if need be; `-` is the standard input.

    Raises UsageError if it can't be opened, Stopped if a signal comes while a pipe is read.
    """
    require_text("--leaked", path)
    if path is None:
        yield None
    elif path == "-":
        # Python has none where the shell closed it (`<&-`), or a host's program did.
        if sys.stdin is None or sys.stdin.closed:
            raise UsageError(
                "--leaked -: the standard input is closed; give it the list, or name a file"
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
    """End with Stopped at the first signal, which nothing has to be undone for."""

    def stop(number: int, _: Any) -> None:
        raise errors.Stopped(f"by {signal.Signals(number).name}, while {what} was read")

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


def add_leaked_flag(parser: ArgumentParser, text: str) -> None:
    """Add --leaked."""
    parser.add_argument("--leaked", metavar="FILE", help=text)


#: Of libpq: without them a server that vanished without a word is waited for without end.
PATIENCE = {
    "connect_timeout": 10,  # seconds
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}


def checked_database(options: dict[str, Any]) -> str:
    """The alias that --database names; see fit_for_outages."""
    return fit_for_outages(options["database"])


def checked_databases(options: dict[str, Any]) -> list[str]:
    """The aliases that --database names where it may be given again; see fit_for_outages."""
    given = options["database"] or ["default"]
    aliases = [given] if isinstance(given, str) else given
    for alias in aliases:
        if aliases.count(alias) > 1:
            raise UsageError(f"--database {alias}: it is given twice")
    return list(map(fit_for_outages, aliases))


def fit_for_outages(alias: str) -> str:
    """Give a database timeouts for a network that swallows packets; return its alias.

    Raises UsageError if settings have no database of that name, or it is not PostgreSQL.
    """
    if alias not in connections.databases:
        known = ", ".join(connections.databases)
        raise UsageError(f"--database {alias}: settings.DATABASES has {known}; name one of those")
    if connections[alias].vendor != "postgresql":
        raise UsageError(f"--database {alias}: it is {connections[alias].vendor}, not PostgreSQL")
    given = connections.databases[alias].setdefault("OPTIONS", {})
    given |= {name: value for name, value in PATIENCE.items() if name not in given}
    return alias
