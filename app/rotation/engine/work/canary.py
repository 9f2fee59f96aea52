"""The canary: one window, rotated, compared by value, and rolled back, before any is committed.

Before it, in the same transaction, the guard is tried by an UPDATE and an INSERT.
"""

from dataclasses import dataclass

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
# Where rows can't be updated: how much farther on others are tried, and when it is no matter of rows.
STEP = 1 / 20  # of the rows passed until then
LONGEST_STEP = 1_000_000  # rows
MOST_FAILED = 1000
MOST_PASSED = 100_000  # keys, in search of a row for which --where is true


@dataclass
class _Place:
    """Where the next window is tried."""

    size: int  #: rows, at most
    after: str | None = None  #: a key; None: after the lane's checkpoint
    skip: int = 0  #: rows to pass over there
    passed: int = 0  #: rows, since one failed by itself
    failed: int = 0  #: windows, because of their rows

    def go_on(self, at: tuple[str, str] | None) -> None:
        """Try fewer rows, and finally other ones than those that were tried `at` these keys."""
        if self.size == 1:
            self.after = at[1] if at else None
        self.size = max(1, self.size // 2)

    def flee(self, at: tuple[str, str] | None) -> None:
        """The same; rows that can't be updated may be many, and next to each other."""
        self.failed += 1
        if self.size == 1:
            self.skip = min(int(self.passed * STEP), LONGEST_STEP)
            self.passed += 1 + self.skip
        self.go_on(at)


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
    place = _Place(min(options.window or CANARY_SIZE, CANARY_SIZE))
    latest: DatabaseFailure | None = None
    wait: Wait | None = None
    then = "; run the same command again to continue"
    while not session.stop.requested:
        try:
            with session.transaction():
                paused = _try(session, stage, place, options)
            if not paused:
                if latest:
                    _refuse_if_none_is_rotated(session, stage, latest)
                return
            wait_while_paused(session, stage.rotation, lambda: session.stop.requested)
        except _RolledBack as done:
            _judge(stage, done)
            return
        except LockConflict as conflict:
            # Another session holds a row. The patience is for single rows: there are others to try.
            if place.size == 1:
                wait = wait or Wait(session, options.lock_patience)
                if wait.over:
                    raise stage.gave_up(options.lock_patience, conflict, "other sessions") from conflict
            place.go_on(stage.at)
            Wait(session).rest(0.05, then)
        except DatabaseFailure as failure:
            latest = failure
            if not failure.of_a_row:
                raise _refusal(session, stage, failure) from failure
            if place.failed >= MOST_FAILED:
                _refuse_if_none_is_rotated(session, stage, failure)
                return
            place.flee(stage.at)
    raise Stopped(f"by {session.stop.reason}{then}")


def _refuse_if_none_is_rotated(session: Session, stage: Stage, failure: DatabaseFailure) -> None:
    """Raise Refused if no row of the table could be updated: neither those tried now, nor before."""
    if not session.through_outages(lambda: read_progress(session, stage.rotation)).rows_done:
        raise _refusal(session, stage, failure) from failure


def _refusal(session: Session, stage: Stage, failure: DatabaseFailure) -> Refused:
    """What to say when no window can be done, and what was done before."""
    done = session.through_outages(lambda: read_progress(session, stage.rotation)).rows_done
    before = f"{count(done, 'row')} had been rotated before" if done else "nothing was replaced"
    recipe = stage.target.recipe
    own = [f"--also {one.column}" for one in recipe.companions]
    own += ["--expression"] if recipe.expression else []
    own = own or (["--format"] if recipe.form else [])
    if own and (failure.of_a_row or failure.of_values):
        return Refused(
            f"the canary window failed, as every window would: {failure.subject}; it was rolled back,"
            f" {before}; if {' or '.join(own)} makes such values, end this rotation with"
            f" {stage.target.action('cancel')}, and start another with --new; else correct the table,"
            " then run the same command again"
        )
    return Refused(
        f"the canary window failed, as every window would: {failure}; it was rolled back, {before};"
        " then run the same command again"
    )


def _try(session: Session, stage: Stage, place: _Place, options: Options) -> bool:
    """Do a window and raise _RolledBack, or return whether it must wait for the end of a pause.

    At the end of a lane it goes on in the next one.
    """
    lane = stage.open_window(options.lock_timeout_ms, bounded=False)
    stage.hold_target()
    while not (window := _find(session, lane, place, stage.target.recipe.where)):
        if lane["lane_id"] is None or lane["lane_id"] in stage.later:
            return lane["status"] in HALTED
        stage.later.append(lane["lane_id"])
        place.after = None
        lane = stage.claim()
    stage.at = (window.lo, window.hi)
    stage.hold_partitions(window.lo, window.hi)
    if options.guard and stage.target.placement.takes_guard:
        try_guard(session, stage.target, lane, window.lo, options.ack_triggers)
    rows = session.change("rotate_window", **stage.target.window(window.lo, window.hi))
    session.change("check_constraints")
    form = stage.target.recipe.form
    its = {"lo": window.lo, "hi": window.hi, "pattern": f"^{form.pattern}$" if form else None}
    found = session.row("check_window", set=lane["set_id"], salt=lane["salt"], **its)
    stage.require_same_target()
    raise _RolledBack(window, rows, found)


def _find(session: Session, lane: Row, place: _Place, where: str | None) -> Window | None:
    """The next window; with a condition on rows the first that has some of those, if it is near."""
    if lane["lane_id"] is None:
        return None
    after = lane["last_id"] if place.after is None else place.after
    if place.skip and place.after is not None:
        passed = find_window(session, lane["lower"], lane["upper"], after, place.skip)
        after = passed.hi if passed else lane["upper"]
    window = find_window(session, lane["lower"], lane["upper"], after, place.size)
    if window and where:
        its = {"lo": window.lo, "upper": lane["upper"], "size": place.size, "most": MOST_PASSED}
        chosen = session.row("find_chosen_window", **its)
        return Window(**chosen) if chosen["lo"] else window
    return window


def _judge(stage: Stage, done: _RolledBack) -> None:
    """Raise Refused unless all tokens of the window were replaced by distinct ones."""
    tokens, distinct, unchanged = (
        done.found[name] for name in ("tokens", "distinct_tokens", "unchanged")
    )
    where = f"in the canary window {done.window} of {stage.target.label}"
    then = "it was rolled back, nothing was replaced"
    if unchanged and done.rows == tokens and stage.target.recipe.expression:
        raise Refused(
            f"{where} {unchanged} of {tokens} new tokens are ones that were revoked, as --expression"
            f" makes them; {then}: end this rotation with {stage.target.action('cancel')}, and start"
            " another with --new"
        )
    if unchanged or done.rows != tokens:
        raise Refused(
            f"{where} {max(unchanged, tokens - done.rows)} of {tokens} tokens kept their old value"
            f" although PostgreSQL counted {done.rows} rows as updated: a trigger or a rule undoes"
            f" the UPDATE; {then}; disable it for the rotation"
        )
    if unlike := done.found["unlike"]:
        raise Refused(
            f"{where} {unlike} of {tokens} tokens are not as --format makes them: a trigger changes"
            " them, and what --also computes from them would be of others;"
            f" {then}; disable it for the rotation"
        )
    if distinct != tokens:
        raise Refused(f"{where} {count(tokens, 'row')} got only {distinct} different tokens; {then}")
