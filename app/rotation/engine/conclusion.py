"""The end of a rotation: verified and finished, or failed, or repaired. Each a conditional update."""

from typing import Any

from django.db.models.functions import Now

from app.rotation.engine import revocation
from app.rotation.engine.control import move, rotations
from app.rotation.engine.database import Session, translated
from app.rotation.engine.errors import Stopped, Unproven
from app.rotation.engine.options import Options
from app.rotation.engine.progress import read_progress
from app.rotation.engine.revocation import Verdict, patiently
from app.rotation.engine.target import Target
from app.rotation.models import UNFINISHED, BatchProgress, Rotation, Status


def begin_verifying(session: Session, rotation: int) -> bool:
    """Note that all rows are rotated and the proof is under way; False if something is left after all.

    With this COMMIT all windows before it are on disk. Raises Stopped if the rotation was ended.
    """
    with session.durable(), translated("beginning the verification"):
        now = {"touched_at": Now(), "verifying_at": Now()}
        move(session, rotation, Status.RUNNING, Status.VERIFYING, **now)
        complete = read_progress(session, rotation).complete
        if not complete:
            move(session, rotation, Status.VERIFYING, Status.RUNNING, verifying_at=None)
        status = rotations(session).values_list("status", flat=True).get(pk=rotation)
        # From now on the guard refuses in partitions, too.
        session.rows("note_change", set=_read_set(session, rotation))
    if status == Status.CANCELLED:
        raise Stopped(f"rotation {rotation} is {status}")
    return complete and status in (Status.VERIFYING, Status.SUCCEEDED)


def finish(session: Session, rotation: Rotation, verdict: Verdict | None) -> bool:
    """Mark a rotation succeeded that has nothing left to do; waits for the disk.

    False if it is no longer as it was when `rotation` was read: another process finished it, ended it,
    or added to the tokens that the verdict would have to answer for.
    """
    with session.durable(), translated("finishing the rotation"):
        as_read = rotations(session).filter(
            pk=rotation.pk,
            status=Status.VERIFYING,
            verifying_at=rotation.verifying_at,
            leaked=rotation.leaked,
        )
        end = {"status": Status.SUCCEEDED, "finished_at": Now(), **_result(verdict)}
        return bool(as_read.update(**end))


def fail(session: Session, rotation: int, verdict: Verdict | None) -> None:
    """Mark a rotation failed: something remains that this run could not rotate."""
    with session.durable(), translated("ending the verification"):
        move(session, rotation, Status.RUNNING, Status.VERIFYING)
        # Rows may move between partitions again with the tokens that they have.
        end = {"touched_at": Now(), "verifying_at": None, **_result(verdict)}
        move(session, rotation, Status.VERIFYING, Status.FAILED, **end)


def require_distinct(session: Session, rotation: Rotation, target: Target, verdict: Verdict) -> None:
    """Where no unique index can stand, see by value that no two rows hold one token.

    Raises Unproven, and marks the rotation failed, if some do.
    """
    if target.distribution is None:
        return
    repeated = patiently(session, Options(), lambda: _count_repeated(session))
    if repeated:
        session.through_outages(lambda: fail(session, rotation.pk, verdict))
        raise Unproven(
            f"{repeated} tokens of {target.label} are held by more than one row: find out what writes"
            " them; then rotate once more with --new"
        )


def _count_repeated(session: Session) -> int:
    with session.reading():
        session.change("read_heap")
        return int(session.row("count_repeated")["repeated"])


def repair(session: Session, rotation: Rotation, verdict: Verdict) -> None:
    """List the survivors of a verification, and let workers claim them."""
    with session.durable(), translated("listing the survivors"):
        rotations(session).filter(pk=rotation.pk).update(**_result(verdict))
        _list_survivors(session, rotation, verdict)
        move(session, rotation.pk, Status.SUCCEEDED, Status.FAILED)
        rotations(session).filter(pk=rotation.pk).update(verifying_at=None)
        for status in (Status.FAILED, Status.VERIFYING):
            move(session, rotation.pk, status, Status.RUNNING, touched_at=Now())


def record(session: Session, rotation: Rotation, verdict: Verdict) -> None:
    """Keep the result of a verification of its own. Survivors of a finished rotation reopen it.

    It stays as it is where another rotation has the table for itself now.
    """
    with session.durable(), translated("recording the verification"):
        rotations(session).filter(pk=rotation.pk).update(**_result(verdict))
        if verdict.clean:
            return
        others = rotations(session).filter(table_oid=rotation.table_oid, status__in=UNFINISHED)
        if others.exists():
            return
        # The guard of partitions stays as strict as it is: those rows are known by their keys.
        if move(session, rotation.pk, Status.SUCCEEDED, Status.FAILED):
            _list_survivors(session, rotation, verdict)


def _list_survivors(session: Session, rotation: Rotation, verdict: Verdict) -> None:
    lanes = BatchProgress.objects.using(session.alias).filter(rotation=rotation)
    if verdict.keys and not lanes.exists():  # the table was empty when they were drawn
        key = verdict.keys[0]
        ends = dict.fromkeys(("lower", "upper", "last_id"), key)
        lanes.create(
            rotation=rotation,
            lane=0,
            pk_type=rotation.pk_type,
            pk_collation=rotation.pk_collation,
            **ends,
        )
    revocation.note_survivors(session, rotation)


def _read_set(session: Session, rotation: int) -> int | None:
    """The set of a rotation, in the caller's transaction."""
    return rotations(session).values_list("set_id", flat=True).get(pk=rotation)


def _result(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {}
    survivors = verdict.survivors if verdict.conclusive else None
    return {"survivors": survivors, "verified_at": verdict.at}
