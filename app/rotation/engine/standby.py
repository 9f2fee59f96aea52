"""Standing by: every lane is in other hands, and this worker goes on as soon as one comes to rest."""

from app.rotation.engine.database import Session
from app.rotation.engine.events import StandingBy, TookOver
from app.rotation.engine.naming import colleague

LOOK_SECONDS = 0.5  # how often a process that stands by looks at the lanes


def unfinished_lanes(session: Session, rotation: int, stage: str) -> list[dict]:
    """The lanes with work left in a stage, as look_at_lanes.sql sees them."""
    return session.rows("look_at_lanes", rotation=rotation, stage=stage, worker=session.worker)


def stand_by(session: Session, rotation: int, stage: str) -> None:
    """Wait until a lane is free and stays where it is: a lane between two windows moves on.

    Returns at once if a lane is at rest now, or none has work left; early when a stop is requested.
    Waiting for other workers of the same process is not worth a word.
    """
    told, before = "", None
    while lanes := unfinished_lanes(session, rotation, stage):
        positions = [(lane["lane"], lane["position"]) for lane in lanes]
        held = [lane for lane in lanes if lane["pid"]]
        at_rest = len(held) < len(lanes) and positions == before
        if at_rest or not all(lane["busy"] for lane in lanes):
            if told:
                session.emit(TookOver())
            return
        before = positions
        who = (held or lanes)[0]["worker"]
        ours = any(colleague(session.worker, lane["worker"]) for lane in lanes)
        if not ours and who.partition(" (pid ")[0] != told.partition(" (pid ")[0]:
            told = who
            session.emit(StandingBy(told))
        if session.stop.wait(LOOK_SECONDS):
            return
