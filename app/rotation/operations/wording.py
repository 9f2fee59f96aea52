"""Facts about a rotation in words, the same on a terminal, on a page and in the report."""

import resource
from datetime import datetime, timezone
from typing import Any

from django.utils.dateparse import parse_datetime

from ..engine.kept import kept_lastingly
from ..engine.options import as_given
from ..engine.proof.verdict import INCONCLUSIVE, say
from ..engine.state import transitions
from ..engine.state.commands import command_of
from ..engine.state.progress import Outcome, Progress
from ..engine.state.status import State
from ..engine.text import count, duration, in_utc, of_rows, peak_memory_mb, size
from ..models import Rotation, Status

HELD_BACK = "Held back: "
#: What an option without a value means, where that is not 'off'.
UNSET = {
    "window": "sized while running",
    "lanes": "16, or 1 for a small table",
    "where": "all rows",
    "walk": "the primary key",
    **dict.fromkeys(("format", "expression", "notify", "throttle_sql"), "none"),
}
BYTES = {"max_wal", "critical_wal", "max_lag_bytes", "min_free"}  # options that are sizes
A_SECOND = {"max_wal_rate"}  # sizes a second


def summary(outcome: Outcome) -> str:
    """The last line of a run."""
    progress = outcome.progress
    name = f"rotation {outcome.rotation} of {outcome.target}"
    if outcome.already:
        when = in_utc(progress.finished_at) if progress.finished_at else ""
        return (
            f"Nothing was replaced now: {name} was finished {when} ({count(progress.rows_done, 'row')},"
            f" {show_proof(progress)}); to replace them all again, add --new"
        )
    memory = peak_memory_mb(resource.getrusage(resource.RUSAGE_SELF))
    pace = f", {outcome.rows / outcome.seconds:.0f} rows/s" if outcome.rows else ""
    return (
        f"{name} succeeded: {count(progress.rows_done, 'row')} in {count(progress.windows, 'window')},"
        f" {show_proof(progress)};"
        f" this run: {count(outcome.rows, 'row')} in {outcome.seconds:.1f} s{pace},"
        f" client memory {memory:.0f} MB"
    )


def show_proof(progress: Progress) -> str:
    """What the latest verification found, if there was one."""
    if progress.verified_at is None:
        return "not verified"
    return say(progress.survivors, progress.revoked or 0, progress.verified_at)


def conclude(rotation: Rotation, progress: Progress) -> str:
    """The outcome of a rotation in a sentence or two; what may change is taken from `progress` only."""
    scope = rotation.target + of_rows(kept_lastingly(rotation.options).get("where"))
    if progress.verified_at is None:
        return f"Rotation {rotation.pk} of {scope} {_how_far(rotation, progress)}."
    found = say(progress.survivors, progress.revoked or 0, progress.verified_at, scope, mark=",")
    sentence = f"{found[0].upper()}{found[1:]}."
    if progress.status == Status.SUCCEEDED:
        return sentence
    if progress.status == Status.CANCELLED:
        return f"{sentence} The rotation was cancelled after {show_rows(progress)} tokens were replaced."
    return f"{sentence} The rotation is {progress.status}."


def _how_far(rotation: Rotation, progress: Progress) -> str:
    """What a rotation whose end was not verified has done."""
    unverified = "it has not been verified by value"
    replaced = f"{show_rows(progress)} tokens replaced"
    if progress.status == Status.PENDING:
        begun = "has begun" if began_at(rotation) else "is recorded"
        done = f"takes its snapshot, {show_taken(progress)}" if progress.in_snapshot else begun
        return f"{done}; no token has been replaced yet"
    if progress.status != Status.CANCELLED:
        is_ = "" if progress.status in (Status.SUCCEEDED, Status.FAILED) else "is "
        return f"{is_}{progress.status}, {replaced}; {unverified}"
    if rows_replaced(rotation):
        return f"was cancelled, {replaced}, because other rows took the place of the table's"
    if not progress.rows_done:
        return "was cancelled before any token was replaced: every row kept its leaked one"
    if progress.complete:
        return f"was cancelled after its last window, {replaced}; {unverified}"
    return f"was cancelled, {replaced}: every other row kept its leaked one"


def rows_replaced(rotation: Rotation) -> bool:
    """Whether the rows that it rotated are no more, because others took their place."""
    steps = (one.get("what") for one in show_steering(rotation))
    return rotation.retired_at is not None or transitions.ROWS_REPLACED in steps


def show_survivors(survivors: int | None) -> str:
    """How many revoked tokens a verification found."""
    return f"not known: {INCONCLUSIVE}" if survivors is None else f"{survivors:,} survive"


def show_steering(rotation: Rotation) -> list[dict[str, Any]]:
    """Who paused, resumed, tuned or cancelled it, and when."""
    return [one | {"at": _moment(one["at"])} for one in transitions.steps_of(rotation)]


def _moment(text: str) -> datetime | None:
    """A time that others may have written; None if Python knows no such time."""
    try:
        found = parse_datetime(text)
        return found and found.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def why_nothing_happens(rotation: Rotation, state: State) -> str:
    """Why a rotation makes no progress, or nothing."""
    if state.unserved and not began_at(rotation):
        return "Recorded, but no process serves it: run python manage.py rotate_tokens_sql --serve."
    if state.stalled or state.unserved:
        return f"No process is working on it: run {command_of(rotation)} to continue."
    return HELD_BACK + state.progress.throttle if state.progress.throttle else ""


def show_taken(progress: Progress) -> str:
    """How many tokens are in the snapshot that is being taken."""
    if progress.rows_total is None:
        return f"about {progress.tokens:,} tokens so far"
    about = "" if progress.rows_total_exact else "~"
    return f"{min(progress.tokens, progress.rows_total):,} of {about}{progress.rows_total:,} tokens"


def show_rows(progress: Progress) -> str:
    """Rows done of how many."""
    total = "unknown" if progress.rows_total is None else f"{progress.rows_total:,}"
    about = "" if progress.rows_total_exact or progress.rows_total is None else "~"
    if progress.rows_done > (progress.rows_total or progress.rows_done):  # some came later
        return f"{progress.rows_done:,} ({about}{total} at the start)"
    return f"{progress.rows_done:,} of {about}{total}"


def show_left(progress: Progress) -> str:
    """How many rows hold their old token, in words."""
    if progress.verified_at and progress.survivors is not None:
        held = "1 row holds" if progress.survivors == 1 else f"{progress.survivors:,} rows hold"
        return f"{held} a revoked token, by the verification of {in_utc(progress.verified_at)}"
    if progress.rows_total is None or not progress.rows_done:
        return f"every {'other ' * bool(progress.rows_done)}row keeps its leaked token"
    # Of rows that came later some are among those done, and of the others some may be gone.
    rows = max(0, progress.rows_total - progress.rows_done)
    keep = "1 row keeps its leaked token" if rows == 1 else f"{rows:,} rows keep their leaked token"
    return f"about {keep} (rows that came or went since the start are not counted)"


def show_pace(progress: Progress) -> str:
    """Rows a second, including the time windows were held back."""
    return f"{progress.rows_per_second:,.0f} rows/s" if progress.rows_per_second else "–"


def began_at(rotation: Rotation) -> datetime | None:
    """When a process first took it up."""
    return rotation.begun_at or rotation.started_at


def show_duration(rotation: Rotation) -> str:
    """How long it took, or has taken so far: with pauses and interruptions."""
    began = began_at(rotation)
    if began is None:
        return "–"
    until = rotation.finished_at or datetime.now(timezone.utc)
    return duration(max(0.0, (until - began).total_seconds()))


def average_pace(rotation: Rotation, progress: Progress) -> float | None:
    """Rows a second from start to end: with snapshot and proof, waits, pauses and interruptions."""
    began = began_at(rotation)
    if began is None or rotation.finished_at is None or not progress.rows_done:
        return None
    return progress.rows_done / max((rotation.finished_at - began).total_seconds(), 0.001)


def show_option(name: str, value: Any) -> str:
    """An option's value as a person understands it."""
    if value is None:
        return UNSET.get(name, "off")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if name in A_SECOND and isinstance(value, int):
        return f"{size(value)}/s"
    return size(value) if name in BYTES and isinstance(value, int) else as_given(value)
