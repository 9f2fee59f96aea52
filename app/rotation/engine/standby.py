"""Standing by: every lane is in other hands, and this worker goes on as soon as one comes to rest."""

from app.rotation.engine.database import Session
from app.rotation.engine.events import StandingBy, TookOver
from app.rotation.engine.naming import colleague

LOOK_SECONDS = 0.5  # how often a process that stands by looks at the lanes
LOOK_AT_OURS = 0.05  # the same where its own workers hold them: they end in a moment


def unfinished_lanes(session: Session, rotation: int, stage: str) -> list[dict]:
    """The lanes with work left in a stage, as look_at_lanes.sql sees them."""
    return session.rows("look_at_lanes", rotation=rotation, stage=stage, worker=session.worker)


def stand_by(session: Session, rotation: int, stage: str, crew: bool = False) -> None:
    """Wait until a lane is free and stays where it is: a lane between two windows moves on.

    Returns at once if a lane is at rest now, or none has work left; early when a stop is requested.
    Lanes that this process moved a moment ago are at rest, unless its `crew` is at work. Waiting for
    other workers of the same process is not worth a word.
    """
    told, seen, before = "", "", None
    while lanes := unfinished_lanes(session, rotation, stage):
        positions = [(lane["lane"], lane["position"]) for lane in lanes]
        held = [lane for lane in lanes if lane["pid"]]
        ours = [lane for lane in lanes if colleague(session.worker, lane["worker"])]
        moving = [lane for lane in lanes if lane["busy"] and (crew or lane in held or lane not in ours)]
        at_rest = len(held) < len(lanes) and positions == before
        if at_rest or len(moving) < len(lanes):
            if told:
                session.emit(TookOver())
            return
        who = "" if ours else (held or lanes)[0]["worker"]
        same = who.partition(" (pid ")[0]
        # At its transaction's first moment a session has no name: it may be one of ours.
        named = not same.startswith("pid ") or same == seen
        if same and named and same != told:
            told = same
            session.emit(StandingBy(who))
        seen = same
        before = None if ours else positions  # two looks at ours are too close to tell rest
        if session.stop.wait(LOOK_AT_OURS if ours else LOOK_SECONDS):
            return
