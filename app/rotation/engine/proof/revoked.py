"""The set of revoked tokens: filled from one snapshot of the table, and from lists."""

from django.db.models import F

from ...models import Rotation
from ..db.retry import LOOK_SECONDS, Every, Wait
from ..db.session import Session
from ..db.sqlstate import DENIED, translated
from ..errors import DatabaseFailure, Refused
from ..events import ListRead, Waiting
from ..table.target import Target
from ..text import shown
from .leaked import CopySource, LeakedList
from .parts import hold, require_same
from .token_list import TEXTS, UUIDS, Kind


def take_snapshot(session: Session, rotation: Rotation, target: Target) -> int:
    """Put the hash of every token into the set, and complete it; how many hashes it must hold now.

    One statement, and so one snapshot of the table, read from the heap: a token that is valid then is in
    it, wherever its row moves later, and whatever an index fails to return. If another process is taking
    it, wait for that. The first request to stop cancels it, because it starts again anyway. Raises
    LockConflict then, Stopped while it waited, Refused for text that is not a UUID.
    """
    wait = Wait(session, every=Every(at_once=False))
    while True:
        with session.durable(at_once=True):
            if session.row("claim_snapshot", rotation=rotation.pk)["alone"]:
                with translated("reading the rotation"):
                    rotation.refresh_from_db(using=session.alias)
                if rotation.revoked is not None:
                    return rotation.revoked
                return _take(session, rotation, target)
        if wait.due():
            session.emit(Waiting("the snapshot", "another process, which is taking it"))
        wait.rest(LOOK_SECONDS)


def _take(session: Session, rotation: Rotation, target: Target) -> int:
    parts = hold(session, target)
    session.change("read_heap")
    must_be_uuids = target.is_text and not target.any_text
    if must_be_uuids and (misfits := session.rows("find_non_uuid", lo=None, hi=None)):
        raise Refused(
            f"{target.label} of the row with {target.pk} {shown(misfits[0]['key'])} is not a UUID of"
            " 32 or 36 characters in one case; nothing was replaced: fix or empty it and run the"
            f" same command again; or give up with {target.action('cancel')}, and start again with"
            " --format"
        )
    # If the set has an index, fill it in the index's order: that is much faster.
    its = {"rotation": rotation.pk, **in_set(rotation), "sorted": rotation.set_id != rotation.pk}
    taken = session.change("take_snapshot", **its)
    require_same(session, target, parts)
    with translated("noting the partitions"):
        this = Rotation.objects.using(session.alias).filter(pk=rotation.pk)
        this.update(partitions={str(oid): list(its) for oid, its in parts.items()})
    return int(session.row("complete_revoked_set", rotation=rotation.pk, taken=taken)["revoked"])


def in_set(rotation: Rotation) -> dict[str, int | None]:
    """The parameters that look up a token among those that a rotation's column has revoked."""
    return {"set": rotation.set_id, "salt": rotation.salt}


def revoke_listed(session: Session, rotation: Rotation, target: Target, leaked: LeakedList) -> ListRead:
    """Add a list to the rotation's set, in the caller's transaction; what to report after its COMMIT.

    Raises UsageError, with a line number, for what is not a list of tokens.
    """
    tokens = receive(session, target, leaked)
    added = session.change("add_leaked", rotation=rotation.pk, **in_set(rotation))
    this = Rotation.objects.using(session.alias).filter(pk=rotation.pk)
    this.update(leaked=F("leaked") + added, revoked=F("revoked") + added)
    session.rows("note_change", set=rotation.set_id)
    return ListRead(leaked.name, tokens, added)


def kind_of(target: Target) -> Kind:
    """What a list of its tokens holds."""
    return TEXTS if target.any_text else UUIDS


def receive(session: Session, target: Target, leaked: LeakedList) -> int:
    """Copy a list into the transaction's own table; how many tokens it holds."""
    try:
        session.change("create_leaked")
    except DatabaseFailure as failure:
        if failure.sqlstate != DENIED:
            raise
        raise Refused(
            "--leaked needs TEMPORARY on the database, for a temporary table: GRANT it to this role,"
            " then run the same command again"
        ) from failure
    source = CopySource(leaked, target.column, kind_of(target))
    session.copy("copy_leaked", source)
    if source.error:
        raise source.error
    return source.tokens
