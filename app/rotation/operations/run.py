"""Runs one rotation, from the first signal handler to the last line."""

from ..engine.errors import RotationError
from ..engine.options import Options
from ..engine.proof.leaked import LeakedList
from ..engine.runner import RotationDriver
from ..engine.table.target import TargetName
from .attending import attended
from .output import Output
from .wording import summary


def run_rotation(
    alias: str,
    name: TargetName,
    options: Options,
    reporter: Output,
    new: bool = False,
    reason: str = "",
    leaked: LeakedList | None = None,
) -> None:
    """Start or resume a rotation and report how it ended. Raises the engine's errors."""
    with attended([alias], reporter) as stop:
        try:
            driver = RotationDriver(alias, name, options, stop, reporter)
            reporter(driver.where)
            outcome = driver.run(new=new, reason=reason, leaked=leaked)
        except RotationError as error:
            reporter.close()
            reporter.ended(str(error), error.exit_code)
            raise
        reporter.close()
        reporter.ended(summary(outcome), 0)
