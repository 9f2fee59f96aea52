"""The evidence of a rotation: everything an auditor asks for, as plain data."""

from typing import Any

from ..engine.db.session import Session
from ..engine.kept import as_kept
from ..engine.proof.verdict import INCONCLUSIVE, START_OVER
from ..engine.state.journal import read_phase_times, read_points, read_throttles, read_workers
from ..engine.state.rotations import read_rotation
from ..engine.state.status import describe, read_state
from ..engine.text import one_line
from ..models import Leftover, Rotation
from .wording import conclude, show_steering

GUARDED = (
    "Before the first window a guard (a trigger) was installed, and every transaction that could still"
    " write past it had ended."
)
UNGUARDED = (
    "No guard was installed (--no-guard): a process that had loaded an old token may have written it"
    " back after the verification."
)
REPLACED = (
    "A salted 64-bit hash of {which} was kept: those tokens are revoked. Then each row got a new token"
    " ({how}) in windows, each one transaction that also moved a checkpoint."
)
VERIFIED = (
    "At the end the token of every row was hashed again and compared with the revoked ones, by value;"
    " neither checkpoint nor row count was trusted. A row that still held a revoked token would have"
    " been named by its key and rotated again."
)
UNPROVEN = f"At the end {INCONCLUSIVE}: {START_OVER}."
UNVERIFIED = "The end has not been verified by value."
NOT_STARTED = "No token has been replaced yet."
LIMITS = (
    "Copies outside the column: caches, search indexes, other tables, materialized views, logical"
    " subscribers (the preflight's findings name those the database knows about).",
    "Old versions in backups, in archived WAL, and in pages not yet vacuumed.",
    "Tokens deleted before the rotation started, unless listed with --leaked.",
    "Hashes have 64 bits: a new token can match a revoked hash by chance (1 in 2^64 for each pair); it"
    " would be rotated again.",
)


def collect(session: Session, rotation: Rotation) -> dict[str, Any]:
    """Everything stored about a rotation, as plain data; reads its whole journal."""
    seen = read_state(session, rotation.pk)
    rotation = read_rotation(session, rotation.pk)  # after its state: if that is final, so is this
    state = describe(session, rotation, seen)
    progress = seen.progress
    return {
        "rotation": {
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
        },
        "result": conclude(rotation, progress),
        "rows": {
            "replaced": progress.rows_done,
            "at_the_start": progress.rows_total,
            "counted": progress.rows_total_exact,
            "windows": progress.windows,
        },
        "proof": _proof(session, rotation),
        "stages": [
            {"name": stage.name, "began": stage.began, "ended": stage.ended, "seconds": stage.seconds}
            for stage in read_phase_times(session, rotation)
        ],
        "workers": read_workers(session, rotation.pk),
        "held_back": read_throttles(session, rotation.pk),
        "steering": show_steering(rotation),
        "options": {name: one for name, one in as_kept(rotation.options).items() if name != "seal"},
        "tuned": as_kept(rotation.tuned),
        "findings": rotation.findings or [],
        "lanes": state["lanes"],
        "journal": [vars(point) for point in read_points(session, rotation.pk, whole=True)],
        "versions": rotation.versions,
    }


def _how_replaced(rotation: Rotation) -> str:
    kept = as_kept(rotation.options)
    form = kept.get("format")
    how = f"random, {form}, made of gen_random_uuid" if form else "random, by gen_random_uuid"
    if kept.get("expression"):
        how = f"by the operator's own SQL: {one_line(str(kept['expression']))}"
    which = "every token"
    if kept.get("where"):
        which = f"the token of every row for which this was true ({one_line(str(kept['where']))})"
    return REPLACED.format(how=how, which=which)


def _proof(session: Session, rotation: Rotation) -> dict[str, Any]:
    with session.looking("reading what was left over"):
        leftovers = Leftover.objects.using(session.alias).filter(lane__rotation=rotation)
        left = {
            "skipped": leftovers.filter(survivor=False).count(),
            "survivors": leftovers.filter(survivor=True).count(),
            "open": leftovers.filter(rotated_at=None).count(),
        }
    if rotation.verified_at is None:
        verified = UNVERIFIED
    else:
        verified = UNPROVEN if rotation.survivors is None else VERIFIED
    guarded = GUARDED if as_kept(rotation.options).get("guard", True) else UNGUARDED
    earlier = None
    if rotation.revoked is not None and rotation.rows_total is not None:
        earlier = max(0, rotation.revoked - rotation.leaked - rotation.rows_total)
    return {
        "revoked": rotation.revoked,
        "of_them_from_lists": rotation.leaked,
        "of_them_earlier": earlier,
        "survivors": rotation.survivors,
        "verified_at": rotation.verified_at,
        "left_for_later": left,
        "method": " ".join((guarded, _how_replaced(rotation), verified))
        if rotation.started_at
        else NOT_STARTED,
        "not_reached": list(LIMITS),
    }
