"""What differs between psycopg2 and psycopg 3, of which Django chooses one; only this knows either."""

import contextlib
import copy
import functools
import importlib
import re
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import errors, is_psycopg3, sql

from ...models import EARLIEST, LATEST

chosen: Any = importlib.import_module("psycopg" if is_psycopg3 else "psycopg2")
extensions: Any = None if is_psycopg3 else importlib.import_module("psycopg2.extensions")

__all__ = ["Error", "sql"]

Error: type[Exception] = chosen.Error
TIMESTAMPTZ = 1184  # its number in pg_type
SILENCE = threading.Lock()
COPIED_AT_ONCE = 1 << 16  # bytes
#: psycopg 3 reads times of this style only, and leaves the style to the role; psycopg2 sets it itself.
READABLE = "SET LOCAL datestyle TO iso;\n" if is_psycopg3 else ""
#: How notices begin that are no warnings. Behind a pooler even those of a debugger may come.
LESSER = ("INFO", "NOTICE", "LOG", "DEBUG")
#: What is raised, without an SQLSTATE, when the connection itself breaks. psycopg 3's InterfaceError is
#: for mistakes of ours.
BROKEN = {chosen.OperationalError, chosen.DatabaseError}
if not is_psycopg3:
    BROKEN.add(chosen.InterfaceError)


def lost(error: BaseException) -> bool:
    """Whether an error without an SQLSTATE is that of a connection which broke, or was never made."""
    # psycopg 3 has kinds of OperationalError of its own, such as that of a timeout.
    return type(error) in BROKEN or (is_psycopg3 and isinstance(error, chosen.OperationalError))


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of an error, if the server reported it."""
    code: str | None = getattr(error, "sqlstate" if is_psycopg3 else "pgcode", None)
    return code


def condition(code: str | None) -> str:
    """The SQL standard's name of a SQLSTATE, in words: 'unique violation'."""
    try:
        name = errors.lookup(code or "").__name__
    except KeyError:
        return "an error"
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def reason(error: BaseException) -> str:
    """Why a connection could not be made, in the first line of libpq's words; '' without one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Multiple connection attempts failed"):
        lines = [re.sub(r"^- .*?: (?=connection )", "", line) for line in lines[1:]]
    return re.sub(r"^connection (?:failed|is bad): ", "", lines[0]) if lines else ""


def open_cursor(alias: str) -> Any:
    """Django's cursor, which puts parameters into statements itself.

    With `server_side_binding` several statements could not go as one message, nor some have parameters.
    """
    connection = connections[alias]
    if is_psycopg3 and connection.settings_dict["OPTIONS"].get("server_side_binding"):
        connection.ensure_connection()
        putting: Any = base.Cursor
        return connection.make_cursor(putting(connection.connection))
    return connection.cursor()


def execute(cursor: Any, text: str, parameters: dict[str, Any] | None = None) -> None:
    """Run statements; the result is that of the last one.

    Without parameters they go as they are, percent signs included.
    """
    cursor.execute(text, parameters or None)
    if is_psycopg3:
        while cursor.nextset():
            pass


def mogrify(cursor: Any, text: str, parameters: dict[str, Any]) -> str:
    """The statement as PostgreSQL gets it."""
    made = cursor.mogrify(text, parameters or None)
    return made if isinstance(made, str) else str(made.decode())


def copy_in(cursor: Any, text: str, source: Any) -> None:
    """Stream a file-like object of bytes into a COPY ... FROM STDIN."""
    if not is_psycopg3:
        with _unprinted():
            cursor.copy_expert(text, source)
        return
    with cursor.copy(text) as target:
        while part := source.read(COPIED_AT_ONCE):
            target.write(part)


def copy_out(cursor: Any, text: str, sink: Any) -> int:
    """Stream a COPY ... TO STDOUT into a file-like object for bytes; how many rows it had."""
    if not is_psycopg3:
        with _unprinted():
            cursor.copy_expert(text, sink)
        return int(cursor.rowcount)
    with cursor.copy(text) as source:
        for part in source:
            sink.write(bytes(part))
    return int(cursor.rowcount)


@contextlib.contextmanager
def _unprinted() -> Iterator[None]:
    """Keep psycopg2 from also printing what it raises when a connection breaks within a COPY.

    Not two threads at once: the second would take the first one's silence for what there was before.
    """
    with SILENCE:
        hook = sys.excepthook
        sys.excepthook = lambda *_: None
        try:
            yield
        finally:
            sys.excepthook = hook


@contextlib.contextmanager
def warnings_of(connection: Any) -> Iterator[list[str]]:
    """Collect the server's warnings within the block, and no information that was asked for.

    psycopg2 gives the server's text, whose first word is in the server's language.
    """
    told: list[str] = []
    if is_psycopg3:

        def note(diagnostic: Any) -> None:
            if diagnostic.severity_nonlocalized == "WARNING":
                told.append("WARNING")

        connection.add_notice_handler(note)
        try:
            yield told
        finally:
            connection.remove_notice_handler(note)
        return
    del connection.notices[:]
    yield told
    told += [notice for notice in connection.notices if not notice.startswith(LESSER)]


#: For libpq: without them it waits forever for a server that vanished silently. As for the server's end
#: (sql/work/open_window.sql): where only answers get lost, it is the client that has to notice.
NETWORK_TIMEOUTS = {
    "connect_timeout": 10,  # seconds
    "keepalives_idle": 4,  # seconds
    "keepalives_interval": 2,  # seconds
    "keepalives_count": 2,
    "tcp_user_timeout": 8_000,  # milliseconds
}


def make_fit(settings: dict[str, Any]) -> None:
    """Make an entry of settings.DATABASES one that the engine can work with."""
    settings["AUTOCOMMIT"] = True  # the engine says when a transaction begins, whatever the project does
    given = settings.setdefault("OPTIONS", {})
    given |= {name: value for name, value in NETWORK_TIMEOUTS.items() if name not in given}
    given.pop("pool", None)  # it has a few connections, and each thread here keeps one


def own_connection(alias: str) -> None:
    """Give this thread a connection that is fit, whatever the project's own are like."""
    shared = connections[alias]
    settings = copy.deepcopy(shared.settings_dict)
    make_fit(settings)
    connections[alias] = type(shared)(settings, alias)


def read_any_year(cursor: Any) -> None:
    """Let a cursor read times of any year: PostgreSQL knows many more than Python."""
    if not is_psycopg3:
        extensions.register_type(ANY_YEAR, cursor.cursor)
        return
    reads = cursor.adapters.get_loader(TIMESTAMPTZ, 0)
    if not hasattr(reads, "reads_any_year"):
        cursor.adapters.register_loader(TIMESTAMPTZ, _of_any_year(reads))


def _limit(text: str) -> datetime:
    """The limit that a time is beyond."""
    return EARLIEST if text.startswith(("-", "0001")) or text.endswith("BC") else LATEST


def _is_beyond(moment: datetime) -> bool:
    return not EARLIEST.year < moment.year < LATEST.year


if is_psycopg3:

    @functools.lru_cache(maxsize=32)
    def _of_any_year(reads: type) -> type:
        """The loader of times that reads as another does, within the years that Python knows."""

        class AnyYear(reads):
            reads_any_year = True

            def __init__(self, *its: Any) -> None:
                super().__init__(*its)
                # psycopg asks for the style when the statement is over, and READABLE with it.
                if hasattr(self, "_load_iso"):
                    self._load_method = self._load_iso

            def load(self, data: Any) -> datetime:
                try:
                    moment: datetime = super().load(data)
                    beyond = _is_beyond(moment)
                except (chosen.DataError, ValueError, OverflowError):
                    beyond = True
                if beyond:
                    moment = _limit(bytes(data).decode())
                    # Django's loader has the time zone of the connection, or None.
                    aware = getattr(self, "timezone", True) is not None
                    return moment if aware else moment.replace(tzinfo=None)
                return moment

        return AnyYear

else:

    def _read_moment(text: Any, cursor: Any) -> datetime | None:
        """The time, or the limit that it is beyond; models.Moment does the same for models."""
        if text is None:
            return None
        try:
            moment: datetime = extensions.PYDATETIMETZ(text, cursor)
            beyond = _is_beyond(moment)
        except (ValueError, OverflowError):
            beyond = True
        if beyond:
            moment = _limit(text)
            return moment if cursor.tzinfo_factory else moment.replace(tzinfo=None)
        return moment

    ANY_YEAR = extensions.new_type((TIMESTAMPTZ,), "ANY_YEAR", _read_moment)
