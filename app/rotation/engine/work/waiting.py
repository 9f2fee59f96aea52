"""A worker waits: for a lane that another process works on, or for the end of a pause."""

from collections.abc import Callable
from typing import Any

from ..db.identity import colleague
from ..db.session import Session
from ..events import Paused, Resumed, StandingBy, TookOver
from ..state.transitions import acknowledge_pause

LOOK_SECONDS = 0.5  # how often a worker that stands by looks at the lanes
NAP_SECONDS = 0.05  # how often it asks whether it is to leave
LaneRow = dict[str, Any]
PAUSE_LOOK_SECONDS = 0.3  # how often a paused process looks whether it may go on


def unfinished_lanes(session: Session, rotation: int, stage: str) -> list[LaneRow]:
    """The lanes with work left in a stage, as look_at_lanes.sql sees them."""
    return session.rows("look_at_lanes", rotation=rotation, stage=stage, worker=session.worker)


def wait_for_lane(
    session: Session, rotation: int, stage: str, leaving: Callable[[], bool] | None = None
) -> None:
    """Wait until a lane is free and stays where it is: a lane between two windows moves on.

    Returns at once if a lane is at rest now, or none has work left; early when a stop is requested.
    One of a crew at work says when it is `leaving`, and returns then, too. Without it, the workers of
    this process have left, and what they moved a moment ago is at rest.
    """
    crew = leaving is not None
    told = ""
    before: dict[int, str] = {}
    while lanes := unfinished_lanes(session, rotation, stage):
        if any(_at_rest(lane, before, "" if crew else session.worker) for lane in lanes):
            if told:
                session.emit(TookOver())
            return
        who = _whom(lanes, session.worker)
        if who and who.partition(" (pid ")[0] != told:
            told = who.partition(" (pid ")[0]
            session.emit(StandingBy(who))
        before = {lane["lane"]: lane["position"] for lane in lanes}
        for _ in range(round(LOOK_SECONDS / NAP_SECONDS)):
            if session.stop.wait(NAP_SECONDS) or (leaving and leaving()):
                return


def _at_rest(lane: LaneRow, before: dict[int, str], left: str) -> bool:
    """Whether nobody works on a lane; the colleagues of the worker `left` don't."""
    if lane["pid"]:
        return False
    stays = before.get(lane["lane"]) == lane["position"]
    return not lane["busy"] or stays or bool(left and colleague(left, lane["worker"]))


def _whom(lanes: list[LaneRow], worker: str) -> str:
    """Who works on the lanes; "" if it is not known yet, or not worth a word: a colleague."""
    held = [lane for lane in lanes if lane["pid"]] or lanes
    names = [lane["worker"] or "" for lane in held]
    return "" if any(colleague(worker, name) for name in names) else names[0]


def wait_while_paused(session: Session, rotation: int, leaving: Callable[[], bool]) -> None:
    """Acknowledge a request to pause, and return when it is over or the caller is to leave."""
    if not session.through_outages(lambda: acknowledge_pause(session, rotation)):
        return
    session.emit(Paused(rotation))
    while not leaving():
        session.stop.wait(PAUSE_LOOK_SECONDS)
        if not session.through_outages(lambda: acknowledge_pause(session, rotation)):
            session.emit(Resumed(rotation))
            return
