"""The canary: one window, rotated, compared by value, and rolled back, before any is committed.

Before it, in the same transaction, the guard is tried by an UPDATE and an INSERT.
"""

from ...models import HALTED
from ..db.retry import Wait
from ..db.session import Row, Session
from ..errors import DatabaseFailure, LockConflict, Refused, Stopped
from ..options import Options
from ..state.progress import read_progress
from ..table.windows import Window, find_window
from ..text import count
from .stages import Stage
from .trial import try_guard
from .waiting import wait_while_paused

CANARY_SIZE = 1000  # rows, at most
MOST_FAILED = 20  # attempts: ten to find a row that can't be updated, ten with other rows


class _RolledBack(Exception):
    """Carries the findings out of the transaction, which it thereby rolls back."""

    def __init__(self, window: Window, rows: int, found: Row) -> None:
        super().__init__()
        self.window = window
        self.rows = rows
        self.found = found


def try_one_window(session: Session, stage: Stage, options: Options) -> None:
    """Try the next window, unless there is none, or another process is at work and has tried.

    This catches anything that keeps an UPDATE from doing what it says: triggers that restore the old
    row, rules, constraints. Raises Refused if a token did not change, or if two are equal.
    """
    size = min(options.window or CANARY_SIZE, CANARY_SIZE)
    after: str | None = None
    failed = 0
    latest: DatabaseFailure | None = None
    wait = Wait(session, options.lock_patience)
    then = "; run the same command again to continue"
    while not session.stop.requested:
        try:
            with session.transaction():
                paused = _try(session, stage, size, after, options)
            if not paused:
                if latest:
                    _refuse_if_none_is_rotated(session, stage, latest)
                return
            wait_while_paused(session, stage.rotation, lambda: session.stop.requested)
        except _RolledBack as done:
            _judge(stage, done)
            return
        except LockConflict as conflict:
            if wait.over:
                raise stage.gave_up(options.lock_patience, conflict, "other sessions") from conflict
            # Another session holds a row: try fewer rows, and finally other ones.
            if size == 1:
                after = stage.at[1] if stage.at else None
            size = max(1, size // 2)
            wait.rest(0.05, then)
        except DatabaseFailure as failure:
            failed += 1
            latest = failure
            if not failure.of_a_row or failed > MOST_FAILED:
                raise _refusal(session, stage, failure) from failure
            # A row can't be updated: try fewer rows, and finally other ones.
            if size == 1:
                after = stage.at[1] if stage.at else None
            size = max(1, size // 2)
    raise Stopped(f"by {session.stop.reason}{then}")


def _refuse_if_none_is_rotated(session: Session, stage: Stage, failure: DatabaseFailure) -> None:
    """Raise Refused if no row of the table could be updated: neither now, to its end, nor before."""
    if not session.through_outages(lambda: read_progress(session, stage.rotation)).rows_done:
        raise _refusal(session, stage, failure) from failure


def _refusal(session: Session, stage: Stage, failure: DatabaseFailure) -> Refused:
    """What to say when no window can be done, and what was done before."""
    done = session.through_outages(lambda: read_progress(session, stage.rotation)).rows_done
    before = f"{count(done, 'row')} had been rotated before" if done else "nothing was replaced"
    return Refused(
        f"the canary window failed, as every window would: {failure}; it was rolled back, {before};"
        " then run the same command again"
    )


def _try(session: Session, stage: Stage, size: int, after: str | None, options: Options) -> bool:
    """Do a window and raise _RolledBack, or return whether it must wait for the end of a pause."""
    stage.open_window(options.lock_timeout_ms, bounded=False)
    lane = stage.claim()
    if lane["lane_id"] is None:
        return lane["status"] in HALTED
    stage.hold_target()
    window = find_window(
        session, lane["lower"], lane["upper"], lane["last_id"] if after is None else after, size
    )
    if window is None:
        return False
    stage.at = (window.lo, window.hi)
    stage.hold_partitions(window.lo, window.hi)
    if options.guard and stage.target.placement.takes_guard:
        try_guard(session, stage.target, lane, window.lo, options.ack_triggers)
    rows = session.change("rotate_window", lo=window.lo, hi=window.hi)
    session.change("check_constraints")
    found = session.row(
        "check_window", set=lane["set_id"], salt=lane["salt"], lo=window.lo, hi=window.hi
    )
    stage.require_same_target()
    raise _RolledBack(window, rows, found)


def _judge(stage: Stage, done: _RolledBack) -> None:
    """Raise Refused unless all tokens of the window were replaced by distinct ones."""
    tokens, distinct, unchanged = (
        done.found[name] for name in ("tokens", "distinct_tokens", "unchanged")
    )
    where = f"in the canary window {done.window} of {stage.target.label}"
    then = "it was rolled back, nothing was replaced"
    if unchanged or done.rows != tokens:
        raise Refused(
            f"{where} {max(unchanged, tokens - done.rows)} of {tokens} tokens kept their old value"
            f" although PostgreSQL counted {done.rows} rows as updated: a trigger or a rule undoes"
            f" the UPDATE; {then}; disable it for the rotation"
        )
    if distinct != tokens:
        raise Refused(f"{where} {tokens} rows got only {distinct} different tokens; {then}")
