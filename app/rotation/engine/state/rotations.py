"""Finds rotations in the state, for a person or a table. Nothing here writes."""

from django.db.models import Q, QuerySet

from ...models import UNFINISHED, BatchProgress, Rotation, Status
from ..db.session import Row, Session
from ..errors import Refused
from ..kept import kept_lastingly
from ..table.lanes import Lane
from ..table.target import Target, TargetName
from .commands import action_on


def rotations(session: Session) -> "QuerySet[Rotation]":
    """All rotations in the session's database."""
    return Rotation.objects.using(session.alias)


def find_unfinished(session: Session, target: Target) -> Rotation | None:
    """The unfinished rotation of the target's table, or None.

    Raises Refused if it was started on another table of that name, or on other columns, or if one that
    shares the column's set of revoked tokens is.
    """
    same_table = Q(table_oid=target.oid) | Q(table_schema=target.schema, table_name=target.table)
    with session.looking("reading the rotation"):
        unfinished = rotations(session).filter(status__in=UNFINISHED)
        rotation = unfinished.filter(same_table).first()
        # Not one of the same table: another process may have started it since.
        others = unfinished.exclude(same_table)
        sharing = None if rotation else others.filter(set_id__in=_sets(session, target)).first()
    if sharing:
        raise Refused(
            f"rotation {sharing.pk} of {sharing.target} is unfinished, and one of the two columns took"
            " the place of the other: finish that one first, or end it with"
            f" {action_on(sharing, 'cancel')}; then run the same command again"
        )
    if rotation is None:
        return None
    was = f"rotation {rotation.pk} of {rotation.target} is unfinished"
    end = action_on(rotation, "cancel")
    if rotation.table_oid != target.oid:
        raise Refused(
            f"{was}, and another table has taken that name since:"
            f" name the old table, or end it with {end}"
        )
    if rotation.token_attnum != target.attnum:
        raise Refused(f"{was}: finish it first with --column {rotation.token_column}")
    if rotation.pk_column != target.pk and kept_lastingly(rotation.options).get("walk"):
        raise Refused(
            f"{was}, and its windows walk by {rotation.pk_column}, not {target.pk}: continue it without"
            f" --walk, or end it with {end}"
        )
    if (rotation.pk_column, rotation.pk_type) != (target.pk, target.pk_type):
        raise Refused(
            f"{was}, and its windows walk by the primary key {rotation.pk_column} ({rotation.pk_type}):"
            f" continue it without --walk; if the primary key has changed since, end it with {end},"
            " then start another"
        )
    return rotation


def find_walk(session: Session, name: TargetName) -> str | None:
    """The column that --walk named for the latest rotation of a column, if windows can still walk it."""
    found = session.rows("find_table", schema=name.schema, name=name.table)
    if not found:
        return None
    oid = found[0]["oid"]
    with session.looking("reading the rotations"):
        its = rotations(session).filter(table_oid=oid, token_column=name.column)
        latest = its.order_by("-pk").first()
    walk: str | None = kept_lastingly(latest.options).get("walk") if latest else None
    columns = session.rows("list_columns", oid=oid) if walk else []
    return walk if any(row["name"] == walk and row["walkable"] for row in columns) else None


def find_finished(session: Session, target: Target) -> Rotation | None:
    """The rotation that replaced every token that the column holds today, if the latest one did.

    A later one that was cancelled means that some tokens should have been replaced again, but were not.
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


def find_begun(session: Session, target: Target) -> Rotation | None:
    """The latest rotation of the column that got as far as windows, or None."""
    with session.looking("reading the rotation"):
        its = rotations(session).filter(table_oid=target.oid, token_attnum=target.attnum)
        return its.filter(started_at__isnull=False).order_by("-pk").first()


def find_revoking(session: Session, target: Target) -> Rotation | None:
    """The latest rotation that revoked tokens of the column, or None.

    One of a column that shares its set counts if it has none itself.
    """
    with session.looking("reading the rotation"):
        known = rotations(session).filter(revoked__isnull=False).order_by("-pk")
        own = known.filter(table_oid=target.oid, token_attnum=target.attnum)
        return own.first() or known.filter(set_id__in=_sets(session, target)).first()


def find_cancelled(session: Session, target: Target) -> Rotation | None:
    """The column's latest rotation, if it was cancelled after it had revoked tokens of other rows.

    Those count until a rotation succeeds: wherever the next one finds them, it replaces them.
    """
    with session.looking("reading the rotations"):
        known = rotations(session).filter(set_id__in=_sets(session, target), revoked__isnull=False)
        latest = known.order_by("-pk").first()
    if latest is None or latest.status != Status.CANCELLED:
        return None
    same = kept_lastingly(latest.options).get("where") == target.recipe.where
    return None if same else latest


def _sets(session: Session, target: Target) -> list[int]:
    """The sets of revoked tokens of a column.

    By its numbers, which survive renaming; else by its names: it was restored from a dump, or took the
    place of the column that was rotated.
    """
    known = rotations(session).filter(set_id__isnull=False)
    by_numbers = known.filter(table_oid=target.oid, token_attnum=target.attnum)
    by_names = known.filter(
        table_schema=target.schema, table_name=target.table, token_column=target.column
    )
    return list((by_numbers if by_numbers.exists() else by_names).values_list("set_id", flat=True))


def lanes_of(session: Session, rotation: Rotation) -> tuple[Lane, ...]:
    """The rotation's lanes with their checkpoints."""
    with session.looking("reading the lanes"):
        stored = BatchProgress.objects.using(session.alias).filter(rotation=rotation)
        return tuple(
            Lane(one.lane, one.lower, one.upper, one.last_id) for one in stored.order_by("lane")
        )


def busy_lanes(session: Session, rotation: int) -> list[Row]:
    """The lanes that a worker holds or has just moved; see list_lanes.sql."""
    lanes = session.rows("list_lanes", rotation=rotation, stage="any", worker="")
    return [lane for lane in lanes if lane["busy"]]


def read_rotation(session: Session, rotation: int) -> Rotation:
    """The rotation as it is now."""
    with session.looking("reading the rotation"):
        return rotations(session).get(pk=rotation)
