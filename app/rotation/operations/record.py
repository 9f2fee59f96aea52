"""Records a rotation for a serving process to pick up, once its plan was shown."""

from dataclasses import dataclass, field
from itertools import islice

from ..engine.db.stop import StopSwitch
from ..engine.errors import Refused
from ..engine.events import REFUSE, Found
from ..engine.formats import UUID_BITS
from ..engine.options import Options
from ..engine.runner import RotationDriver
from ..engine.table.plan import Plan
from ..engine.table.target import TargetName
from ..engine.text import count, one_line, shown, size
from ..models import Rotation
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
        about = f"about {-(-plan.size.keys // plan.window_size):,}" if plan.size.keys else "more"
        last = shown(plan.lanes[-1].upper)
        return windows, f"And so on, up to {last}; {about} in total; --dry-run -v 2 lists them."

    def record(self, reason: str, by: str) -> Rotation:
        """Record it. Raises Refused if the preflight forbids it."""
        return self.driver.record(reason, by)


def _of_size(plan: Plan) -> dict[str, str]:
    """How many rows, in how many lanes, and what rewriting them costs."""
    its = plan.size
    about = "" if its.exact else "about "
    rows = "unknown: ANALYZE the table for an estimate"
    if its.keys is not None:
        rows = f"{about}{its.keys:,}, {about}{its.tokens:,} with a token"
    facts = {"Rows": rows}
    if plan.target.recipe.where:
        facts["Only rows where"] = one_line(plan.target.recipe.where)
    facts["Lanes"] = f"{len(plan.lanes):,}" if plan.lanes else "none: the table has no rows"
    if its.wal_bytes:
        least, most = its.wal_bytes
        facts["WAL"] = f"about {size(least)}, at most {size(most)} with full-page images"
    facts["Disk"] = f"grows by at most {size(its.growth_bytes)} until the next vacuum"
    return facts


def _of_windows(plan: Plan) -> dict[str, str]:
    """How large windows are, what new tokens are, and by what a window's rows are found."""
    recipe = plan.target.recipe
    sized = f"at most {plan.window_size:,} rows"
    if not plan.options.window:
        sized = f"sized while running; shown here with {plan.window_size:,} rows"
    tokens = "UUIDs, spelled as the old ones"
    if recipe.expression:
        tokens = f"by the operator's own SQL: {one_line(recipe.expression)}"
    elif recipe.form:
        tokens = recipe.form.template
    if not recipe.expression:
        whole = recipe.form.random_bits if recipe.form else UUID_BITS
        left = plan.target.slices.random_bits if plan.target.slices.bits else whole
        tokens += f": {left} random bits" if left == whole else f": {left} of {whole} random bits"
    facts = {"Windows": f"one transaction each, {sized}", "New tokens": tokens}
    if recipe.companions:
        facts["Set along with them"] = ", ".join(one_line(one.column) for one in recipe.companions)
    return facts | {"Found by": plan.explained}
