"""Runs one rotation, from the first signal handler to the last line."""

from collections.abc import Callable, Collection, Sequence

from ..engine.db.stop import StopSwitch
from ..engine.errors import Refused, in_a_line
from ..engine.events import Emit
from ..engine.options import Options
from ..engine.proof.leaked import LeakedList
from ..engine.runner import RotationDriver
from ..engine.state.progress import Outcome
from ..engine.table.target import TargetName
from ..engine.text import count, one_line
from .attending import attended
from .herald import Herald
from .output import Output
from .wording import summary

#: Asks a person, until a stop is requested.
Confirm = Callable[[str, StopSwitch], bool]


def confirmed(driver: RotationDriver, new: bool, confirm: Confirm, stop: StopSwitch) -> bool:
    """Whether a person wants what a run would start now; one that only continues is not asked for."""
    if driver.unfinished(new) or (not new and driver.finished()):
        return True
    driver.tell_findings()  # a person decides by them
    size = driver.plan(None, count=True).size
    rows = "an unknown number of rows" if size.tokens is None else count(size.tokens, "row")
    about = "" if size.exact or size.tokens is None else "about "
    recipe = driver.target.recipe
    where = f" (where {one_line(recipe.where)})" if recipe.where else ""
    also = "".join(f", and set {one_line(one.column)}" for one in recipe.companions)
    return confirm(
        f"Replace {driver.target.label} of {about}{rows}{where}{also}? The old tokens stop working, for"
        " good.",
        stop,
    )


def rotate(
    alias: str,
    name: TargetName,
    options: Options,
    stop: StopSwitch,
    emit: Emit,
    new: bool = False,
    reason: str = "",
    leaked: LeakedList | None = None,
    confirm: Confirm | None = None,
    hook: Sequence[str] = (),
    next_ones: Collection[str] = (),
) -> Outcome:
    """Start or resume a rotation, and work until it is done. Raises the engine's errors.

    `confirm`: asked before a new rotation is started, which can't be taken back. `hook`: see herald.
    `next_ones`: full names of targets that the same command turns to next.
    """
    herald = Herald(alias, hook, emit)
    driver = RotationDriver(alias, name, options, stop, herald)
    driver.next_ones = next_ones
    emit(driver.where)
    if confirm and not confirmed(driver, new, confirm, stop):
        raise Refused("not confirmed: nothing was changed")
    return herald.run(lambda: driver.run(new=new, reason=reason, leaked=leaked))


def run_rotation(
    alias: str,
    name: TargetName,
    options: Options,
    reporter: Output,
    new: bool = False,
    reason: str = "",
    leaked: LeakedList | None = None,
    confirm: Confirm | None = None,
    hook: Sequence[str] = (),
) -> None:
    """Rotate, see there, obey signals meanwhile, and report how it ended."""
    with attended([alias], reporter, new=new) as stop:
        try:
            outcome = rotate(alias, name, options, stop, reporter, new, reason, leaked, confirm, hook)
        except Exception as error:
            reporter.close()
            reporter.ended(in_a_line(error), getattr(error, "exit_code", 1))
            raise
        reporter.close()
        reporter.ended(summary(outcome), 0)
