"""Several targets of one database, one after another: one exit code."""

from collections.abc import Collection, Sequence

from ..engine.db.stop import StopSwitch
from ..engine.errors import RotationError, UsageError, in_a_line
from ..engine.options import Options
from ..engine.state.progress import Outcome
from ..engine.text import count
from .attending import attended
from .databases import RunRequest, require_fit, worst_of
from .output import Output
from .run import rotate
from .targets import NamedTarget
from .wording import summary


def run_in_turn(
    alias: str,
    targets: list[NamedTarget],
    given: Options,
    reporter: Output,
    new: bool = False,
    reason: str = "",
    hook: Sequence[str] = (),
) -> None:
    """Start or resume the rotation of each target, and report how each ended.

    None is started if one of them is refused. A failure of one does not keep the next from its turn, a
    signal does. Raises RotationError with the worst exit code if any did not finish.
    """
    asked = {
        one.name: RunRequest(one.target, one.combined(given), new, reason, None, hook) for one in targets
    }
    failed: dict[str, Exception] = {}
    done: list[Outcome] = []
    called: dict[str, str] = {}  # by their full names
    left = list(asked)
    with attended([alias], reporter, new=new) as stop:
        for name, request in asked.items():
            called[name] = require_fit(alias, request, stop, name, "nothing was replaced")
        _require_apart(asked, called)
        while left and not stop.requested:
            name = left.pop(0)
            try:
                next_ones = [called[one] for one in left]
                done.append(_run(alias, asked[name], stop, reporter, next_ones))
                reporter.line(f"{name}: {summary(done[-1])}")
            except RotationError as error:
                failed[name] = error
                reporter.line(f"{name}: {in_a_line(error)}")
    reporter.close()
    if not failed and not left:
        reporter.ended(_conclusion(done), 0)
        return
    told = [f"{name}: {in_a_line(error)}" for name, error in failed.items()]
    if left:
        names = " ".join(left)
        again = f" (python manage.py rotate_tokens_sql {names} --new begins them)" if new else ""
        told.append(f"not begun: {', '.join(left)}{again}")
    text = f"{len(failed) + len(left)} of {len(asked)} targets did not finish: {' | '.join(told)}"
    worst = worst_of(failed.values())
    reporter.ended(text, worst.exit_code)
    raise worst(text)


def _require_apart(asked: dict[str, RunRequest], called: dict[str, str]) -> None:
    """Raise UsageError for two of one column, the second of which would be refused after the first."""
    first: dict[str, str] = {}
    for name, request in asked.items():
        other = first.setdefault(called[name], name)
        if other != name and not request.new and request.options.if_finished != "new":
            raise UsageError(
                f"{other} and {name} are both of {called[name]}: rotate {other} first, then {name} with"
                " --new; nothing was replaced"
            )


def _conclusion(done: list[Outcome]) -> str:
    """The last line, if every rotation is finished: what was done now, and what before."""
    before = sum(one.already for one in done)
    text = f"{len(done) - before} of {count(len(done), 'target')} rotated now"
    return text + (f"; of {before} nothing was replaced now: finished before" if before else "")


def _run(
    alias: str, asked: RunRequest, stop: StopSwitch, reporter: Output, next_ones: Collection[str]
) -> Outcome:
    its = (alias, asked.name, asked.options, stop, reporter)
    outcome = rotate(*its, asked.new, asked.reason, hook=asked.hook, next_ones=next_ones)
    reporter.close()
    return outcome
