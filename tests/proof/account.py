"""A table without a model: made, rotated, and attacked."""

import subprocess
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.conftest import Database, Done, until

ACCOUNT = ("--table", "public.account", "--column", "api_key")
TWENTY = "INSERT INTO account SELECT g, gen_random_uuid(), 'x' FROM generate_series(1, 20) AS g"
REVOKED = "this token was revoked"
FUNCTION = "SELECT tgfoid::regproc::text FROM pg_trigger WHERE tgrelid = 'account'::regclass LIMIT 1"


def make(db: Database, type_: str = "uuid") -> None:
    """A table without a model, and what it held."""
    db.sql(f"CREATE TABLE account (id bigint PRIMARY KEY, api_key {type_}, note text)")
    db.sql(TWENTY)
    db.remember("account", "id", "api_key")


def rotate(db: Database, *also: str, code: int = 0) -> Done:
    done = db.call("rotate_tokens_sql", *ACCOUNT, *also)
    assert done.code == code, done.out + done.err
    return done


def old(db: Database, key: int = 3) -> str:
    return str(db.value("SELECT token FROM before WHERE id = %s", str(key)))


def left(db: Database) -> int:
    return db.unchanged("account", "api_key")


def is_refused(db: Database, statement: str, *parameters: Any) -> None:
    with pytest.raises(psycopg2.IntegrityError, match=REVOKED):
        db.sql(statement, *parameters)


def still_guards(db: Database) -> None:
    """No revoked token comes back, by UPDATE, INSERT or upsert, and other writes pass."""
    db.sql("UPDATE account SET api_key = %s, note = 'y' WHERE id = 3", old(db))
    assert db.value("SELECT note FROM account WHERE id = 3") == "y"
    is_refused(db, "INSERT INTO account VALUES (901, %s)", old(db))
    upsert = (
        "INSERT INTO account VALUES (3, %s) ON CONFLICT (id) DO UPDATE SET api_key = EXCLUDED.api_key"
    )
    db.sql(upsert, old(db))
    db.sql("INSERT INTO account VALUES (902, gen_random_uuid())")
    db.sql("UPDATE account SET api_key = gen_random_uuid() WHERE id = 902")
    db.sql("DELETE FROM account WHERE id = 902")
    assert left(db) == 0


def parts(db: Database, type_: str = "uuid") -> None:
    db.sql(
        f"CREATE TABLE account (id bigint PRIMARY KEY, api_key {type_}, note text)"
        " PARTITION BY RANGE (id);"
        "CREATE TABLE low PARTITION OF account FOR VALUES FROM (0) TO (11);"
        "CREATE TABLE high PARTITION OF account FOR VALUES FROM (11) TO (1000);"
    )
    db.sql(TWENTY)
    db.remember("account", "id", "api_key")


def rotate_around(db: Database, change: str) -> Done:
    """Rotate the first rows, change something, and continue."""
    db.sql("ALTER TABLE account ADD CONSTRAINT stop CHECK (halts(id <> 8)) NOT VALID")
    rotate(db, "--window", "5", code=1)
    db.sql(f"ALTER TABLE account DROP CONSTRAINT stop; {change}")
    return db.call("rotate_tokens_sql", *ACCOUNT)


def start_with_a_child(db: Database) -> subprocess.Popen[str]:
    """A run whose table gets a child by inheritance, with a row, before its snapshot."""
    db.sql("CREATE TABLE child (LIKE account INCLUDING ALL)")
    with closing(db.connect(autocommit=False)) as writer, writer.cursor() as cursor:
        cursor.execute("UPDATE account SET note = 'w' WHERE id = 1")  # the barrier waits for it
        run = db.start("rotate_tokens_sql", *ACCOUNT, "--no-guard")
        until(lambda: db.value("SELECT count(*) FROM rotation"))
        db.sql("INSERT INTO child VALUES (900, gen_random_uuid()); ALTER TABLE child INHERIT account")
        writer.commit()
    return run
