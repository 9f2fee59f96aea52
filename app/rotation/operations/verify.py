"""Proves a rotation again, at any time, and searches for copies of its revoked tokens."""

from dataclasses import replace
from typing import Any

from ..engine.db.session import Session
from ..engine.errors import Refused, Unproven
from ..engine.kept import as_kept, is_ours, kept_lastingly
from ..engine.options import LASTING, Options, as_flags
from ..engine.preflight.server import describe_server
from ..engine.proof import copies, guard
from ..engine.proof.leaked import LeakedList
from ..engine.proof.verdict import LeakedVerdict, Verdict, why_unproven
from ..engine.proof.verify import verify, verify_listed
from ..engine.state import transitions
from ..engine.state.commands import action_on
from ..engine.state.progress import read_progress
from ..engine.state.rotations import rotations
from ..engine.table import citus
from ..engine.table.shape import read_shape
from ..engine.table.target import Target, TargetName, aim, resolve
from ..engine.text import name_keys, of_rows, one_line
from ..models import Rotation, Status

MOST_NOTED = 10  # columns with copies of which the rotation keeps a note


def verify_rotation(
    session: Session,
    rotation: Rotation,
    leaked: LeakedList | None,
    write: Any,
    search_copies: bool = False,
) -> None:
    """Prove a rotation again, store the result, and report it in plain sentences.

    `search_copies`: then search the rest of the database for the revoked tokens.

    Raises Refused if there is nothing to prove, Unproven if the proof fails.
    """
    latest = rotation
    if rotation.revoked is None:
        rotation = _before(session, latest)
    server = describe_server(session)
    target = citus.place(session, find_rotated(session, latest), server["citus"])
    aim(session, target)
    target.placement.settle(session, Options.lock_patience)
    complete = read_progress(session, rotation.pk).complete
    # The list first: a bad one is reported without waiting for the proof.
    listed = verify_listed(session, rotation, target, leaked) if leaked else None
    verdict = verify(session, rotation, target, Options())
    transitions.record(session, rotation, target, verdict)
    problems = _of_proof(rotation, target, verdict, complete, write)
    if target.placement.takes_guard and not guard.stands(guard.find_guard(session, target)):
        write(
            f"note: nothing keeps revoked tokens out of {target.label}: see"
            f" {action_on(latest, 'guard status')}"
        )
    if leaked and listed:
        again = target.command + as_flags(kept_lastingly(latest.options), LASTING)
        problems += _of_listed(target, again, leaked, listed, write, bool(problems))
    if search_copies:
        problems += _search(session, target, rotation, write)
    if problems:
        raise Unproven(" | ".join(problems))


def _before(session: Session, rotation: Rotation) -> Rotation:
    """The rotation before one that revoked nothing (yet). Raises Refused if there is none."""
    with session.looking("reading the rotations"):
        of_set = rotations(session).filter(set_id=rotation.set_id, revoked__isnull=False)
        before = of_set.order_by("-pk").first()
    if before is None:
        raise Refused(f"{rotation} has no complete snapshot of revoked tokens to verify against")
    return before


def find_rotated(session: Session, rotation: Rotation) -> Target:
    """The column that was rotated: by its names at the start or, if it was renamed, by its numbers.

    Names come first: after a dump was restored, another table may have the number. Raises Refused if
    it is gone.
    """
    kept = kept_lastingly(rotation.options)
    names = (rotation.table_name, rotation.token_column, None, rotation.table_schema, kept.get("walk"))
    now = read_shape(session, rotation.table_oid, rotation.token_attnum)
    try:
        target = _resolved(session, TargetName(*names))
        if target.oid != rotation.table_oid or target.attnum == rotation.token_attnum:
            return _as_written(target, rotation)
    except Refused:
        if now is None:
            raise
    if now is None:
        raise Refused(
            f"{target.label} is not the column that was rotated, which was dropped: rotate this one"
        )
    name = TargetName(now["table"], now["column"], None, now["schema"], kept.get("walk"))
    return _as_written(_resolved(session, name), rotation)


def _resolved(session: Session, name: TargetName) -> Target:
    """The target; by its primary key if the column by which windows walked is gone."""
    try:
        return resolve(session, name, inheritance=True)
    except Refused:
        if name.walk is None:
            raise
        return resolve(session, replace(name, walk=None), inheritance=True)


def _as_written(target: Target, rotation: Rotation) -> Target:
    """The target with what the rotation has written into it; SQL that is not ours is left out."""
    kept = kept_lastingly(rotation.options)
    ours = is_ours(rotation.options, rotation.target)
    recipe = Options(**kept).recipe
    if not ours:
        recipe = replace(recipe, expression=None, companions=(), where=None)
    return replace(target, recipe=recipe if target.is_text else replace(recipe, form=None))


def _of_proof(
    rotation: Rotation, target: Target, verdict: Verdict, complete: bool, write: Any
) -> list[str]:
    """Report the result of a verification that found nothing; else return a sentence."""
    problems = []
    if verdict.conclusive and verdict.survivors and not complete:
        ended = "is not finished"
        then = "continue"
        if rotation.status == Status.CANCELLED:
            ended = "was cancelled"
            then = "start another, over all rows"
        problems.append(
            f"{rotation} {ended}: {verdict.survivors} of {verdict.expected} revoked tokens are"
            f" still in use; run {target.command} to {then}"
        )
    elif not verdict.clean:
        problems.append(why_unproven(verdict, target))
    else:
        # Also where this site did not sign the condition: it is said, and not run.
        write(verdict.sentence(target.label + of_rows(as_kept(rotation.options).get("where"))))
    for note in verdict.notes:
        write(f"note: {note}")
    if rotation.token_type != target.column_type:
        write(
            f"note: {target.label} was {rotation.token_type} when it was rotated, and is now"
            f" {target.column_type}: still compared by value"
        )
    if rotation.target != f"{target.schema}.{target.table}.{target.column}":
        write(f"note: {target.label} was called {one_line(rotation.target)} when it was rotated")
    if rotation.table_oid != target.oid:
        write(f"note: {target.label} is not the table that was rotated, but another of that name")
    return problems


def _of_listed(
    target: Target, again: str, leaked: LeakedList, listed: LeakedVerdict, write: Any, more: bool
) -> list[str]:
    """Report the result of comparing with a list if nothing matched; else return a sentence.

    `again`: the command that rotates it as before.
    `more`: another sentence names a command that rotates some of these rows.
    """
    sentence = listed.sentence(target.label)
    if not listed.valid:
        write(sentence)
        return []
    named = name_keys(target.pk, listed.keys, listed.valid)
    run = f"run {again} --new --leaked {leaked.name}"
    if more:
        run = f"give that command --leaked {leaked.name}"
    return [f"{sentence}: {named}; {run} to rotate them"]


def _search(session: Session, target: Target, rotation: Rotation, write: Any) -> list[str]:
    """Search the database for copies, with progress, and note what was found.

    Returns a sentence for each column that holds some.
    """
    session.emit = lambda event: write(str(event))
    done = copies.search(session, target, rotation)
    for one in done.skipped:
        write(f"not searched: {one}")
    skipped = f"; {len(done.skipped)} not searched" if done.skipped else ""
    if not done.found:
        write(done.sentence)
        transitions.note_search(session, rotation, f"{done.sentence}{skipped}", clean=True)
        return []
    more = f" and {len(done.found) - MOST_NOTED} more" if len(done.found) > MOST_NOTED else ""
    noted = f"{'; '.join(done.found[:MOST_NOTED])}{more}{skipped}"
    transitions.note_search(session, rotation, noted, clean=False)
    return [*done.found[:-1], f"{done.found[-1]}; delete or replace them there, and search again"]
