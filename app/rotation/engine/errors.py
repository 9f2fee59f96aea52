"""Everything the engine raises on purpose: one root, one line each, with its exit code."""

import errno
import traceback
from pathlib import Path

#: Classes of SQLSTATE that a row's values cause: data exceptions, constraints, CHECK OPTION, limits of
#: size, and what triggers raise.
ROW_CLASSES = {"22", "23", "44", "54", "P0"}
#: Errors of the settings and of what is installed, whose text says what to do.
TOLD = {"ImproperlyConfigured", "ImportError", "ModuleNotFoundError", "ServerError"}
#: Errors of the database whose first line names objects and hosts only, and no value of a row.
OF_THE_DATABASE = {"OperationalError", "ProgrammingError"}


class RotationError(Exception):
    """The root. The message is one line for a person; it never holds a token."""

    exit_code = 1
    again = "run the same command again"
    once_begun = ""  #: what to leave out of that command, which has begun something that it would repeat

    def __str__(self) -> str:
        return super().__str__().replace(self.again, f"{self.again}{self.once_begun}")


class UsageError(RotationError):
    """A flag's value can't be used."""

    exit_code = 2


class Refused(RotationError):
    """The work can't start as things are; nothing was written."""


class Stopped(RotationError):
    """The run ended before the work did; the same command continues from the last committed window."""

    exit_code = 3


class Unproven(RotationError):
    """Rotated, but survivors or holes remain, or the proof failed to run."""

    exit_code = 4


class DatabaseFailure(RotationError):
    """PostgreSQL refused a statement for a reason that a retry won't fix; it was rolled back.

    Carries only the SQLSTATE, its standard name, which object it is about and what to do: PostgreSQL's
    own message may quote a token.
    """

    def __init__(
        self, sqlstate: str | None, condition: str, doing: str, about: str = "", hint: str = ""
    ) -> None:
        self.subject = f"{condition}{about and ' '}{about}"  #: without its number
        self.what = f"{self.subject} (SQLSTATE {sqlstate})"
        super().__init__(f"{doing}: PostgreSQL answered {self.what}{f': {hint}' if hint else ''}")
        self.doing = doing
        self.sqlstate = sqlstate
        self.condition = condition  #: the standard's name of the SQLSTATE, in words
        self.done_before = ""  #: in words, what was committed, if a rotation was under way

    @property
    def of_a_row(self) -> bool:
        """Whether some row's values, and not all, keep its token from being replaced."""
        written = self.doing.startswith("rotate ") or self.doing in ("committing", "check constraints")
        return written and (self.sqlstate or "")[:2] in ROW_CLASSES

    @property
    def of_values(self) -> bool:
        """Whether an expression can't be evaluated: data_exception, cardinality_violation."""
        return (self.sqlstate or "")[:2] in ("21", "22")

    def __str__(self) -> str:
        text = super().__str__()
        if not self.done_before:
            return text
        return f"{text}; {self.done_before}; then {self.again}{self.once_begun}"


class LockConflict(RotationError):
    """A window could not get its locks in time, or was cancelled; SQLSTATE 55P03, 40P01, 40001, 57014.

    It was rolled back; a later try may succeed.
    """

    exit_code = 3


class ConnectionLost(RotationError):
    """The connection broke, or none could be opened: SQLSTATE class 08, 57P01 to 57P03, 53300, or none.

    Whether a pending COMMIT took effect is not known: read the checkpoint again.
    """

    exit_code = 3

    def __init__(self, why: str, connected: bool = False) -> None:
        super().__init__(why)
        self.connected = connected  #: there was a connection, which broke


def in_a_line(error: BaseException) -> str:
    """What to say of any error: of an unexpected one only its place, as its text may quote data."""
    if said := _shortage(error):
        return said
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}{f': {error.filename}' if error.filename else ''}"
    if isinstance(error, RotationError):
        return str(error)
    name = type(error).__name__
    if name in TOLD:
        return " ".join(str(error).split())
    if name in OF_THE_DATABASE:
        return str(error).strip().partition("\n")[0]
    at = traceback.extract_tb(error.__traceback__)[-1]
    file, line = Path(at.filename).name, at.lineno
    if isinstance(error, SyntaxError):  # in what is imported
        file, line = error.filename or "", error.lineno
    return f"unexpected {name} in {file}, line {line} (--traceback shows more)"


def _shortage(error: BaseException) -> str:
    """What this process has too little of, and which limit to raise; or nothing."""
    number = getattr(error, "errno", None)
    if isinstance(error, MemoryError) or number == errno.ENOMEM or "failed to map" in str(error):
        return "out of memory: raise the limit of this process (ulimit -v, or its container's)"
    if number in (errno.EMFILE, errno.ENFILE):
        return "too many open files: raise the limit (ulimit -n), or use fewer --workers"
    if number == errno.EAGAIN or "start new thread" in str(error):
        return (
            "no further thread or process can be started: raise the limit (ulimit -u, ulimit -v, or the"
            " container's), or use fewer --workers"
        )
    return ""
