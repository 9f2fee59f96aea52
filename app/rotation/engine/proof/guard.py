"""The guard on the target: finds, checks, installs and drops it."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from ...models import Rotation
from ...triggers import INSTALLED_PREFIX
from ..db.blockers import BlockerWatch
from ..db.retry import Wait
from ..db.session import Session
from ..errors import LockConflict, Refused, Stopped
from ..events import Waiting
from ..kept import as_kept
from ..options import Options
from ..table.target import Target


@dataclass(frozen=True)
class FoundGuard:
    """The guard of a column as the catalog has it."""

    name: str  #: of its first trigger
    problem: str | None  #: why it can't be relied on
    drops: list[str]  #: statements that drop it

    @property
    def installed(self) -> bool:
        """Whether a run installed it, and not a model's migrations."""
        return self.name.startswith(INSTALLED_PREFIX)


def find_guard(session: Session, target: Target) -> FoundGuard | None:
    """The guard of the target's column, or None."""
    with session.looking("reading the guard"):
        halves = session.rows("inspect_guard", oid=target.oid, attnum=target.attnum)
    if not halves:
        return None
    problem = next((half["problem"] for half in halves if half["problem"]), None)
    if {half["inserting"] for half in halves} != {False, True}:
        problem = "one of its two triggers is missing"
    elif len(halves) > 2:
        problem = "it is installed more than once"
    return FoundGuard(halves[0]["name"], problem, [half["drop"] for half in halves])


def stands(guard: FoundGuard | None) -> bool:
    """Whether a guard exists, and nothing makes it pass what it should not."""
    return guard is not None and guard.problem is None


def wanted(rotation: Rotation, target: Target, options: Options) -> bool:
    """Whether a finished rotation should have a guard, which a run may reinstall."""
    kept = as_kept(rotation.options).get("guard", True)
    return options.guard and kept is True and target.placement.takes_guard


def require_standing(session: Session, target: Target) -> None:
    """Raise Refused if nothing keeps revoked tokens out of the target at the end of a rotation."""
    found = find_guard(session, target)
    if not stands(found):
        problem = found.problem if found else "it is gone"
        raise Refused(
            f"the guard of {target.label} can no longer be relied on ({problem}): find out what changed"
            " it, then run the same command again, which reinstalls it and verifies again"
        )


def require_guard(session: Session, target: Target, options: Options) -> bool:
    """Install the guard unless it stands; whether it had to be installed.

    Raises Stopped if the table's lock is not available within the patience.
    """
    found = find_guard(session, target)
    if stands(found):
        return False
    keeps = found is not None and not found.installed
    name = found.name if found and keeps else None  # None: named after its function

    def install() -> list[str]:
        if stands(find_guard(session, target)):
            return []  # another process was faster
        rows = session.rows("prepare_guard", oid=target.oid, attnum=target.attnum, name=name)
        return [row["statement"] for row in rows]

    _alter(session, options, "installing the guard", install)
    now = find_guard(session, target)
    if not stands(now):
        problem = now.problem if now else "it is gone again"
        raise Refused(f"the guard of {target.label} was installed, but can't be relied on: {problem}")
    return True


def drop_guard(session: Session, target: Target, options: Options) -> str:
    """Drop the guard that a run installed; return its name.

    Raises Refused if there is none, or if it belongs to a model's migrations.
    """
    guard = find_guard(session, target)
    if guard is None:
        raise Refused(f"{target.label} has no guard")
    if not guard.installed:
        raise Refused(
            f"the guard {guard.name} of {target.label} belongs to a model:"
            " remove TokenGuard from its Meta.triggers, then makemigrations and migrate"
        )
    _alter(session, options, "dropping the guard", lambda: guard.drops)
    return guard.name


def _alter(session: Session, options: Options, what: str, prepare: Callable[[], list[str]]) -> None:
    """Run statements that need the table's lock: try for it briefly and often, and name its holder."""
    wait = Wait(session, options.lock_patience)
    while True:
        blockers: list[str] = []
        try:
            _attempt(session, options, what, prepare, blockers.append)
        except LockConflict as conflict:
            who = blockers[0] if blockers else "a session that could not be named"
            if wait.over:
                raise Stopped(
                    f"{what}: no lock on the table for {options.lock_patience:.0f} s ({conflict};"
                    f" held by {who}): end that session, then run the same command again"
                ) from conflict
            if wait.due():
                session.emit(Waiting(what, who))
            # While we wait for the lock, everyone else queues behind us: rest longer than we wait.
            pause = max(0.2, options.lock_timeout_ms / 1000)
            seconds = random.uniform(pause, 3 * pause)  # noqa: S311 (jitter, not a secret)
            wait.rest(seconds, "; run the same command again to continue")
        else:
            return


def _attempt(
    session: Session,
    options: Options,
    what: str,
    prepare: Callable[[], list[str]],
    blocked_by: Callable[[str], None],
) -> None:
    with session.transaction():
        lock_timeout = f"{options.lock_timeout_ms}ms"
        pid = session.row("open_install", worker=session.worker, lock_timeout=lock_timeout)["pid"]
        with BlockerWatch(session.alias, pid) as watch:
            try:
                for statement in prepare():
                    session.script(statement, what)
            finally:
                if watch.blockers:
                    blocked_by(watch.blockers)
