"""The guard of a column: whether it can be relied on, and dropping it."""

from collections.abc import Iterator

from ..engine.db.session import Session
from ..engine.errors import Refused
from ..engine.options import Options
from ..engine.proof.guard import drop_guard, find_guard
from ..engine.state.commands import action_on
from ..engine.state.rotations import find_revoking, rotations
from ..engine.table.target import Target, TargetName, resolve
from ..models import Status


def drop(session: Session, name: TargetName, asked: bool) -> Iterator[str]:
    """Drop the guard that a run installed, and say so; `asked`: see status.

    Raises Refused if there is none.
    """
    target = resolve(session, name, inheritance=True, keyless=True)
    if not asked:
        yield from _of_another(session, target)
    dropped = drop_guard(session, target, Options())
    yield f"{dropped} dropped: revoked tokens can be written to {target.label} again"


def status(session: Session, name: TargetName, asked: bool) -> Iterator[str]:
    """Say whether a column has a guard. Raises Refused if revoked tokens can be written to it.

    `asked`: for this column; else it is the one that a run would take, and one of another may be meant.
    """
    target = resolve(session, name, inheritance=True, keyless=True)
    if not asked:
        yield from _of_another(session, target)
    guard = find_guard(session, target)
    latest = find_revoking(session, target)
    if guard and guard.problem:
        raise Refused(
            f"the guard {guard.name} of {target.label} can't be relied on: {guard.problem};"
            f" run {target.command}, which reinstalls it or says why it can't"
        )
    if guard and latest and latest.status == Status.CANCELLED:
        raise Refused(
            f"{target.label} is guarded by {guard.name}, but {latest} was cancelled: what it revoked"
            f" can be written back; run {target.command} over all rows"
        )
    if not guard and latest:
        raise Refused(
            f"{target.label} has no guard: {latest.revoked} revoked tokens can be written to it;"
            f" {target.command} installs one"
        )
    if not guard:
        yield f"{target.label} has no guard; {target.command} installs one"
        return
    yield f"{target.label} is guarded by {guard.name}"
    if target.partitioned and latest and latest.verifying_at is None:
        yield (
            f"note: until {latest} is verified again, rows with revoked tokens can be inserted"
            " into its partitions, because rows move that way"
        )


def _of_another(session: Session, target: Target) -> Iterator[str]:
    """How to ask for the guard of the latest rotation, if that was of another column."""
    with session.looking("reading the rotations"):
        newest = rotations(session).order_by("-pk").first()
    if newest and newest.target != target.full_name:
        its = action_on(newest, "guard status")
        yield f"note: the latest rotation is of {newest.target}: {its} tells of that one"
