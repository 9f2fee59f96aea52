"""A rotation in lines of text, for `rotation status` and `rotation watch`."""

from typing import Any

from ..engine.db.session import Session
from ..engine.kept import as_kept
from ..engine.state.commands import action_on, command_of
from ..engine.state.progress import Progress
from ..engine.state.status import State, share_of, why_failed
from ..engine.text import count, in_utc, of_rows, shown
from ..models import Rotation, Status
from ..operations.wording import average_pace, began_at, show_duration, show_left, show_proof
from .bar import EMPTY, FULL, progress_line

LANE_BAR = 10  # columns
OVER = (Status.SUCCEEDED, Status.CANCELLED)


def headline(session: Session, rotation: Rotation, state: State) -> str:
    """Which rotation it is, its state, and what to do if nothing is done by itself."""
    status = state.progress.status
    its = command_of(rotation)
    more = ""
    if status == Status.FAILED:
        more = f": {why_failed(session, rotation, state.progress)}; run {its} to continue"
    elif state.stalled:
        more = f", but no process is working on it: run {its} again to continue"
    elif state.unserved and began_at(rotation):
        more = f", but no process is working on it: run {its} again, which starts with the snapshot"
    elif state.unserved:
        more = f", but no process has taken it up: run {its} to start"
    elif state.deserted:
        more = f", and no process waits for it: run {action_on(rotation, 'resume')}, then {its}"
    elif state.workers:
        more = f", {count(state.workers, 'worker')}"
    return f"{rotation}{of_rows(as_kept(rotation.options).get('where'))}: {status}{more}"


def overview(session: Session, rotation: Rotation, state: State) -> list[str]:
    """The lines of `rotation status`."""
    progress = state.progress
    lines = [headline(session, rotation, state)]
    over = progress.status in OVER
    lines.append(_how_it_went(rotation, progress) if over else progress_line(progress))
    if progress.verified_at or over:
        lines.append(f"proof: {show_proof(progress)}")
    began = began_at(rotation)
    when = f"started {in_utc(began)}" if began else f"recorded {in_utc(rotation.created_at)}"
    reason = f"; reason: {rotation.reason}" if rotation.reason else ""
    lines.append(f"{when} by {rotation.operator}@{rotation.host}{reason}")
    return lines


def _how_it_went(rotation: Rotation, progress: Progress) -> str:
    """What a rotation that is over has done, in which time."""
    done = f"{count(progress.rows_done, 'row')} in {count(progress.windows, 'window')}"
    if progress.finished_at:
        pace = average_pace(rotation, progress)
        average = f", {pace:.0f} rows/s on average" if pace else ""
        took = f"{show_duration(rotation)} from start to end{average}"
        done += f", {took}, ended {in_utc(progress.finished_at)}"
    return f"{done}; {show_left(progress)}" if progress.status == Status.CANCELLED else done


def history_line(one: dict[str, Any]) -> str:
    """One rotation of `rotation history`, from what `rotation history --json` says of it."""
    start, end = (
        one[key][:19].replace("T", " ") if one[key] else "" for key in ("begun_at", "finished_at")
    )
    when = f"{start} to {end} UTC" if start and end else f"since {start} UTC" if start else "not begun"
    if end and not start:
        when = f"never begun, ended {end} UTC"
    left = ", no process is working on it" if one["stalled"] else ""
    where = as_kept(one["options"]).get("where")
    rows = f" (where {where})" if where else ""
    reason = f" | {one['reason']}" if one["reason"] else ""
    return (
        f"{one['id']:>4}  {one['status']:<10} {one['table']}.{one['column']}{rows}"
        f"  {count(one['rows_done'], 'row')}  {when}{left}"
        f"  {one['operator']}@{one['host']}{reason}"
    )


def lane_lines(lanes: list[dict[str, Any]], most: int) -> list[str]:
    """A line for each lane that is not at its end, at most so many, and a sum of the others."""
    open_ones = [one for one in lanes if not one["done"]]
    told = sorted(open_ones, key=lambda one: one["last_id"] is None)[:most]
    told.sort(key=lambda one: int(one["lane"]))
    wide = max((len(str(one["lane"])) for one in told), default=1)
    lines = [f"lane {one['lane']:>{wide}}  {_lane(one)}" for one in told]
    rest = []
    if len(lanes) > len(open_ones):
        rest.append(f"{len(lanes) - len(open_ones)} done")
    if len(open_ones) > len(told):
        rest.append(f"{len(open_ones) - len(told)} more to do")
    return [*lines, f"lanes: {', '.join(rest)}"] if rest else lines


def _lane(lane: dict[str, Any]) -> str:
    """How far a lane is: a bar where its keys are numbers, else its last key."""
    if lane["last_id"] is None:
        return "not begun"
    share = share_of(lane)
    at = f"up to {shown(str(lane['last_id']))}, {count(lane['rows'], 'row')}"
    if share is None:
        return at
    filled = int(LANE_BAR * share)
    return f"{FULL * filled}{EMPTY * (LANE_BAR - filled)} {share:4.0%}  {at}"
