"""The barrier: the wait for every transaction that wrote before the guard stood."""

from collections.abc import Callable

from ..db.retry import Every, Wait
from ..db.session import Session
from ..errors import Stopped
from ..events import Waiting
from ..options import Options
from ..table.target import Target

BARRIER_TELL_SECONDS = 2.0  # how often the sessions that the barrier waits for are named
LOOK_SECONDS = 0.1  # how often the barrier checks who is still writing


def wait_for_writers(
    session: Session, rotation: int, target: Target, options: Options, check: Callable[[], None]
) -> None:
    """The barrier: return when every transaction that writes to the target now has ended.

    Those that start later see what was committed before this call. It takes no lock, so nothing waits
    for it. `check` is called now and then, and may raise. Raises Stopped if one of them does not end
    within the patience.
    """
    placement = target.placement
    patience = options.lock_patience
    every = Every(min(BARRIER_TELL_SECONDS, patience / 2), at_once=False)
    wait = Wait(session, patience, every)
    waited_for = placement.list_writers(session, target.oid, rotation)
    while waited_for:
        wait.rest(LOOK_SECONDS, "; run the same command again to continue")
        check()
        now = placement.list_writers(session, target.oid, rotation)
        waited_for = {key: pid for key, pid in now.items() if key in waited_for}
        if waited_for and wait.due():
            session.emit(Waiting("the barrier", placement.name_writers(session, waited_for)))
        if waited_for and wait.over:
            raise Stopped(
                f"transactions that started writing before the guard are still open"
                f" ({placement.name_writers(session, waited_for)}): end them, or give a longer"
                " --lock-patience; then run the same command again"
            )
