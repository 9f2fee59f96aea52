"""What the preflight finds about logical replication: who receives the tokens, and who sends some."""

from collections.abc import Iterator

from ..db.session import Row, Session
from ..events import NOTE, REFUSE, WARN, Found
from ..table.target import Target
from ..text import count

#: Why updates of a published table fail, and what to do; by `lacks` of list_unidentified.sql.
NO_IDENTITY = {
    "nothing": ("has REPLICA IDENTITY NOTHING", "ALTER TABLE {} REPLICA IDENTITY DEFAULT first"),
    "key": (
        "has no primary key and so no replica identity",
        "ALTER TABLE {} REPLICA IDENTITY FULL first",
    ),
    "deferrable": (
        "has a DEFERRABLE primary key and so no replica identity",
        "ALTER TABLE {} REPLICA IDENTITY USING INDEX another unique one of its key, or FULL, first",
    ),
    "index": (
        "has lost the index of its replica identity",
        "ALTER TABLE {} REPLICA IDENTITY DEFAULT first",
    ),
    "columns": (
        "has a replica identity that does not agree with the publication's row filter or columns",
        "change those, or ALTER TABLE {} REPLICA IDENTITY, first",
    ),
}


def of_replication(session: Session, table: Row, target: Target) -> Iterator[Found]:
    """Yield what publications and subscriptions do to a rotation, and the other way round."""
    yield from _of_identities(session, target)
    yield from _of_publications(session, table, target)
    yield from _of_the_state(session)
    yield from _of_subscriptions(session, target)


def _of_identities(session: Session, target: Target) -> Iterator[Found]:
    unidentified = session.rows(
        "list_unidentified", oid=target.oid, attnum=target.attnum, schema=session.state_schema
    )
    for one in unidentified:
        what, step = NO_IDENTITY[one["lacks"]]
        yield Found(
            REFUSE,
            f"publication {one['publications']} publishes updates of {one['table']}, which {what}: every"
            f" UPDATE would fail; {step.format(one['table'])}",
        )


def _of_publications(session: Session, table: Row, target: Target) -> Iterator[Found]:
    names = ", ".join(row["name"] for row in session.rows("list_publications", oid=target.oid))
    if names and table["identity_holds_token"]:
        yield Found(
            WARN,
            f"publication {names} sends every old token to its subscribers, because the replica"
            f" identity of {target.schema}.{target.table} holds it: REPLICA IDENTITY DEFAULT sends"
            " the key only",
        )
    elif names:
        yield Found(NOTE, f"publication {names} sends every new token to its subscribers")


def _of_the_state(session: Session) -> Iterator[Found]:
    for row in session.rows("list_whole_publications", schema=session.state_schema):
        yield Found(WARN, state_is_published(row["name"], row["kind"]))


def state_is_published(name: str, kind: str) -> str:
    """That a publication takes the rotation's state along, and the way out."""
    return (
        f"publication {name} is {kind}, and so publishes the rotation's own tables: subscribers, which"
        " lack them, stop applying anything with the first row there; before that CREATE PUBLICATION"
        " another FOR TABLE those that are meant, at each subscriber ALTER SUBSCRIPTION ... SET"
        f" PUBLICATION another, and DROP PUBLICATION {name}"
    )


def _of_subscriptions(session: Session, target: Target) -> Iterator[Found]:
    if not session.row("check_subscription_access")["may_read"]:
        yield Found(
            NOTE,
            "this role may not read pg_subscription_rel: whether a subscription fills"
            f" {target.schema}.{target.table} is not known",
        )
        return
    rows = session.rows("list_subscriptions", oid=target.oid)
    for name, enabled in dict.fromkeys((row["name"], row["enabled"]) for row in rows):
        tables = [row["table"] for row in rows if row["name"] == name]
        filled = tables[0] if len(tables) == 1 else count(len(tables), "table")
        yield Found(
            WARN,
            f"subscription {name}{' (disabled)' * (not enabled)} fills {filled} with the publisher's"
            " rows and tokens: one that is revoked here, in a row that is new there, is refused by the"
            " guard, and stops the subscription; rotate at the publisher, which sends its new tokens",
        )
