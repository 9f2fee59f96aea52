"""The window plan, and what the preflight finds. Nothing is written."""

from itertools import islice
from typing import Any

from ..engine.errors import LockConflict, Refused, Stopped
from ..engine.events import REFUSE
from ..engine.options import Options
from ..engine.proof.leaked import LeakedList
from ..engine.proof.revoked import kind_of
from ..engine.proof.token_list import read_tokens
from ..engine.runner import RotationDriver
from ..engine.table.plan import Plan
from ..engine.table.target import TargetName
from ..engine.text import count, shown
from ..models import Rotation
from . import planned
from .attending import attended
from .output import Output

MOST_WALKED = 10_000  # windows that a dry run walks through, unless asked for all
SHOWN = 3  # windows shown at each end
MOST_LANES = 10  # shown, unless asked for all
REBUILD = {"all": "rebuild the indexes that have grown", "token": "rebuild the token's indexes"}


def plan_rotation(
    alias: str,
    name: TargetName,
    options: Options,
    reporter: Output,
    new: bool,
    everything: bool,
    leaked: LeakedList | None = None,
) -> None:
    """Print what a run would do now. Nothing is written to the database."""
    with attended([alias], reporter, patient=False) as stop:
        driver = RotationDriver(alias, name, options, stop, reporter)
        try:
            show_plan(driver, reporter.line, new, everything)
            if leaked:
                asked = (leaked.name, leaked.stream, driver.target.column, kind_of(driver.target))
                listed = sum(1 for _ in read_tokens(*asked))
                reporter.line(f"leaked     {count(listed, 'token')} in {leaked.name}, to be revoked too")
        except LockConflict as conflict:
            raise Stopped(f"dry run ended ({stop.reason or conflict})") from conflict


def show_plan(driver: RotationDriver, write: Any, new: bool, everything: bool) -> None:
    """Print the plan, with all its windows or the first and last.

    Raises Refused, after the findings, if one of them forbids the run.
    """
    rotation = driver.unfinished(new)
    finished = None if rotation or new else driver.finished()
    target = driver.target
    write("Dry run: nothing is written.")
    write(f"server     {driver.where}")
    by = "walked by" if driver.options.walk else "primary key"
    write(f"target     {target.label}, {by} {target.pk} ({target.pk_type})")
    if finished:
        what = REBUILD[driver.options.reindex] if driver.options.reindex else "do nothing"
        write(f"would      {what}: rotation {finished.pk} is finished; --new starts another")
        return
    findings = driver.findings()
    for finding in findings:
        write(f"{finding.level:<10} {finding.text}")
    if findings and findings[0].level == REFUSE:
        raise Refused(f"a run would be refused now: {findings[0].text}")
    plan = driver.plan(rotation, count=True)
    write(f"would      {_intent(plan, rotation)}")
    write(f"rows       {planned.rows_of(plan)}")
    write(f"time       {driver.forecast(rotation, plan.size.tokens) or 'unknown until it runs'}")
    _show_lanes(plan, write, len(plan.lanes) if everything else MOST_LANES)
    if plan.statement:
        _show_windows(driver, plan, write, None if everything else MOST_WALKED)
        _show_statement(plan, write)


def _intent(plan: Plan, rotation: Rotation | None) -> str:
    if rotation:
        return f"resume rotation {rotation.pk}, started by {rotation.operator}@{rotation.host}"
    return "start a new rotation" if plan.lanes else "start a new rotation; the table has no rows"


def _show_lanes(plan: Plan, write: Any, most: int) -> None:
    """A line for each lane, at most so many."""
    for lane in plan.lanes[:most]:
        done = f", done up to {shown(lane.last_id)}" if lane.last_id else ""
        name = f"lane {lane.lane}"
        write(f"{name:<10} {shown(lane.lower)}..{shown(lane.upper)}{done}")
    if len(plan.lanes) > most:
        write(f"           and {count(len(plan.lanes) - most, 'lane')} more; --dry-run -v 2 lists them")


def _show_windows(driver: RotationDriver, plan: Plan, write: Any, most: int | None) -> None:
    write(f"windows    {planned.windows_of(plan)}:")
    total = 0
    last: list[str] = []
    walk = driver.walk(plan)
    for window in islice(walk, most):
        total += 1
        text = f"{total:>9}  {window}  ({count(window.keys, 'row')})"
        if most is None or total <= SHOWN:
            write(text)
        else:
            last = [*last, text][-SHOWN:]
    complete = most is None or next(walk, None) is None
    walk.close()
    if complete:
        if total > 2 * SHOWN and most is not None:
            write("      ...")
        for text in last:
            write(text)
        write(f"           {total} in total")
    else:
        write("      ...")
        write(f"           {planned.rest_of(plan)}")


def _show_statement(plan: Plan, write: Any) -> None:
    lines = plan.statement.splitlines()
    write(f"statement  {lines[0]}")
    for line in lines[1:]:
        write(f"           {line}")
    write(f"tokens     {planned.tokens_of(plan)}")
    write(f"found by   {plan.explained}")
    for name, cost in planned.costs_of(plan).items():
        write(f"{name if name.isupper() else name.lower():<10} {cost}")
