"""Rotations from a project's own code or task queue: `from rotate_tokens import rotate, status, verify`.

Each call works in a thread of its own, on connections of its own: what the caller's transaction has not
committed is not seen, and a rotation would wait for it. Signals are left to the caller;
`StopSwitch.request(reason)`, from another thread, ends a run after its current windows, and so does an
exception that a signal raises in the caller.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from django.db import connections

from .engine.db.session import Session
from .engine.db.sqlstate import translated
from .engine.db.stop import StopSwitch
from .engine.db.threads import Thread
from .engine.errors import (
    ConnectionLost,
    LockConflict,
    Refused,
    RotationError,
    Stopped,
    Unproven,
    UsageError,
    in_a_line,
)
from .engine.options import Options
from .engine.state.status import RotationStatus, describe
from .engine.table.target import TargetName
from .engine.text import dotted
from .operations import inputs
from .operations.herald import parse_hook
from .operations.project import find_field
from .operations.run import rotate as run
from .operations.verify import verify_rotation
from .schema import read_body

__all__ = [
    "Options",
    "Refused",
    "Result",
    "RotationError",
    "RotationStatus",
    "StopSwitch",
    "Stopped",
    "Unproven",
    "UsageError",
    "Verification",
    "rotate",
    "status",
    "verify",
]
Done = TypeVar("Done")
LOG = logging.getLogger("rotate_tokens")


@dataclass(frozen=True)
class Result:
    """A finished rotation."""

    rotation: int  #: its number
    target: str  #: schema.table.column
    rows: int  #: tokens replaced by this call
    rows_done: int  #: by all runs of this rotation
    revoked: int | None  #: tokens that must never return
    survivors: int | None  #: rows that hold one of them; None: not verified
    verified_at: datetime | None
    seconds: float  #: that this call took
    already: bool  #: it was finished before this call, which did nothing

    @property
    def proven(self) -> bool:
        """Whether no revoked token survives, by value."""
        return self.survivors == 0


@dataclass(frozen=True)
class Verification:
    """What `verify` found."""

    rotation: int
    proven: bool  #: no revoked token survives
    said: tuple[str, ...]  #: what was found, in sentences


def rotate(
    target: str | None = None,
    *,
    table: str | None = None,
    column: str | None = None,
    pk: str | None = None,
    database: str = "default",
    new: bool = False,
    reason: str = "",
    leaked: str | Path | None = None,
    options: Options | None = None,
    stop: StopSwitch | None = None,
    on_event: Callable[[Any], None] = lambda event: None,
    hook: str | None = None,
) -> Result:
    """Replace every token of a column, or continue where an earlier call or command has stopped.

    `target`: app, model and field, such as "accounts.Account.api_key"; or `table`, and `column` and `pk`
    where they are not evident; by default that of the settings. `new`: start another after a finished
    one. `leaked`: a file of leaked tokens, revoked too. `on_event` gets the engine's events and
    Progress, in a thread of the run; it should not wait for anything. `hook`: see --hook.

    After a finished rotation, without `new`, nothing is done, and the result is `already` there. A call
    that continues must not have `new`.

    Raises Refused (nothing was done, or no database is there), UsageError, Stopped (call it again to
    continue), Unproven (revoked tokens survive), or another RotationError. Each has an `exit_code`.
    """
    words = parse_hook(hook)
    _require_nothing_written(database)
    name = _named(target, table, column, pk)
    inputs.require_text("reason", reason)
    switch = stop or StopSwitch()

    def work() -> Result:
        with inputs.leaked_list(None if leaked is None else str(leaked)) as listed:
            return _result(
                run(
                    *(database, name, options or Options(), switch, _lasting(on_event)),
                    new=new,
                    reason=reason,
                    leaked=listed,
                    hook=words,
                )
            )

    try:
        return _in_a_thread(database, work, switch)
    except (ConnectionLost, LockConflict) as error:
        why = f"by {switch.reason}" if switch.requested else str(error)
        raise Stopped(f"{why}; call it again to continue") from error


def status(
    target: str | None = None,
    *,
    table: str | None = None,
    column: str | None = None,
    database: str = "default",
) -> RotationStatus | None:
    """The unfinished rotation, else the latest, as `rotation status --json` shows it; None without one.

    Of any column, unless one is named as for `rotate`.
    """
    stop = StopSwitch(patient=False)
    asked = _asked(target, table, column)
    return _in_a_thread(database, lambda: _status(database, asked, stop), stop)


def verify(
    target: str | None = None,
    *,
    table: str | None = None,
    column: str | None = None,
    database: str = "default",
    leaked: str | Path | None = None,
    search_copies: bool = False,
) -> Verification:
    """Compare every token with the revoked ones, by value, now; see `rotation verify`.

    The latest rotation of any column, unless one is named as for `rotate`. Raises Refused if there is
    nothing to verify, or another RotationError.
    """

    stop = StopSwitch(patient=False)
    asked = _asked(target, table, column)

    def work() -> Verification:
        said: list[str] = []
        with inputs.leaked_list(None if leaked is None else str(leaked)) as listed:
            session = inputs.open_session(database, stop)
            rotation = inputs.require_latest(session, asked)
            try:
                verify_rotation(session, rotation, listed, said.append, search_copies)
            except Unproven as error:
                return Verification(rotation.pk, False, (*said, str(error)))
        return Verification(rotation.pk, True, tuple(said))

    return _in_a_thread(database, work, stop)


def _require_nothing_written(alias: str) -> None:
    """Raise UsageError if the caller's transaction has written: the rotation would wait for its end."""
    inputs.require_postgresql(alias, f"database {alias}")
    if not connections[alias].in_atomic_block:
        return
    with translated("looking at the caller's transaction"), connections[alias].cursor() as cursor:
        cursor.execute(read_body("has_written"))
        if cursor.fetchone()[0]:
            raise UsageError(
                "rotate() is called in a transaction that has written or locked rows, for whose end the"
                " rotation would wait: call it after the COMMIT, as by transaction.on_commit"
            )


def _lasting(on_event: Callable[[Any], None]) -> Callable[[Any], None]:
    """The same, which ends no run by failing; the first failure is logged, without its text."""
    failed: list[Exception] = []

    def tell(event: Any) -> None:
        try:
            on_event(event)
        except Exception as error:
            if not failed:  # only one is kept: a long run has a million events
                LOG.warning("on_event: %s; the run goes on", in_a_line(error))
                failed.append(error)

    return tell


def _in_a_thread(alias: str, work: Callable[[], Done], stop: StopSwitch) -> Done:
    """Do it with a connection of its own, whatever transaction the caller is in."""
    inputs.require_postgresql(alias, f"database {alias}")
    thread = Thread(Session(alias), work)
    thread.start()
    try:
        thread.join()
    except BaseException as error:  # KeyboardInterrupt, a task queue's time limit
        stop.request(type(error).__name__)
        thread.join()
        raise
    if thread.failure is not None:
        raise thread.failure
    result: Done = thread.result
    return result


def _named(target: str | None, table: str | None, column: str | None, pk: str | None) -> TargetName:
    if target is None:
        return inputs.target_from({"table": table, "column": column, "pk": pk})
    if table is not None or column is not None:
        raise UsageError("name the target, or its table and column, not both")
    return TargetName(*find_field(target), pk)


def _asked(target: str | None, table: str | None, column: str | None) -> dict[str, Any]:
    """As the commands' flags name a rotation."""
    if target is not None:
        name = _named(target, table, column, None)
        table, column = dotted("", name.table), name.column
    return {"table": table, "column": column}


def _status(alias: str, asked: dict[str, Any], stop: StopSwitch) -> RotationStatus | None:
    session = inputs.open_session(alias, stop)
    rotation = inputs.latest(session, asked)
    return describe(session, rotation) if rotation else None


def _result(outcome: Any) -> Result:
    progress = outcome.progress
    return Result(
        rotation=outcome.rotation,
        target=outcome.target,
        rows=outcome.rows,
        rows_done=progress.rows_done,
        revoked=progress.revoked,
        survivors=progress.survivors,
        verified_at=progress.verified_at,
        seconds=outcome.seconds,
        already=outcome.already,
    )
