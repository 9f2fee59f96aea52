"""What a transaction writes whose snapshot is older than table, guard or state."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.conftest import Database
from tests.proof.account import ACCOUNT, REVOKED, TWENTY, is_refused, left, make, old, rotate

SECOND = ("--table", "public.account", "--column", "second")


@pytest.fixture
def session(db: Database) -> Iterator[Any]:
    """One under REPEATABLE READ; `take_snapshot()` takes its snapshot."""
    with closing(db.connect(autocommit=False)) as connection, connection.cursor() as cursor:
        connection.set_session("REPEATABLE READ")
        yield cursor


def take_snapshot(session: Any) -> None:
    session.connection.rollback()
    session.execute("SELECT 1")


def test_guard_of_another_column_was_there(db: Database, session: Any) -> None:
    """Its triggers and its function had the names that the column's have now."""
    make(db)
    db.sql("ALTER TABLE account ADD second uuid; UPDATE account SET second = gen_random_uuid()")
    token = db.value("SELECT second::text FROM account WHERE id = 3")
    assert db.call("rotate_tokens_sql", *SECOND).code == 0
    assert db.call("rotation", "guard", "drop", *SECOND).code == 0
    rotate(db)
    insert = "INSERT INTO account (id, api_key, second) VALUES (901, gen_random_uuid(), %s)"
    take_snapshot(session)
    assert db.call("rotation", "guard", "drop", *ACCOUNT).code == 0
    assert db.call("rotate_tokens_sql", *SECOND).code == 0
    with pytest.raises(psycopg2.errors.SerializationFailure):
        session.execute(insert, [token])
    take_snapshot(session)
    with pytest.raises(psycopg2.IntegrityError, match=REVOKED):
        session.execute(insert, [token])


@pytest.mark.parametrize("others", [False, True], ids=["renamed", "and another has its name"])
def test_schema_of_the_state(rotated: Database, session: Any, others: bool) -> None:
    db, token = rotated, old(rotated)
    db.sql("CREATE SCHEMA far; ALTER TABLE account SET SCHEMA far; CREATE SCHEMA tenant")
    if others:
        tenant = db.environment(DATABASE_URL=f"{db.url}?options=-csearch_path%3Dtenant")
        assert db.run("migrate", "-v", "0", env=tenant).code == 0
        db.sql("CREATE TABLE far.other (id bigint PRIMARY KEY, api_key uuid);"
               "INSERT INTO far.other VALUES (1, gen_random_uuid())")  # fmt: skip
        done = db.run("rotate_tokens_sql", "--table", "far.other", "--column", "api_key", env=tenant)
        assert done.code == 0, done.err
    take_snapshot(session)
    db.sql("ALTER SCHEMA public RENAME TO blue; ALTER SCHEMA tenant RENAME TO public")
    with pytest.raises(psycopg2.IntegrityError, match=REVOKED):
        session.execute("INSERT INTO far.account VALUES (901, %s)", [token])
    take_snapshot(session)
    session.execute("INSERT INTO far.account VALUES (902, gen_random_uuid())")


def test_partition_that_it_does_not_know(db: Database, session: Any) -> None:
    """Its triggers are unknown, too: the application is told to begin again."""
    db.sql(
        "CREATE TABLE account (id bigint PRIMARY KEY, api_key uuid, note text) PARTITION BY RANGE (id);"
        "CREATE TABLE low PARTITION OF account FOR VALUES FROM (0) TO (100)"
    )
    db.sql(TWENTY)
    db.remember("account", "id", "api_key")
    rotate(db)
    take_snapshot(session)
    db.sql("CREATE TABLE high PARTITION OF account FOR VALUES FROM (100) TO (1000)")
    session.execute("INSERT INTO account VALUES (900, gen_random_uuid())")
    take_snapshot(session)
    db.sql("DROP TABLE high; CREATE TABLE high PARTITION OF account FOR VALUES FROM (100) TO (1000)")
    with pytest.raises(psycopg2.errors.SerializationFailure):
        session.execute("INSERT INTO account VALUES (901, %s)", [old(db)])
    is_refused(db, "INSERT INTO account VALUES (901, %s)", old(db))
    assert left(db) == 0
