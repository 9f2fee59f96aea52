"""Every change of a rotation's status, in the order of models.ARROWS; each is one conditional update.

Also other changes: tuned options, workers that leave, rows replaced by others.
"""

import socket
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from ...models import (
    CANCELLED_AT_ONCE,
    COMPLETE,
    HALTED,
    REOPENABLE,
    UNFINISHED,
    WRITABLE,
    BatchProgress,
    Rotation,
    Status,
)
from ..db.identity import here
from ..db.session import Session
from ..db.sqlstate import translated
from ..errors import DatabaseFailure, Refused, Stopped
from ..events import ListRead
from ..kept import as_kept, seal, unseal
from ..options import Options, as_given, differences
from ..proof.leaked import LeakedList
from ..proof.revoked import revoke_listed
from ..proof.verdict import Verdict
from ..proof.verify import note_survivors
from ..table.lanes import Lane
from ..table.size import Size
from ..table.target import Target
from .progress import read_progress
from .rotations import busy_lanes, rotations

UNIQUE_VIOLATION = "23505"
#: The step, among those of who steered, that ended a rotation whose rows are no more.
ROWS_REPLACED = "cancel: its rows were replaced by others"
#: The steps that say with which other limits a later run went on, and what a search for copies found.
RUN_AGAIN = "run again with "
SEARCH = "search for copies: "
COPIES_FOUND = "search for copies: found "


@dataclass(frozen=True)
class RotationRequest:
    """What was asked for when a rotation was started, who asked, and what the preflight said."""

    options: dict[str, Any]
    findings: list[dict[str, str]]
    reason: str
    operator: str


def begin(
    session: Session,
    target: Target,
    size: Size,
    asked: RotationRequest,
    leaked: LeakedList | None,
) -> Rotation | None:
    """Record a new rotation and the list of leaked tokens; None if another process was faster.

    Raises UsageError if that is not a list of tokens; then nothing was recorded.
    """
    listed: ListRead | None = None
    rotation = Rotation(
        table_schema=target.schema,
        table_name=target.table,
        table_oid=target.oid,
        pk_column=target.pk,
        pk_type=target.pk_type,
        pk_collation=target.pk_collation,
        token_column=target.column,
        token_attnum=target.attnum,
        token_type=target.column_type,
        status=Status.PENDING,
        rows_total=size.tokens,
        options=asked.options,
        findings=asked.findings,
        reason=asked.reason,
        operator=asked.operator,
        host=socket.gethostname(),
        touched_at=Now(),
    )
    try:
        with session.durable(), translated("recording the rotation"):
            rotation.save(using=session.alias)
            session.rows("create_revoked_set", rotation=rotation.pk)
            session.change("note_index_sizes", rotation=rotation.pk, oid=target.oid)
            rotation.refresh_from_db(using=session.alias)
            if leaked:
                listed = revoke_listed(session, rotation, target, leaked)
    except DatabaseFailure as failure:
        if failure.sqlstate == UNIQUE_VIOLATION:
            return None
        raise
    if listed:
        session.emit(listed)
    return rotation


def open_lanes(session: Session, rotation: Rotation, lanes: tuple[Lane, ...]) -> None:
    """Draw the lanes of a rotation that has none yet, for workers to claim."""
    with session.durable(), translated("drawing the lanes"):
        if not move(
            session,
            rotation.pk,
            Status.PENDING,
            Status.RUNNING,
            floor=lanes[0].lower if lanes else None,
            ceiling=lanes[-1].upper if lanes else None,
            started_at=Now(),
            touched_at=Now(),
        ):
            return  # another process was faster
        BatchProgress.objects.using(session.alias).bulk_create(
            BatchProgress(
                rotation_id=rotation.pk,  # with the object Django would ask the project's routers
                lane=lane.lane,
                pk_type=rotation.pk_type,
                pk_collation=rotation.pk_collation,
                lower=lane.lower,
                upper=lane.upper,
            )
            for lane in lanes
        )


def pause(session: Session, rotation: int, who: str) -> bool:
    """Ask the workers to wait after their windows; False if it is not running.

    If no worker is active, none will acknowledge the request: this does.
    """
    with session.durable(), translated("pausing the rotation"):
        asked = move(session, rotation, Status.RUNNING, Status.PAUSING)
        if asked:
            session.change("note_steering", rotation=rotation, who=who, what="pause")
    if asked and not busy_lanes(session, rotation):
        with session.durable(), translated("pausing the rotation"):
            # Without a sign of life: no process works on it.
            move(session, rotation, Status.PAUSING, Status.PAUSED, touched_at=None)
    return asked


def acknowledge_pause(session: Session, rotation: int) -> bool:
    """Whether the rotation is paused or about to be; if so, it is paused now."""
    with session.durable(), translated("pausing the rotation"):
        this = rotations(session).filter(pk=rotation)
        # With a sign of life: it is not stalled.
        paused = this.filter(status__in=HALTED).update(status=Status.PAUSED, touched_at=Now())
    return bool(paused)


def resume(session: Session, rotation: int, who: str) -> bool:
    """Let a paused rotation continue; False if it is not paused."""
    with session.durable(), translated("resuming the rotation"):
        pausing = move(session, rotation, Status.PAUSING, Status.RUNNING)
        resumed = move(session, rotation, Status.PAUSED, Status.RUNNING) or pausing
        if resumed:
            session.change("note_steering", rotation=rotation, who=who, what="resume")
    return resumed


def cancel(session: Session, rotation: int, who: str) -> bool:
    """End a rotation for good: waits for the current windows, after which no worker starts another.

    False if it had already ended.
    """
    with session.durable(), translated("cancelling the rotation"):
        lanes = BatchProgress.objects.using(session.alias).filter(rotation=rotation)
        list(lanes.select_for_update().order_by("pk").values_list("pk"))
        return _end(session, rotation, who, "cancel")


def _end(session: Session, rotation: int, who: str, what: str) -> bool:
    """Take an unfinished rotation to `cancelled`, whatever its status; False if it is finished."""
    move(session, rotation, Status.VERIFYING, Status.RUNNING)
    for status in WRITABLE:
        move(session, rotation, status, Status.CANCELLING)
    for status in CANCELLED_AT_ONCE:
        if move(session, rotation, status, Status.CANCELLED, finished_at=Now()):
            session.change("note_steering", rotation=rotation, who=who, what=what)
            return True
    return False


def begin_verifying(session: Session, rotation: int) -> bool:
    """Note that all rows are rotated and the proof is running; False if something is left after all.

    With this COMMIT all earlier windows are on disk. Raises Stopped if the rotation was ended.
    """
    with session.durable(), translated("starting the verification"):
        moved = move(session, rotation, Status.RUNNING, Status.VERIFYING, touched_at=Now())
        complete = read_progress(session, rotation).complete
        if not complete:
            move(session, rotation, Status.VERIFYING, Status.RUNNING)
        elif moved:
            rotations(session).filter(pk=rotation).update(verifying_at=Now())
        status = rotations(session).values_list("status", flat=True).get(pk=rotation)
        if moved:  # and so holds the rotation's row, as whoever notes a change must
            # From now on the guard refuses in partitions too.
            session.rows("note_change", set=_read_set(session, rotation))
    if status == Status.CANCELLED:
        raise Stopped(f"rotation {rotation} is {status}")
    return complete and status in COMPLETE


def repair(session: Session, rotation: Rotation, verdict: Verdict) -> None:
    """List the survivors of a verification, for workers to claim.

    `verifying_at` stays: the guard of partitions remains strict, or each verification would find what
    was inserted since the one before.
    """
    with session.durable(), translated("listing the survivors"):
        rotations(session).filter(pk=rotation.pk).update(**_result(verdict))
        _list_survivors(session, rotation, verdict)
        move(session, rotation.pk, Status.SUCCEEDED, Status.FAILED)
        for status in REOPENABLE:
            move(session, rotation.pk, status, Status.RUNNING, touched_at=Now())


def finish(session: Session, rotation: Rotation, verdict: Verdict | None) -> bool:
    """Mark a rotation with nothing left to do succeeded; waits for the disk and synchronous standbys.

    False if it has changed since `rotation` was read: another process finished it, ended it, or added
    tokens that the verdict does not cover.
    """
    with session.durable(standbys=True), translated("finishing the rotation"):
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
        # After a verification the guard of partitions stays strict, as in a repair.
        move(session, rotation, Status.VERIFYING, Status.FAILED, touched_at=Now(), **_result(verdict))


def take_up(
    session: Session, rotation: Rotation, target: Target, options: Options, leaked: LeakedList | None
) -> None:
    """Note that a process resumes an unfinished rotation, and add a list of leaked tokens to it."""
    listed: ListRead | None = None
    with session.durable(), translated("taking up the rotation"):
        for status in REOPENABLE:
            move(session, rotation.pk, status, Status.RUNNING)
        # A process that was killed says nothing more of why it waited; one that lives says it again.
        rotations(session).filter(pk=rotation.pk).update(touched_at=Now(), throttle="")
        session.change("forget_failures", rotation=rotation.pk)
        _note_limits(session, rotation, options)
        if leaked:
            listed = revoke_listed(session, rotation, target, leaked)
    if listed:
        session.emit(listed)


def steps_of(rotation: Rotation) -> list[dict[str, str]]:
    """Who steered it, when, and how; what others may have written there is left out."""
    kept = rotation.steered if isinstance(rotation.steered, list) else []
    names = {"at", "who", "what"}
    return [one for one in kept if isinstance(one, dict) and {*map(type, map(one.get, names))} == {str}]


def _note_limits(session: Session, rotation: Rotation, options: Options) -> None:
    """Record with which limits a later run goes on, unless the run before it had the same."""
    steps = [one["what"] for one in steps_of(rotation) if one["what"].startswith(RUN_AGAIN)]
    changed = differences(as_kept(rotation.options), options)
    what = RUN_AGAIN + (changed or "the first run's limits")
    if what != (steps or [f"{RUN_AGAIN}the first run's limits"])[-1]:
        session.change("note_steering", rotation=rotation.pk, who=here(), what=what)


def note_search(session: Session, rotation: Rotation, found: str, clean: bool) -> None:
    """Record what a search for copies of revoked tokens in other columns has found."""
    what = (SEARCH if clean else COPIES_FOUND) + found
    with session.durable(), translated("recording the search"):
        session.change("note_steering", rotation=rotation.pk, who=here(), what=what)


def record(session: Session, rotation: Rotation, target: Target, verdict: Verdict) -> None:
    """Store the result of a separate verification. Survivors of a finished rotation reopen it.

    Unless the column that was rotated is another one than `target`, which was verified, or another
    unfinished rotation has the table, or its set, now.
    """
    with session.durable(), translated("recording the verification"):
        rotations(session).filter(pk=rotation.pk).update(**_result(verdict))
        its = (rotation.table_oid, rotation.token_attnum)
        if verdict.clean or its != (target.oid, target.attnum):
            return
        same = Q(table_oid=rotation.table_oid) | Q(set_id=rotation.set_id)
        if rotations(session).filter(same, status__in=UNFINISHED).exists():
            return
        # The guard of partitions stays strict, as in a repair.
        if move(session, rotation.pk, Status.SUCCEEDED, Status.FAILED):
            _list_survivors(session, rotation, verdict)


def replace_rows(session: Session, target: Target) -> None:
    """Note, in the caller's transaction, that the table's rows are replaced by others.

    What was rotated says nothing about the new rows: an unfinished rotation is
    ended, a finished one retired.
    """
    with translated("retiring rotations"):
        of_table = rotations(session).filter(table_oid=target.oid)
        for rotation in of_table.filter(status__in=UNFINISHED):
            _end(session, rotation.pk, here(), ROWS_REPLACED)
        of_table.filter(status=Status.SUCCEEDED, retired_at=None).update(retired_at=Now())


def tune(session: Session, rotation: int, tuned: dict[str, Any], who: str) -> dict[str, Any]:
    """Change live options of an unfinished rotation, and return all that are tuned now.

    The value 'default' resets an option to what each run was started with. Raises Refused if the
    rotation is over.
    """
    with session.durable(), translated("tuning the rotation"):
        this = rotations(session).select_for_update(no_key=True).get(pk=rotation)
        if this.status not in UNFINISHED:
            raise Refused(f"{this} is {this.status}: there is nothing to tune")
        kept = tuned
        if (query := tuned.get("throttle_sql")) not in (None, "default"):
            kept = tuned | {"throttle_sql": seal(rotation, query)}
        now = {name: value for name, value in (as_kept(this.tuned) | kept).items() if value != "default"}
        rotations(session).filter(pk=rotation).update(tuned=now)
        asked = " ".join(f"{name}={as_given(one)}" for name, one in tuned.items())
        session.change("note_steering", rotation=rotation, who=who, what=f"tune {asked}")
    if sealed := now.get("throttle_sql"):
        now["throttle_sql"] = unseal(rotation, sealed) or "(another site's query)"
    return now


def leave(session: Session, rotation: int, workers: set[str]) -> None:
    """Note that workers leave. With this COMMIT all earlier windows are on disk too."""
    with session.durable(), translated("leaving the rotation"):
        lanes = BatchProgress.objects.using(session.alias).filter(rotation=rotation)
        lanes.filter(worker__in=workers).update(worker="")
        # Without a sign of life: unless other processes give one, nothing works on it.
        rotations(session).filter(pk=rotation).update(touched_at=None)


def move(session: Session, rotation: int, old: str, new: str, **also: Any) -> bool:
    """Take one arrow of models.ARROWS, if the rotation has its first status."""
    at_old = rotations(session).filter(pk=rotation, status=old)
    return bool(at_old.update(status=new, **also))


def _list_survivors(session: Session, rotation: Rotation, verdict: Verdict) -> None:
    lanes = BatchProgress.objects.using(session.alias).filter(rotation=rotation)
    if verdict.keys and not lanes.exists():  # the table was empty when they were drawn
        key = verdict.keys[0]
        ends = dict.fromkeys(("lower", "upper", "last_id"), key)
        lanes.create(
            rotation_id=rotation.pk,
            lane=0,
            pk_type=rotation.pk_type,
            pk_collation=rotation.pk_collation,
            **ends,
        )
    note_survivors(session, rotation)


def _read_set(session: Session, rotation: int) -> int | None:
    """The set of a rotation, in the caller's transaction."""
    return rotations(session).values_list("set_id", flat=True).get(pk=rotation)


def _result(verdict: Verdict | None) -> dict[str, Any]:
    """What is known of survivors now; nothing without a verification, whatever an earlier one found."""
    if verdict is None:
        return {"survivors": None, "verified_at": None}
    survivors = verdict.survivors if verdict.conclusive else None
    return {"survivors": survivors, "verified_at": verdict.at}
