"""What an SQLSTATE means to a run: retry, reconnect, or give up. Errors become the engine's own."""

import contextlib
import re
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, NotSupportedError, OperationalError

from ..errors import ConnectionLost, DatabaseFailure, LockConflict, Refused, in_a_line
from ..text import one_line
from . import driver
from .calls import calling
from .hints import hint

#: A later try may succeed: lock_not_available, deadlock_detected, serialization_failure, query_canceled.
CONFLICTS = {"55P03", "40P01", "40001", "57014"}
#: The server went away or is not there yet: admin_shutdown, crash_shutdown, cannot_connect_now,
#: idle_in_transaction_session_timeout, too_many_connections.
OUTAGES = {"57P01", "57P02", "57P03", "25P03", "53300"}
#: After a failover the old primary, or a proxy that still leads there, accepts no writes for a while.
READ_ONLY = "25006"
DENIED = "42501"
TOKEN_DIGITS = 32  # hexadecimal digits of a UUID
#: Django's own words for a connection that is no more.
BROKEN = {OperationalError, InterfaceError}


@contextlib.contextmanager
def translated(doing: str, alias: str = "", hints: bool = True) -> Iterator[None]:
    """Turn what Django and its driver raise in the block into the engine's errors.

    PostgreSQL's own words are dropped, except for a failure to connect: they may quote a token.
    Notes the call while it lasts; see calls.calling. `hints`: errors also say what to do.
    """
    try:
        with calling(doing, alias):
            yield
    except ImproperlyConfigured as error:  # Django's, when it connects
        raise Refused(f"can't connect to database {alias}: {in_a_line(error)}") from error
    except (DatabaseError, InterfaceError, driver.Error) as error:
        if isinstance(error, NotSupportedError) and error.__cause__ is None:
            # Django's own check of the server's version; errors from the server have a cause.
            raise Refused(f"{error}; upgrade the server") from error
        cause = _of_the_driver(error)
        sqlstate = driver.sqlstate(cause)
        # `from None`: with --traceback Django would print the cause, and a token in its DETAIL.
        if sqlstate in CONFLICTS:
            raise LockConflict(f"{doing}: {driver.condition(sqlstate)}") from None
        broken = sqlstate is None and (driver.lost(cause) or type(cause) in BROKEN)
        if broken or sqlstate in OUTAGES or (sqlstate or "").startswith("08"):
            raise ConnectionLost(_first_line(error, doing), doing != "connecting") from None
        if sqlstate is None and doing == "connecting":
            raise Refused(f"can't connect to database {alias}: {_first_line(error, doing)}") from None
        what_to_do = hint(sqlstate) if hints else ""
        about = _about(cause, sqlstate)
        raise DatabaseFailure(sqlstate, driver.condition(sqlstate), doing, about, what_to_do) from None


def _of_the_driver(error: BaseException) -> BaseException:
    """What the driver raised, of which Django, or a migration, has made an error of its own."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, driver.Error):
            return inner
        inner = inner.__cause__ or inner.__context__
    return error


def _about(cause: BaseException, sqlstate: str | None) -> str:
    """The constraint, the table, or PostgreSQL's own view or function that an error is about.

    Not if its name could be a token: a trigger may put anything there.
    """
    diagnostics = getattr(cause, "diag", None)
    for kind in ("constraint", "table"):
        name = getattr(diagnostics, f"{kind}_name", None)
        if name and len(re.findall("[0-9a-fA-F]", name)) < TOKEN_DIGITS:
            return f"of {kind} {one_line(name)}"
    if sqlstate == DENIED:
        # PostgreSQL names it in its text only, whatever the language.
        own = re.search(r"\bpg_[a-z_]{1,60}\b", getattr(diagnostics, "message_primary", None) or "")
        return f"for {own.group()}" if own else ""
    return ""


def _first_line(error: Exception, doing: str) -> str:
    # Before a session exists, libpq names hosts and users; during one, the server might quote data.
    if doing != "connecting":
        return "the connection was lost"
    return driver.reason(error) or "the connection failed, without a reason (ulimit -n?)"
