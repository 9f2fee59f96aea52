"""Records a rotation for a serving process to pick up, once its plan was shown."""

from dataclasses import dataclass, field
from itertools import islice

from ..engine.db.stop import StopSwitch
from ..engine.errors import Refused
from ..engine.events import REFUSE, Found
from ..engine.options import Options
from ..engine.runner import RotationDriver
from ..engine.table.plan import Plan
from ..engine.table.target import TargetName
from ..engine.text import count, one_line, shown
from ..models import Rotation
from . import planned
from .dry_run import SHOWN


@dataclass(frozen=True)
class ShownWindow:
    """One of a plan's first windows."""

    first: str  #: key
    last: str  #: key
    rows: int


@dataclass(frozen=True)
class ShownPlan:
    """What a recorded rotation would do, as facts for a page. Nothing in it is a token."""

    target: str
    findings: list[Found]  #: refusals first
    facts: dict[str, str]  #: by their names, in order
    windows: list[ShownWindow] = field(default_factory=list)  #: the first ones
    more: str = ""  #: windows after those, in words
    statement: str = ""  #: SQL of the first window; empty without one

    @property
    def refused(self) -> bool:
        """Whether the rotation can't be recorded as things are."""
        return any(one.level == REFUSE for one in self.findings)


class Proposal:
    """A new rotation that somebody may record.

    Raises Refused if one of the same table is unfinished. `amcheck_seconds` limits the preflight's
    check of indexes: the run checks for longer before it starts. Other tables are named only to who may
    know about them, `names_others`.
    """

    def __init__(
        self,
        alias: str,
        name: TargetName,
        options: Options,
        stop: StopSwitch,
        amcheck_seconds: float,
        names_others: bool,
    ) -> None:
        self.driver = RotationDriver(alias, name, options, stop, lambda event: None)
        self.driver.amcheck_seconds = amcheck_seconds
        self.driver.names_others = names_others
        if unfinished := self.driver.unfinished():
            raise Refused(f"{unfinished} is unfinished: let it finish, or cancel it on its page")

    def plan(self) -> ShownPlan:
        """Look at the table and at what is around it; nothing is written.

        Raises Refused if no plan can be made. Findings that forbid the rotation are part of what is
        returned, and then nothing else is looked up.
        """
        driver = self.driver
        target = driver.target
        findings = driver.findings()
        by = "Walked by" if driver.options.walk else "Primary key"
        facts = {"Column": target.label, by: f"{one_line(target.pk)} ({target.pk_type})"}
        facts["Server"] = str(driver.where)
        if findings and findings[0].level == REFUSE:
            return ShownPlan(target.label, findings, facts)
        plan = driver.plan(None, count=True)
        facts |= _of_size(plan)
        facts["Time"] = str(driver.forecast(None, plan.size.tokens) or "unknown until it runs")
        if not plan.statement:
            return ShownPlan(target.label, findings, facts)
        windows, more = self._first_windows(plan)
        facts |= _of_windows(plan)
        return ShownPlan(target.label, findings, facts, windows, more, plan.statement)

    def _first_windows(self, plan: Plan) -> tuple[list[ShownWindow], str]:
        walk = self.driver.walk(plan)
        windows = [ShownWindow(shown(one.lo), shown(one.hi), one.keys) for one in islice(walk, SHOWN)]
        complete = next(walk, None) is None
        walk.close()
        if complete:
            return windows, f"{count(len(windows), 'window')} in total."
        return windows, f"And so on, {planned.rest_of(plan)}."

    def record(self, reason: str, by: str) -> Rotation:
        """Record it. Raises Refused if the preflight forbids it."""
        return self.driver.record(reason, by)


def _of_size(plan: Plan) -> dict[str, str]:
    """How many rows, in how many lanes, and what rewriting them costs."""
    facts = {"Rows": planned.rows_of(plan)}
    if plan.target.recipe.where:
        facts["Only rows where"] = one_line(plan.target.recipe.where)
    facts["Lanes"] = f"{len(plan.lanes):,}" if plan.lanes else "none: the table has no rows"
    return facts | planned.costs_of(plan)


def _of_windows(plan: Plan) -> dict[str, str]:
    """How large windows are, what new tokens are, and by what a window's rows are found."""
    facts = {"Windows": planned.windows_of(plan), "New tokens": planned.tokens_of(plan)}
    if companions := plan.target.recipe.companions:
        facts["Set along with them"] = ", ".join(one_line(one.column) for one in companions)
    return facts | {"Found by": plan.explained}
