"""The indexes by which windows find their rows: whether they can be trusted to return every one.

Windows use an index. A row that it does not return is in none of them, and only the verification,
which uses no index, finds that it still has its old token.
"""

import time
from collections.abc import Iterator

from ..db.session import Row, Session
from ..db.sqlstate import DENIED
from ..db.statements import Fragment
from ..errors import DatabaseFailure, LockConflict, Stopped
from ..events import NOTE, REFUSE, Found
from ..table.target import Target

AMCHECK_SECONDS = 60.0  # limit for amcheck, for all indexes of a table together
AGAIN = "then run the same command again"
#: Used in compare_collations.sql, where the server has it and where it does not.
DATABASE_VERSION = Fragment("pg_catalog.pg_database_collation_actual_version(database.oid)")
NO_DATABASE_VERSION = Fragment("NULL::text")


def of_catalog(session: Session, target: Target) -> Iterator[Found]:
    """Yield what the catalog says against the indexes, in the caller's transaction; writes nothing."""
    indexes = session.rows("inspect_key_indexes", oid=target.oid, pk=target.pk)
    yield from _of_missing(indexes, target)
    for index in indexes:
        yield from _of_flags(index, indexes)
    if target.pk_collation:
        known = session.row("knows_database_version")["known"]
        session.names["database_version"] = DATABASE_VERSION if known else NO_DATABASE_VERSION
        for collation in session.rows("compare_collations", oid=target.oid, pk=target.pk):
            yield _outdated(collation, target)


def _of_missing(indexes: list[Row], target: Target) -> Iterator[Found]:
    whole = next((index["name"] for index in indexes if index["is_key"]), None)
    having = {index["table"] for index in indexes if index["is_key"]}
    for table, key in dict.fromkeys((index["table"], index["key"]) for index in indexes):
        if table not in having:
            yield Found(
                REFUSE,
                f"the partition {table} has no index for the primary key of {target.schema}."
                f"{target.table}: ALTER TABLE {table} ADD PRIMARY KEY ({key}), ALTER INDEX {whole}"
                f" ATTACH PARTITION the index that this creates, {AGAIN}",
            )


def _of_flags(index: Row, indexes: list[Row]) -> Iterator[Found]:
    """Refuse an index that queries use, or should, if its flags in pg_index say it is incomplete."""
    if index["name"] is None or (index["valid"] and index["ready"] and index["live"]):
        return
    which = f"the index {index['name']} of {index['table']}, which starts with its primary key,"
    if index["is_key"]:
        which = f"the index {index['name']} of the primary key of {index['table']}"
    if not index["live"]:
        what = "is being dropped"
    elif not index["ready"]:
        what = "is not ready, so new rows are missing from it"
    else:
        what = "is INVALID"
    step = f"REINDEX INDEX {index['name']}"
    if index["partitioned"]:
        # It has no entries, and becomes valid once a valid one of each partition is attached.
        step = f"ALTER INDEX {index['name']} ATTACH PARTITION the primary key's index of each partition"
    yield Found(REFUSE, f"{which} {what}: it may not return every row; {step}, {AGAIN}")


def _outdated(collation: Row, target: Target) -> Found:
    name = collation["name"]
    database = collation["database"]
    label = name or f"default (that of database {database})"
    refresh = f"ALTER COLLATION {name} REFRESH VERSION"
    if name is None:
        refresh = f"ALTER DATABASE {database} REFRESH COLLATION VERSION"
    moved = ""
    if collation["cuts"]:
        moved = " move rows that are in the wrong partition for their key,"
    return Found(
        REFUSE,
        f"the collation {label} of {target.schema}.{target.table}.{target.pk} was version"
        f" {collation['recorded']} when its index was built, and is version"
        f" {collation['actual'] or 'unknown'} now: its index may not return every row;"
        f" REINDEX TABLE {collation['table']},{moved} then {refresh}, {AGAIN}",
    )


def by_amcheck(session: Session, target: Target, seconds: float) -> Iterator[Found]:
    """Yield what amcheck says about the indexes, if this role may run it, within so many seconds.

    It checks b-trees, each in its own read-only transaction. Raises LockConflict if another session
    holds a lock on the table, Stopped if a stop is requested between two indexes.
    """
    found = target.placement.find_amcheck(session)
    if not found:
        return
    if not _may_run(found[0]):
        yield _how_to_permit(found[0])
        return
    session.names["bt_index_check"] = (found[0]["schema"], "bt_index_check")
    deadline = time.monotonic() + seconds
    whole: list[str] = []
    unchecked: list[str] = []
    for index in _checkable(session, target):
        if session.stop.requested:
            raise Stopped(f"by {session.stop.reason}, before the work started")
        left = deadline - time.monotonic()
        try:
            ended = left > 0 and _check(session, index, left)
        except DatabaseFailure as failure:
            if failure.sqlstate == DENIED:
                return
            yield _failed(session, target, index, failure)
        else:
            (whole if ended else unchecked).append(index["name"])
    if unchecked:
        more = f" and {len(unchecked) - 1} more" if len(unchecked) > 1 else ""
        text = f"amcheck of {unchecked[0]}{more} did not finish within {seconds:g} s: not checked"
        yield Found(NOTE, text)
    if len(whole) == 1:
        yield Found(NOTE, f"amcheck: the index {whole[0]} holds every row")
    elif whole:
        yield Found(NOTE, f"amcheck: {len(whole)} indexes that start with the key hold every row")


def _may_run(amcheck: Row) -> bool:
    return bool(amcheck["may_use"] and amcheck["may_run"])


def _how_to_permit(amcheck: Row) -> Found:
    if amcheck["schema"] is None:
        text = "amcheck is installed, but too old to compare an index with its rows: ALTER EXTENSION"
        return Found(NOTE, f"{text} amcheck UPDATE")
    grants = []
    if not amcheck["may_use"]:
        schema = amcheck["function"].rpartition(".")[0]
        grants.append(f"GRANT USAGE ON SCHEMA {schema} TO {amcheck['role']}")
    if not amcheck["may_run"]:
        grants.append(f"GRANT EXECUTE ON FUNCTION {amcheck['function']} TO {amcheck['role']}")
    return Found(NOTE, f"amcheck is installed, but this role may not run it: {'; '.join(grants)}")


def _checkable(session: Session, target: Target) -> list[Row]:
    with session.reading():
        indexes = session.rows("inspect_key_indexes", oid=target.oid, pk=target.pk)
    return [index for index in indexes if index["btree"] and not index["partitioned"]]


def _check(session: Session, index: Row, seconds: float) -> bool:
    """Let amcheck check an index; False if it did not finish in time.

    Raises DatabaseFailure for what it finds, LockConflict for a lock that is not available.
    """
    began = time.monotonic()
    try:
        with session.transaction(reads=True):
            timeout = f"{max(1, int(seconds * 1000))}ms"
            session.rows("open_check", worker=session.worker, statement_timeout=timeout)
            session.rows("check_index", index=index["oid"])
    except LockConflict:
        # The timeout and a cancelling signal have the same SQLSTATE; time tells them apart.
        if session.stop.requested or time.monotonic() - began < seconds:
            raise
        return False
    return True


def _failed(session: Session, target: Target, index: Row, failure: DatabaseFailure) -> Found:
    name = index["name"]
    answer = f"{failure.condition}, SQLSTATE {failure.sqlstate}"
    # An index dropped or rebuilt meanwhile can't be opened, which is an error of the same class.
    present = {one["oid"] for one in _checkable(session, target)}
    if index["oid"] in present and (failure.sqlstate or "").startswith("XX"):
        return Found(
            REFUSE,
            f"amcheck found the index {name} of {index['table']} damaged ({answer}): it may not return"
            f" every row; REINDEX INDEX {name}, {AGAIN}",
        )
    return Found(NOTE, f"amcheck of {name} failed ({answer}): not checked")
