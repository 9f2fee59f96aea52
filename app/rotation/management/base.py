"""What the product's commands share: flags, one-line errors, exit codes."""

import contextlib
import difflib
import os
import sys
import threading
from argparse import Action, ArgumentError, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.color import no_style

from ..engine.db.stop import signals_as_before
from ..engine.errors import ConnectionLost, DatabaseFailure, LockConflict, RotationError, in_a_line
from ..engine.text import one_line
from ..operations import inputs
from .console import Console
from .streams import Lenient


def printed_as(name: str) -> type[CommandError]:
    """A kind of CommandError: Django prints its class's name before the message."""
    return type(name, (CommandError,), {})


REFUSED = printed_as("Refused")  # exit code 1 or 2: nothing was done
FAILED = printed_as("Failed")  # exit code 1: something failed on the way; the message says what was done
STOPPED = printed_as("Stopped")  # exit code 3: the same command can continue later
UNPROVEN = printed_as("Unproven")  # exit code 4: rotated, but survivors or holes remain
STOPPED_BY_SIGNAL = 3
UNKNOWN = "unrecognized arguments: "  # as argparse says it
BY_EXIT_CODE = {1: REFUSED, 2: REFUSED, 3: STOPPED, 4: UNPROVEN}


class OneLineParser(CommandParser):
    """An argument parser that answers a mistake with one line, not with all its flags."""

    def print_usage(self, file: Any = None) -> None:
        """Print nothing: the error's own line is enough, and --help says the rest."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As Django's; keeps what was given, for the answer to a mistake."""
        self._given = list(args or ())
        return super().parse_args(args, namespace)

    def error(self, message: str) -> Any:
        """Answer in a line, which may quote what was given, and name the flag that was meant."""
        hint = ""
        if message.startswith(UNKNOWN):
            flag = message.removeprefix(UNKNOWN).split()[0].partition("=")[0]
            known = _flags_of(self, self._given) if flag[:1] == "-" else []
            begun = [one for one in known if one.startswith(flag) and one != flag]
            near = begun or difflib.get_close_matches(flag, known, 1, 0.8)
            hint = f"; did you mean {near[0]}?" if near else "; --help lists the flags"
            if flag in known:  # Django's own, of the command and not of its action
                hint = f"; give it before the action: {self.prog} {flag} ..."
        super().error(one_line(f"{message}{hint}"))


def _flags_of(parser: ArgumentParser, given: list[str]) -> list[str]:
    """The flags of a parser, and of the action of its command that is given."""
    flags: list[str] = []
    for action in parser._actions:
        flags += action.option_strings
        for name, its in action.choices.items() if isinstance(action.choices, dict) else ():
            flags += _flags_of(its, given) if name in given else []
    return flags


class RotationCommand(BaseCommand):
    """A command of the product."""

    requires_system_checks: list[str] = []
    _own_process = False  # it was not called from another's code
    _coloured = False  # asked for, wherever it is shown

    def __init__(self, stdout: Any = None, stderr: Any = None, **also: Any) -> None:
        self._out = Lenient(stdout or sys.stdout)
        err = Lenient(stderr or sys.stderr)
        super().__init__(cast(Any, self._out), cast(Any, err), **also)

    def run_from_argv(self, argv: list[str]) -> None:
        """Run; whatever fails ends in one line. Not even --traceback shows where it would be printed."""
        threading.excepthook = lambda args: self.stderr.write(
            f"a thread ended: {in_a_line(args.exc_value or MemoryError())}"
        )
        self._own_process = True
        try:
            super().run_from_argv(argv)
        except KeyboardInterrupt:
            self.stderr.write("Stopped: by SIGINT, before any work")
            sys.exit(STOPPED_BY_SIGNAL)

    def databases(self, options: dict[str, Any]) -> list[str]:
        """The aliases that --database names; made fit for outages if the process is our own."""
        aliases = inputs.checked_databases(options)
        if self._own_process:
            inputs.fit_for_outages(aliases)
        return aliases

    def execute(self, *args: Any, **options: Any) -> Any:
        """Do it, and say so if its output could not be written.

        Without colours where NO_COLOR is set (https://no-color.org), unless --force-color is given.
        """
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        if plain and not options.get("force_color"):
            options["no_color"] = True
        self._coloured = bool(options.get("force_color"))
        try:
            with contextlib.nullcontext() if self._own_process else signals_as_before():
                done = super().execute(*args, **options)
        finally:
            self._out.flush()
        if self._out.broken and self.shows(options):
            raise FAILED(f"standard output: {self._out.broken}: not everything was shown", returncode=1)
        if self._out.broken:
            self.stderr.write(f"standard output: {self._out.broken}; the work was done without it")
        return done

    def shows(self, options: dict[str, Any]) -> bool:
        """Whether it is nothing without its output."""
        return False

    def console(self, mode: str, verbosity: int = 1) -> Console:
        """What shows events on the output; in colours if that is a terminal."""
        return Console(self.stdout, mode, verbosity, self.colours())

    def colours(self) -> Any:
        """Django's style, with colours only for a terminal, or where they were asked for."""
        return self.style if self.stdout.isatty() or self._coloured else no_style()

    def say(self, text: str) -> None:
        """Print one line, in which names may hold anything."""
        self.stdout.write(one_line(text))

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return Django's parser, without abbreviated flags and with one-line errors."""
        parser = super().create_parser(prog_name, subcommand, allow_abbrev=False, **kwargs)
        parser.__class__ = OneLineParser
        return parser


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn every error into Django's, with the documented exit code."""
    try:
        yield
    except CommandError:
        raise
    except (LockConflict, ConnectionLost) as error:
        again = f"{error.again}{error.once_begun}"
        if isinstance(error, ConnectionLost) and error.connected:
            again += "; if it is lost each time, see the log of the server, or of the pooler before it"
        raise STOPPED(one_line(f"{error}; {again}"), returncode=error.exit_code) from error
    except RotationError as error:
        failed = type(error) in (DatabaseFailure, RotationError)
        kind = FAILED if failed else BY_EXIT_CODE[error.exit_code]
        raise kind(one_line(str(error)), returncode=error.exit_code) from error
    except Exception as error:
        raise FAILED(one_line(in_a_line(error)), returncode=1) from error


class Once(Action):
    """A flag that counts once: given twice, the first value would be lost without a word."""

    def __call__(self, parser: Any, namespace: Any, values: Any, flag: str | None = None) -> None:
        """Store the value. Raises ArgumentError for a second one."""
        if getattr(namespace, self.dest) is not None:
            raise ArgumentError(self, "given twice")
        setattr(namespace, self.dest, values)


def value(what: str, read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return `read` for argparse, with an error that says what is expected."""

    def read_or_say(text: str) -> Any:
        try:
            return read(text)
        except ValueError:
            raise ArgumentTypeError(f"invalid value {text!r}; expected {what}") from None

    return read_or_say


def add_database_flag(parser: ArgumentParser, several: bool = False) -> None:
    """Add --database; `several`: it may be repeated, and its value is a list or None."""
    text = "which of settings.DATABASES (default: default)"
    if several:
        text = text.replace(" (", "; repeat it to rotate several side by side (")
        parser.add_argument("--database", action="append", metavar="ALIAS", help=text)
    else:
        parser.add_argument("--database", default="default", metavar="ALIAS", help=text)


def add_target_flags(parser: ArgumentParser, several: bool = False) -> None:
    """Add --table, --pk, --column and --database; `several`: see add_database_flag."""
    text = (
        "the table, by its exact name; a name with a dot in double quotes (default: ROTATION['TARGET'])"
    )
    parser.add_argument("--table", metavar="[SCHEMA.]TABLE", help=text)
    text = "its primary key, checked against the catalog (default: from the catalog)"
    parser.add_argument("--pk", metavar="COLUMN", help=text)
    text = "the token's column, by its exact name (default: that of ROTATION['TARGET'], else token)"
    parser.add_argument("--column", metavar="COLUMN", help=text)
    add_database_flag(parser, several)


def add_leaked_flag(parser: ArgumentParser, text: str) -> None:
    """Add --leaked."""
    parser.add_argument("--leaked", metavar="FILE", help=text)
