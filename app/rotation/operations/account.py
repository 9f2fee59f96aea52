"""What happened in a rotation, in sentences that its state proves: the summary and the method."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..engine.db.session import Row
from ..engine.kept import as_kept, kept_lastingly
from ..engine.options import LASTING, REPEATED
from ..engine.proof.verdict import INCONCLUSIVE, start_over
from ..engine.state import transitions
from ..engine.state.commands import action_on, command_of
from ..engine.state.progress import Progress
from ..engine.state.status import State
from ..engine.text import duration, in_utc, of_rows, one_line
from ..models import HALTED, PROVEN, UNFINISHED, Rotation, Status
from .wording import HELD_BACK, rows_replaced, show_rows, show_steering, why_nothing_happens

GUARDED = (
    "It was asked for with a guard, a trigger that keeps revoked tokens from being written back: each"
    " run sees to it that the guard stands, before the snapshot and at the end, unless that run is given"
    " --no-guard, which is not stored ({status} tells whether it stands now)."
)
UNGUARDED = (
    "It was asked for without a guard (--no-guard): where none stands, a process that had loaded an old"
    " token can write it back, after a verification too."
)
NO_SNAPSHOT = "No snapshot of the tokens was completed, so none is revoked, and none was replaced."
REVOKED = (
    "A salted 64-bit hash of {which} was stored, from one snapshot of the table: those tokens are"
    " revoked."
)
BARRIER = (
    "Lanes were drawn when every transaction that had been writing to the table at the snapshot had"
    " ended."
)
COMPARED = (
    "On {at} the token of every row was hashed again and compared with the revoked ones, by value:"
    " {found}. Neither checkpoint nor row count was trusted."
)
SEARCHED = (
    "On {at} the other columns of the database were searched for revoked tokens, by value: {found}."
)
UNSEARCHED = "Other columns of the database were not searched for revoked tokens ({search})."
NEITHER = "Its end was not verified by value (--no-verify)."
REACH = (
    "Copies outside the column: caches, search indexes, other tables, materialized views, logical"
    " subscribers (the preflight's findings name those the database knows about).",
    "Old versions in backups, in archived WAL, and in pages not yet vacuumed.",
    "Tokens deleted before the rotation started, unless listed with --leaked.",
    "Hashes have 64 bits: a new token can match a revoked hash by chance (1 in 2^64 for each pair); it"
    " would be rotated again.",
)
SELECTED = "Rows for which --where was not true: they keep their tokens, which are not revoked."
OWN_TOKENS = "New tokens are as hard to guess as the operator's own SQL makes them."
SELECTED_ONLY = (
    "Nothing in its rows; those for which --where was not true keep their tokens. What it can't reach is"
    " listed under 'Method and proof'."
)
ELSEWHERE = "Nothing in this column. What it can't reach is listed under 'Method and proof'."


@dataclass(frozen=True)
class Facts:
    """What is stored about a rotation, as far as sentences speak of it."""

    rotation: Rotation
    state: State
    left: dict[str, int]  #: rows left for the end
    failed: str  #: what a failed one left undone
    later: list[Rotation]  #: of the same column
    interruptions: list[dict[str, Any]]
    now: datetime

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self.state.progress

    @property
    def options(self) -> dict[str, Any]:
        """What its first run was asked to do."""
        return as_kept(self.rotation.options)


def find_interruptions(workers: list[Row]) -> list[dict[str, Any]]:
    """When no process was at work between two windows of different processes, in their order.

    What ended the first of the two is not stored; nor is a process that finished no window.
    """
    found = []
    latest: Row | None = None
    for one in sorted(workers, key=lambda one: one["began"]):
        if latest and one["began"] > latest["last"] and _process(one) != _process(latest):
            found.append(
                {
                    "left_at": latest["last"],
                    "by": _process(latest),
                    "continued_at": one["began"],
                    "continued_by": _process(one),
                }
            )
        if latest is None or one["last"] > latest["last"]:
            latest = one
    return found


def _process(worker: Row) -> str:
    """The process of a worker: the journal's names are 'rotate_tokens pid/number user@host'."""
    name = worker["worker"].removeprefix("rotate_tokens ")
    number, _, where = name.partition(" ")
    return f"{number.partition('/')[0]} {where}".strip()


def summarize(facts: Facts) -> dict[str, str]:
    """What a manager asks, by its name, with a short answer each."""
    rotation = facts.rotation
    reason = f": {rotation.reason}" if rotation.reason else ""
    return {
        "what": f"{rotation.target}{of_rows(facts.options.get('where'))}{reason}",
        "when": _when(facts),
        "replaced": _how_many(facts.progress),
        "proven": _proven(facts),
        "left": _left(facts),
    }


def _how_many(progress: Progress) -> str:
    if progress.rows_total is None:
        return f"{progress.rows_done:,} tokens, of an unknown number"
    return f"{show_rows(progress)} tokens"


def _when(facts: Facts) -> str:
    rotation = facts.rotation
    began = rotation.begun_at or rotation.started_at
    ended = rotation.finished_at
    if facts.progress.status in UNFINISHED:
        then = (
            f"begun {in_utc(began)}" if began else f"recorded {in_utc(rotation.created_at)}, not begun"
        )
        again = f"; had succeeded {in_utc(ended)}, and was reopened by a verification" if ended else ""
        return f"{then}{again}; on {in_utc(facts.now)} it {_is(facts.progress.status)}{_times(facts)}"
    if began is None or ended is None:
        at = f", {rotation.status} {in_utc(ended)}" if ended else ""
        return f"recorded {in_utc(rotation.created_at)}{at}; never begun"
    took = duration(max(0.0, (ended - began).total_seconds()))
    return f"{in_utc(began)} to {in_utc(ended)} ({took}){_times(facts)}"


def _times(facts: Facts) -> str:
    number = len(facts.interruptions)
    if not number:
        return ""
    return f", {'once' if number == 1 else f'{number} times'} continued by another process"


def _proven(facts: Facts) -> str:
    progress = facts.progress
    if progress.verified_at is None:
        return "no: it was not verified by value"
    at = in_utc(progress.verified_at)
    if progress.survivors is None:
        return f"not known: on {at} {INCONCLUSIVE}"
    if progress.status != Status.SUCCEEDED and not progress.survivors:
        return f"no: none was found on {at}, but the rotation {_is(progress.status)}"
    if progress.survivors:
        return f"no: {progress.survivors:,} of {progress.revoked or 0:,} revoked tokens survived on {at}"
    alone = facts.options.get("guard", True) is not True
    return (
        f"yes, by value, on {at}{', for that moment: it was asked for without a guard' if alone else ''}"
    )


def _is(status: str) -> str:
    past = {Status.CANCELLED: "was cancelled", Status.FAILED: "has failed"}
    return past.get(Status(status), f"is {status}")


def _and_run(facts: Facts) -> str:
    """What else a paused rotation needs where no process waits for it to go on."""
    return f", then run {command_of(facts.rotation)}" if facts.state.deserted else ""


def _left(facts: Facts) -> str:
    """What somebody must do."""
    if rows_replaced(facts.rotation):
        return "Nothing here: other rows took the place of its rows, and it says nothing of those."
    if facts.later:
        last = facts.later[-1]
        return f"See rotation {last.pk} of the column, which came later ({last.status})."
    if facts.progress.verified_at and facts.progress.survivors is None:
        then = start_over(action_on(facts.rotation, "cancel"))
        return f"{then[0].upper()}{then[1:]}."
    return _next_step(facts)


def _next_step(facts: Facts) -> str:
    rotation = facts.rotation
    progress = facts.progress
    if progress.status == Status.SUCCEEDED:
        return _once_succeeded(rotation, progress)
    if progress.status == Status.CANCELLED:
        back = "replaced ones can be written back, as a cancelled rotation guards nothing"
        left = "Every row that it did not reach keeps its leaked token"
        left = f"{left}, and {back}" if progress.rows_done else left
        return f"{back.capitalize() if progress.complete else left}: run {_again(rotation)}"
    if progress.status == Status.FAILED:
        run = f"run {command_of(rotation)}"
        if facts.progress.survivors and not facts.progress.holes:
            return f"Some rows hold a revoked token ({facts.failed}): {run}"
        return f"Mend what is in its way ({facts.failed}), then {run}"
    if progress.status in HALTED:
        return f"Resume it: {action_on(rotation, 'resume')}{_and_run(facts)}"
    waits = why_nothing_happens(rotation, facts.state)
    return waits if waits and not waits.startswith(HELD_BACK) else "Its end: a process is at work."


def _once_succeeded(rotation: Rotation, progress: Progress) -> str:
    """What is left when every token was replaced."""
    if progress.verified_at is None:
        return f"Prove it: {action_on(rotation, 'verify')}"
    if progress.survivors:
        return f"Some rows hold a revoked token: run {_again(rotation)} --new"
    search = _latest_search(rotation)
    if search and search["what"].startswith(transitions.COPIES_FOUND):
        return f"Copies elsewhere, {_searched_at(search)}: {_found(search)}."
    return SELECTED_ONLY if kept_lastingly(rotation.options).get("where") else ELSEWHERE


def _again(rotation: Rotation) -> str:
    """The command that starts another rotation like this one."""
    return command_of(rotation, (*LASTING, *REPEATED))


def list_steps(facts: Facts) -> list[str]:
    """How tokens were replaced and what was proven, as far as it got."""
    rotation = facts.rotation
    unguarded = facts.options.get("guard", True) is not True
    guarded = UNGUARDED if unguarded else GUARDED.format(status=action_on(rotation, "guard status"))
    if rotation.revoked is None:
        return [guarded, NO_SNAPSHOT]
    where = facts.options.get("where")
    which = "every token"
    if where:
        which = f"the token of every row for which this was true ({one_line(str(where))})"
    barrier = [BARRIER] if rotation.started_at else []
    revoked = REVOKED.format(which=which)
    if rotation.status == Status.CANCELLED and not facts.later:
        revoked += " Since it was cancelled the guard lets them be written back."
    searched = _searched(rotation)
    return [guarded, revoked, *barrier, _replaced(facts), *_went_back(facts), _verified(facts), searched]


def _searched(rotation: Rotation) -> str:
    """What a search for copies outside the column has found."""
    search = _latest_search(rotation)
    if search is None:
        return UNSEARCHED.format(search=f"{action_on(rotation, 'verify')} --search-copies")
    return SEARCHED.format(at=_searched_at(search), found=_found(search))


def _latest_search(rotation: Rotation) -> dict[str, Any] | None:
    found = [one for one in show_steering(rotation) if one["what"].startswith(transitions.SEARCH)]
    return found[-1] if found else None


def _searched_at(search: dict[str, Any]) -> str:
    return in_utc(search["at"]) if search["at"] else "at an unknown time"


def _found(search: dict[str, Any]) -> str:
    what: str = search["what"]
    return what.removeprefix(transitions.COPIES_FOUND).removeprefix(transitions.SEARCH)


def _replaced(facts: Facts) -> str:
    progress = facts.progress
    if not progress.rows_done:
        empty = progress.complete and progress.status in PROVEN and not progress.rows_total
        return "There was no token to replace." if empty else "No token was replaced."
    windows = f"{progress.windows:,} {'window' if progress.windows == 1 else 'windows'}"
    how = f"({_how(facts.options)}) in {windows}, each one transaction with its checkpoint"
    total = progress.rows_total
    if progress.complete and (total is None or progress.rows_done >= total):
        return f"Every one of those tokens was replaced by a new one {how}.{_came_later(progress)}"
    replaced = f"{show_rows(progress)} tokens were replaced by new ones {how}"
    if progress.complete:
        return f"{replaced}. The rows of the others were deleted or emptied meanwhile."
    if progress.rows_done > (total or 0) or progress.verified_at:
        return f"{replaced}. What a verification has found is said below."
    return f"{replaced}; rows that it has not reached, or could not update, keep their leaked tokens."


def _came_later(progress: Progress) -> str:
    more = progress.rows_done - (progress.rows_total or progress.rows_done)
    if more <= 0 or not progress.rows_total_exact:
        return ""
    whose = "rows that came later, or held a token that was revoked before, or a second time"
    return f" {more:,} tokens more were replaced: of {whose}."


def _how(options: dict[str, Any]) -> str:
    form = options.get("format")
    how = (
        f"random, {one_line(str(form))}, made of gen_random_uuid"
        if form
        else "random, by gen_random_uuid"
    )
    if options.get("expression"):
        how = f"by the operator's own SQL: {one_line(str(options['expression']))}"
    also = options.get("also")
    if isinstance(also, (list, tuple)) and also:
        how += f"; set with it: {', '.join(one_line(str(one)) for one in also)}"
    return how


def _went_back(facts: Facts) -> list[str]:
    """What happened to rows that were left for the end."""
    told = []
    for name, what in (
        ("locked", "skipped, because other sessions held their locks,"),
        ("set_aside", "set aside, because they or rows near them could not be updated,"),
        ("survivors", "found by a verification to hold a revoked token"),
    ):
        if number := facts.left[name]:
            told.append(f"{number:,} {what}".rstrip(","))
    if not told:
        return []
    left = facts.left["open"]
    then = f"{left:,} of them were not rotated" if left else "all of them were rotated afterwards"
    rows = "Rows left for the end"
    return [f"{rows}: {'; '.join(told)}; {then}."]


def _verified(facts: Facts) -> str:
    progress = facts.progress
    status = progress.status
    if progress.verified_at is None:
        if status == Status.SUCCEEDED:
            return NEITHER
        yet = " yet" if status in UNFINISHED and status != Status.FAILED else ""
        return f"Its end has not been verified by value{yet}."
    at = in_utc(progress.verified_at)
    if progress.survivors is None:
        return f"On {at} {INCONCLUSIVE}: {start_over(action_on(facts.rotation, 'cancel'))}."
    found = f"{progress.survivors:,} of {progress.revoked or 0:,} survived"
    return COMPARED.format(at=at, found=found)


def list_limits(options: dict[str, Any]) -> list[str]:
    """What the rotation could not reach, whatever it did."""
    own = ((SELECTED, "where"), (OWN_TOKENS, "expression"))
    return [*REACH, *(text for text, name in own if options.get(name))]
