"""What a target was at the start, and that it still is: whatever would change what an UPDATE does."""

from ..db.session import Row, Session
from ..errors import RotationError
from .target import Target


def read_shape(session: Session, oid: int, attnum: int, *first: str) -> Row | None:
    """What a table's column is now; None if it is no more. See the two statements.

    `first`: statements that are run before in the same message.
    """
    with session.looking("reading the table's definition"):
        found = session.rows(*first, "read_target_shape", oid=oid, attnum=attnum)
        if found and found[0]["foreign_keys"]:
            return found[0] | session.row("read_followers", oid=oid, attnum=attnum)
    return found[0] if found else None


def require_shape(
    session: Session, rotation: int, target: Target, shape: Row, then: str, *first: str
) -> Row:
    """Return what the target is now. Raises RotationError if that is not `shape`.

    A `shape` without an entry does not ask for that one. `then` says what an error leaves; for `first`
    see read_shape.
    """
    found = read_shape(session, target.oid, target.attnum, *first)
    if found and found | shape == found:
        return found
    names = ("schema", "table", "column", "column_type")
    if not found or any(found[name] != shape[name] for name in names):
        raise RotationError(
            f"{target.label} is no longer the column that rotation {rotation} was started on (renamed,"
            f" replaced or altered); {then}; check the table, then run the command on the one that holds"
            " the old tokens"
        )
    changed = next(name for name, value in shape.items() if value != found[name])
    raise RotationError(
        f"the {changed.replace('_', ' ').replace('protection', 'row-level security')} of"
        f" {target.schema}.{target.table} changed while the rotation ran; {then}, nothing is lost;"
        " see what --dry-run says about it, then run the same command again"
    )
