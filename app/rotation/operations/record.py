"""Records a rotation for a serving process to pick up, once its plan was shown."""

from ..engine.db.stop import StopSwitch
from ..engine.errors import Refused
from ..engine.options import Options
from ..engine.runner import RotationDriver
from ..engine.table.target import TargetName
from ..models import Rotation
from .dry_run import SHOWN, show_plan


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

    def plan(self) -> str:
        """The plan with its first windows, as the dry run prints it."""
        lines: list[str] = []
        show_plan(self.driver, lines.append, new=True, everything=False, walked=SHOWN)
        return "\n".join(lines)

    def record(self, reason: str, by: str) -> Rotation:
        """Record it. Raises Refused if the preflight forbids it."""
        return self.driver.record(reason, by)
