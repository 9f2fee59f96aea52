"""The evidence of a rotation: everything an auditor asks for, as plain data."""

from typing import Any

from ..engine.db.session import Session
from ..engine.kept import as_kept
from ..engine.state.journal import read_phase_times, read_points, read_throttles, read_workers
from ..engine.state.rotations import read_rotation, rotations
from ..engine.state.status import RotationStatus, describe, read_state, why_failed
from ..models import Leftover, Rotation
from .account import Facts, find_interruptions, list_limits, list_steps, summarize
from .wording import conclude, show_steering


def collect(session: Session, rotation: Rotation) -> dict[str, Any]:
    """Everything stored about a rotation, as plain data; reads its whole journal."""
    seen = read_state(session, rotation.pk)
    rotation = read_rotation(session, rotation.pk)  # after its state: if that is final, so is this
    state = describe(session, rotation, seen)
    progress = seen.progress
    workers = read_workers(session, rotation.pk)
    facts = Facts(
        rotation,
        seen,
        _count_left(session, rotation),
        why_failed(session, rotation, progress),
        _find_later(session, rotation),
        find_interruptions(workers),
        session.row("read_steering", rotation=rotation.pk, recent=1)["now"],
    )
    return {
        "rotation": _identify(rotation, state),
        "result": conclude(rotation, progress),
        "summary": summarize(facts),
        "rows": {
            "replaced": progress.rows_done,
            "at_the_start": progress.rows_total,
            "counted": progress.rows_total_exact,
            "windows": progress.windows,
        },
        "proof": _proof(facts),
        "stages": [
            {"name": stage.name, "began": stage.began, "ended": stage.ended, "seconds": stage.seconds}
            for stage in read_phase_times(session, rotation)
        ],
        "workers": workers,
        "interruptions": facts.interruptions,
        "held_back": read_throttles(session, rotation.pk),
        "limit": {"max_rate": rotation.max_rate, "since": rotation.limits_at},
        "steering": show_steering(rotation),
        "options": {name: one for name, one in as_kept(rotation.options).items() if name != "seal"},
        "tuned": as_kept(rotation.tuned),
        "findings": rotation.findings or [],
        "lanes": state["lanes"],
        "journal": [vars(point) for point in read_points(session, rotation.pk, whole=True)],
        "versions": rotation.versions,
    }


def _identify(rotation: Rotation, state: RotationStatus) -> dict[str, Any]:
    """What was rotated, why, by whom, when."""
    return {
        "id": rotation.pk,
        "table": state["table"],
        "column": rotation.token_column,
        "primary_key": f"{rotation.pk_column} {rotation.pk_type}",
        "status": state["status"],
        "reason": rotation.reason,
        "operator": rotation.operator,
        "host": rotation.host,
        "created_at": rotation.created_at,
        "begun_at": rotation.begun_at or rotation.started_at,
        "started_at": rotation.started_at,
        "finished_at": rotation.finished_at,
        "retired_at": rotation.retired_at,
    }


def _count_left(session: Session, rotation: Rotation) -> dict[str, int]:
    """Rows that were left for the end, by why; and those of them that still are."""
    with session.looking("reading what was left over"):
        leftovers = Leftover.objects.using(session.alias).filter(lane__rotation=rotation)
        skipped = leftovers.filter(survivor=False)
        locked = skipped.exclude(held_by="").count()
        return {
            "skipped": skipped.count(),
            "locked": locked,
            "set_aside": skipped.count() - locked,
            "survivors": leftovers.filter(survivor=True).count(),
            "open": leftovers.filter(rotated_at=None).count(),
        }


def _find_later(session: Session, rotation: Rotation) -> list[Rotation]:
    """Rotations of the same column that were started after this one."""
    if rotation.set_id is None:
        return []
    with session.looking("reading the rotations"):
        later = rotations(session).filter(set_id=rotation.set_id, pk__gt=rotation.pk)
        return list(later.order_by("pk"))


def _proof(facts: Facts) -> dict[str, Any]:
    rotation = facts.rotation
    steps = list_steps(facts)
    earlier = None
    if rotation.revoked is not None and rotation.rows_total is not None:
        earlier = max(0, rotation.revoked - rotation.leaked - rotation.rows_total)
    return {
        "revoked": rotation.revoked,
        "of_them_from_lists": rotation.leaked,
        "of_them_earlier": earlier,
        "survivors": rotation.survivors,
        "verified_at": rotation.verified_at,
        "left_for_later": facts.left,
        "method": " ".join(steps),
        "steps": steps,
        "not_reached": list_limits(facts.options),
    }
