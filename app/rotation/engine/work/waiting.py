"""A worker waits for a lane that another process works on, or for the end of a pause."""

from collections.abc import Callable
from typing import Any

from ..db.identity import colleague
from ..db.session import Session
from ..events import LanesTaken, Paused, Resumed, TookOver
from ..state.commands import action_on
from ..state.rotations import read_rotation
from ..state.transitions import acknowledge_pause

LOOK_SECONDS = 0.5  # how often a waiting worker looks at the lanes
NAP_SECONDS = 0.05  # how often it asks whether to leave
LaneRow = dict[str, Any]
PAUSE_LOOK_SECONDS = 0.3  # how often a paused process checks whether it may continue


def unfinished_lanes(session: Session, rotation: int, stage: str) -> list[LaneRow]:
    """The lanes with work left in a stage, as list_lanes.sql sees them."""
    return session.rows("list_lanes", rotation=rotation, stage=stage, worker=session.worker)


def wait_for_lane(
    session: Session, rotation: int, stage: str, leaving: Callable[[], bool] | None = None
) -> None:
    """Wait until a lane is free and stays where it is: a lane between two windows moves on.

    Returns at once if a lane is idle now, or none has work left; early when a stop is requested. An
    active worker of a pool says when it is `leaving`, and then returns too. Without `leaving`, the
    workers of this process have left, and the lanes that they have just moved are idle.
    """
    in_pool = leaving is not None
    told = ""
    before: dict[int, str] = {}
    while lanes := unfinished_lanes(session, rotation, stage):
        if any(_at_rest(lane, before, "" if in_pool else session.worker) for lane in lanes):
            if told:
                session.emit(TookOver())
            return
        who = _whom(lanes, session.worker)
        if who and who.partition(" (pid ")[0] != told:
            told = who.partition(" (pid ")[0]
            session.emit(LanesTaken(who))
        before = {lane["lane"]: lane["position"] for lane in lanes}
        for _ in range(round(LOOK_SECONDS / NAP_SECONDS)):
            if session.stop.wait(NAP_SECONDS) or (leaving and leaving()):
                return


def _at_rest(lane: LaneRow, before: dict[int, str], left: str) -> bool:
    """Whether a lane is idle; the workers of the same process as `left` have left."""
    if lane["pid"]:
        return False
    stays = before.get(lane["lane"]) == lane["position"]
    return not lane["busy"] or stays or bool(left and colleague(left, lane["worker"]))


def _whom(lanes: list[LaneRow], worker: str) -> str:
    """Who works on the lanes; "" if not known yet, or if it is a worker of this process."""
    held = [lane for lane in lanes if lane["pid"]] or lanes
    names = [lane["worker"] or "" for lane in held]
    return "" if any(colleague(worker, name) for name in names) else names[0]


def wait_while_paused(session: Session, rotation: int, leaving: Callable[[], bool]) -> None:
    """Acknowledge a request to pause; return when the pause is over or the caller should leave."""
    if not session.through_outages(lambda: acknowledge_pause(session, rotation)):
        return
    asked = session.through_outages(lambda: read_rotation(session, rotation))
    session.emit(Paused(rotation, action_on(asked, "resume")))
    while not leaving():
        session.stop.wait(PAUSE_LOOK_SECONDS)
        if not session.through_outages(lambda: acknowledge_pause(session, rotation)):
            session.emit(Resumed(rotation))
            return
