"""The end of a rotation: verified and finished, or failed, or repaired. Each a conditional update."""

from typing import Any

from django.db.models.functions import Now

from app.rotation.engine import revocation
from app.rotation.engine.control import move, rotations
from app.rotation.engine.database import Session, translated
from app.rotation.engine.errors import Stopped
from app.rotation.engine.revocation import Verdict
from app.rotation.models import UNFINISHED, Rotation, Status


def begin_verifying(session: Session, rotation: int) -> None:
    """Note that every row is rotated and the proof is under way.

    With this COMMIT all windows before it are on disk. Raises Stopped if the rotation was ended.
    """
    with session.durable(), translated("beginning the verification"):
        move(session, rotation, Status.RUNNING, Status.VERIFYING, touched_at=Now())
        status = rotations(session).values_list("status", flat=True).get(pk=rotation)
    if status not in (Status.VERIFYING, Status.SUCCEEDED):
        raise Stopped(f"rotation {rotation} is {status}")


def finish(session: Session, rotation: int, verdict: Verdict | None) -> None:
    """Mark a rotation succeeded that has nothing left to do; waits for the disk.

    Two processes may call it; the second changes nothing.
    """
    with session.durable(), translated("finishing the rotation"):
        move(session, rotation, Status.RUNNING, Status.VERIFYING)
        move(
            session, rotation, Status.VERIFYING, Status.SUCCEEDED, finished_at=Now(), **_result(verdict)
        )


def fail(session: Session, rotation: int, verdict: Verdict | None) -> None:
    """Mark a rotation failed: something remains that this run could not rotate."""
    with session.durable(), translated("ending the verification"):
        move(session, rotation, Status.RUNNING, Status.VERIFYING)
        move(session, rotation, Status.VERIFYING, Status.FAILED, touched_at=Now(), **_result(verdict))


def repair(session: Session, rotation: Rotation, verdict: Verdict) -> None:
    """List the survivors of a verification, and let workers claim them."""
    with session.durable(), translated("listing the survivors"):
        rotations(session).filter(pk=rotation.pk).update(**_result(verdict))
        revocation.note_survivors(session, rotation)
        move(session, rotation.pk, Status.VERIFYING, Status.RUNNING, touched_at=Now())


def record(session: Session, rotation: Rotation, verdict: Verdict) -> None:
    """Keep the result of a verification of its own. Survivors of a finished rotation reopen it.

    It stays as it is where another rotation has the table for itself now.
    """
    with session.durable(), translated("recording the verification"):
        rotations(session).filter(pk=rotation.pk).update(**_result(verdict))
        if verdict.conclusive and not verdict.survivors:
            return
        others = rotations(session).filter(table_oid=rotation.table_oid, status__in=UNFINISHED)
        if not others.exists() and move(session, rotation.pk, Status.SUCCEEDED, Status.FAILED):
            revocation.note_survivors(session, rotation)


def _result(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {}
    survivors = verdict.survivors if verdict.conclusive else None
    return {"survivors": survivors, "verified_at": verdict.at}
