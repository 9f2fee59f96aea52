"""A rotation found, begun, taken up, left, cancelled: each change is one conditional update."""

import socket
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from app.rotation.engine import revocation
from app.rotation.engine.database import Session, translated
from app.rotation.engine.errors import DatabaseFailure, Refused
from app.rotation.engine.events import ListRead
from app.rotation.engine.lanes import Lane
from app.rotation.engine.leaked import LeakedList
from app.rotation.engine.naming import here
from app.rotation.engine.plan import Size
from app.rotation.engine.target import Target
from app.rotation.models import UNFINISHED, BatchProgress, Rotation, Status

UNIQUE_VIOLATION = "23505"


@dataclass(frozen=True)
class Asked:
    """What was asked for when a rotation was begun, by whom, and what the preflight said."""

    options: dict[str, Any]
    findings: list[dict[str, str]]
    reason: str
    operator: str


def rotations(session: Session) -> "QuerySet[Rotation]":
    """All rotations that the session's database knows."""
    return Rotation.objects.using(session.alias)


def find_unfinished(session: Session, target: Target) -> Rotation | None:
    """The rotation that has the target's table for itself, or None.

    Raises Refused if it was begun on another table of that name, or on other columns.
    """
    same_table = Q(table_oid=target.oid) | Q(table_schema=target.schema, table_name=target.table)
    with session.looking("reading the rotation"):
        rotation = rotations(session).filter(same_table, status__in=UNFINISHED).first()
    if rotation is None:
        return None
    was = f"rotation {rotation.pk} of {rotation.target} is unfinished"
    if rotation.table_oid != target.oid:
        raise Refused(
            f"{was}, and another table has taken that name since:"
            " name the old table, or end it with python manage.py rotation cancel"
        )
    if (rotation.pk_column, rotation.pk_type) != (target.pk, target.pk_type):
        raise Refused(
            f"{was}, and the table's primary key has changed since:"
            " end it with python manage.py rotation cancel, then start another"
        )
    if rotation.token_attnum != target.attnum:
        raise Refused(f"{was}: finish it first with --column {rotation.token_column}")
    return rotation


def find_finished(session: Session, target: Target) -> Rotation | None:
    """The rotation that replaced every token which the column holds today, if the latest one did.

    A later one that was cancelled means that some tokens were to be replaced again, and were not.
    """
    with session.looking("reading the rotation"):
        latest = (
            rotations(session)
            .filter(
                table_oid=target.oid,
                table_schema=target.schema,
                table_name=target.table,
                token_attnum=target.attnum,
                retired_at=None,
            )
            .order_by("-pk")
            .first()
        )
    return latest if latest and latest.status == Status.SUCCEEDED else None


def find_revoking(session: Session, target: Target) -> Rotation | None:
    """The latest rotation that revoked tokens of the column, or None.

    By its numbers, which survive every renaming; by its names, where its table is gone (restored from a
    dump, or replaced).
    """
    numbers = Q(table_oid=target.oid, token_attnum=target.attnum)
    names = Q(table_schema=target.schema, table_name=target.table, token_column=target.column)
    with session.looking("reading the rotation"):
        known = rotations(session).filter(numbers | names, revoked__isnull=False).order_by("-pk")
        for rotation in known:
            its = {"oid": rotation.table_oid, "attnum": rotation.token_attnum}
            if its == {"oid": target.oid, "attnum": target.attnum}:
                return rotation
            if rotation.table_oid != target.oid and not session.rows("look_at_target", **its):
                return rotation
    return None


def lanes_of(session: Session, rotation: Rotation) -> tuple[Lane, ...]:
    """The rotation's lanes with their checkpoints."""
    with session.looking("reading the lanes"):
        stored = BatchProgress.objects.using(session.alias).filter(rotation=rotation)
        return tuple(
            Lane(one.lane, one.lower, one.upper, one.last_id) for one in stored.order_by("lane")
        )


def begin(
    session: Session,
    target: Target,
    size: Size,
    asked: Asked,
    leaked: LeakedList | None,
) -> Rotation | None:
    """Record a new rotation and the list of leaked tokens; None if another process was faster.

    Raises UsageError if the list is none; then nothing was recorded.
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
            session.rows("open_revoked", rotation=rotation.pk)
            rotation.refresh_from_db(using=session.alias)
            if leaked:
                listed = revocation.revoke_listed(session, rotation, target, leaked)
    except DatabaseFailure as failure:
        if failure.sqlstate == UNIQUE_VIOLATION:
            return None
        raise
    if listed:
        session.emit(listed)
    return rotation


def open_lanes(session: Session, rotation: Rotation, lanes: tuple[Lane, ...]) -> None:
    """Draw the lanes of a rotation that has none yet, and let workers claim them."""
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
                rotation=rotation,
                lane=lane.lane,
                pk_type=rotation.pk_type,
                pk_collation=rotation.pk_collation,
                lower=lane.lower,
                upper=lane.upper,
            )
            for lane in lanes
        )


def take_up(session: Session, rotation: Rotation, target: Target, leaked: LeakedList | None) -> None:
    """Note that a process takes an unfinished rotation up, and add a list of leaked tokens to it."""
    listed: ListRead | None = None
    with session.durable(), translated("taking the rotation up"):
        for status in (Status.VERIFYING, Status.FAILED):
            move(session, rotation.pk, status, Status.RUNNING)
        rotations(session).filter(pk=rotation.pk).update(touched_at=Now())
        if leaked:
            listed = revocation.revoke_listed(session, rotation, target, leaked)
    if listed:
        session.emit(listed)


def read(session: Session, rotation: int) -> Rotation:
    """The rotation as it is now."""
    with session.looking("reading the rotation"):
        return rotations(session).get(pk=rotation)


def leave(session: Session, rotation: int, workers: set[str]) -> None:
    """Note that workers leave it. With this COMMIT all windows before it are on disk too."""
    with session.durable(), translated("leaving the rotation"):
        lanes = BatchProgress.objects.using(session.alias).filter(rotation=rotation)
        lanes.filter(worker__in=workers).update(worker="")
        # Without a sign of life: unless others work on it, nobody does.
        rotations(session).filter(pk=rotation).update(touched_at=None)


def cancel(session: Session, rotation: int, who: str) -> bool:
    """End a rotation for good: waits for the windows under way, then no worker begins another.

    False if it was at its end before.
    """
    with session.durable(), translated("cancelling the rotation"):
        lanes = BatchProgress.objects.using(session.alias).filter(rotation=rotation)
        list(lanes.select_for_update().order_by("pk").values_list("pk"))
        return _end(session, rotation, who, "cancel")


def replace_rows(session: Session, target: Target) -> None:
    """Note, in the caller's transaction, that the table's rows are replaced by others.

    What was rotated says nothing of the new rows: an unfinished rotation ends, a finished one retires.
    """
    with translated("retiring rotations"):
        of_table = rotations(session).filter(table_oid=target.oid)
        for rotation in of_table.filter(status__in=UNFINISHED):
            _end(session, rotation.pk, here(), "cancel: its rows were replaced by others")
        of_table.filter(status=Status.SUCCEEDED, retired_at=None).update(retired_at=Now())


def _end(session: Session, rotation: int, who: str, what: str) -> bool:
    """Take an unfinished rotation to `cancelled`, from wherever it is; False if it is not unfinished."""
    move(session, rotation, Status.VERIFYING, Status.RUNNING)
    for status in (Status.RUNNING, Status.PAUSING, Status.PAUSED):
        move(session, rotation, status, Status.CANCELLING)
    for status in (Status.CANCELLING, Status.PENDING, Status.FAILED):
        if move(session, rotation, status, Status.CANCELLED, finished_at=Now()):
            session.change("note_steering", rotation=rotation, who=who, what=what)
            return True
    return False


def move(session: Session, rotation: int, old: str, new: str, **also: Any) -> bool:
    """Take one arrow of models.ARROWS, if the rotation is at its beginning."""
    at_old = rotations(session).filter(pk=rotation, status=old)
    return bool(at_old.update(status=new, **also))
