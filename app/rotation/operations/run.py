"""Runs one rotation, from the first signal handler to the last line."""

from collections.abc import Callable

from ..engine.errors import Refused, in_a_line
from ..engine.options import Options
from ..engine.proof.leaked import LeakedList
from ..engine.runner import RotationDriver
from ..engine.table.target import TargetName
from ..engine.text import count
from .attending import attended
from .output import Output
from .wording import summary


def confirmed(driver: RotationDriver, new: bool, confirm: Callable[[str], bool]) -> bool:
    """Whether a person wants what a run would start now; one that only continues is not asked for."""
    if driver.unfinished(new) or (driver.finished() and not new):
        return True
    size = driver.plan(None, count=True).size
    rows = "an unknown number of rows" if size.tokens is None else count(size.tokens, "row")
    about = "" if size.exact or size.tokens is None else "about "
    return confirm(
        f"Replace {driver.target.label} of {about}{rows}? The old tokens stop working, for good."
    )


def run_rotation(
    alias: str,
    name: TargetName,
    options: Options,
    reporter: Output,
    new: bool = False,
    reason: str = "",
    leaked: LeakedList | None = None,
    confirm: Callable[[str], bool] | None = None,
) -> None:
    """Start or resume a rotation and report how it ended. Raises the engine's errors.

    `confirm`: asked before a new rotation is started, which can't be taken back.
    """
    with attended([alias], reporter, new=new) as stop:
        try:
            driver = RotationDriver(alias, name, options, stop, reporter)
            reporter(driver.where)
            if confirm and not confirmed(driver, new, confirm):
                raise Refused("not confirmed: nothing was changed")
            outcome = driver.run(new=new, reason=reason, leaked=leaked)
        except Exception as error:
            reporter.close()
            reporter.ended(in_a_line(error), getattr(error, "exit_code", 1))
            raise
        reporter.close()
        reporter.ended(summary(outcome), 0)
