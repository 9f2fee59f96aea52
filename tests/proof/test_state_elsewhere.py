"""Guard and writes when table, column or state are renamed, moved, gone or restored."""

import subprocess
import uuid
from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from tests.conftest import Database
from tests.proof.account import ACCOUNT, is_refused, make, old, rotate, still_guards


def test_two_states(db: Database) -> None:
    """Each has its own set: the guard of the second does not stand in for that of the first."""
    make(db)
    rotate(db)
    first = old(db)
    db.sql("CREATE SCHEMA tenant; DROP TABLE before")
    db.remember("account", "id", "api_key")
    tenant = db.environment(DATABASE_URL=db.url + "?options=-csearch_path%3Dtenant")
    assert db.run("migrate", "rotation", "-v", "0", env=tenant).code == 0
    done = db.run("rotate_tokens_sql", *ACCOUNT, env=tenant)
    assert done.code == 0, done.out + done.err
    still_guards(db)
    is_refused(db, "INSERT INTO account VALUES (903, %s)", first)
    db.sql("UPDATE account SET api_key = %s WHERE id = 3", first)
    assert db.value("SELECT count(*) FROM account WHERE api_key::text = %s", first) == 0
    for environment in (tenant, db.environment()):
        assert db.run("rotation", "guard", "status", *ACCOUNT, env=environment).code == 0


def test_partition_that_another_state_guards(db: Database) -> None:
    """Its triggers have the names that the guard of the whole table would have."""
    make(db)
    db.sql("CREATE SCHEMA tenant")
    tenant = db.environment(DATABASE_URL=db.url + "?options=-csearch_path%3Dtenant")
    assert db.run("migrate", "-v", "0", env=tenant).code == 0
    assert db.run("rotate_tokens_sql", *ACCOUNT, env=tenant).code == 0
    first = old(db)
    db.sql("ALTER TABLE account RENAME TO former; DROP TABLE before;"
           "CREATE TABLE account (LIKE former INCLUDING ALL) PARTITION BY RANGE (id);"
           "ALTER TABLE account ATTACH PARTITION former DEFAULT")  # fmt: skip
    db.remember("account", "id", "api_key")
    rotate(db)
    still_guards(db)
    is_refused(db, "INSERT INTO account VALUES (903, %s)", first)


def test_table_that_takes_the_name_of_another(rotated: Database) -> None:
    """The old one keeps its guard, the new one gets its own; both can be written to."""
    db = rotated
    db.sql(
        "ALTER TABLE account RENAME TO account_old;"
        "CREATE TABLE account (number bigint PRIMARY KEY, api_key uuid);"
        "INSERT INTO account SELECT g, gen_random_uuid() FROM generate_series(1, 20) AS g"
    )
    new = db.value("SELECT api_key::text FROM account WHERE number = 1")
    rotate(db)
    db.sql("UPDATE account_old SET api_key = %s, note = 'z' WHERE id = 3", old(db))
    is_refused(db, "INSERT INTO account_old VALUES (901, %s)", old(db))
    is_refused(db, "INSERT INTO account VALUES (901, %s)", new)
    for table in ("account", "account_old"):
        db.sql(f"INSERT INTO {table} VALUES (902, gen_random_uuid())")
    assert db.unchanged("account_old", "api_key") == 0
    dropped = db.call("rotation", "guard", "drop", "--table", "account_old", "--column", "api_key")
    assert dropped.code == 0, dropped.err


def schema_renamed(db: Database) -> None:
    db.sql("ALTER SCHEMA public RENAME TO elsewhere; CREATE SCHEMA public;"
           "ALTER TABLE elsewhere.account SET SCHEMA public;"
           "ALTER TABLE elsewhere.before SET SCHEMA public")  # fmt: skip


def schema_taken_by_another_state(db: Database) -> None:
    schema_renamed(db)
    assert db.run("migrate", "-v", "0").code == 0
    db.sql("CREATE TABLE other (id bigint PRIMARY KEY, token uuid);"
           "INSERT INTO other VALUES (1, gen_random_uuid())")  # fmt: skip
    assert db.run("rotate_tokens_sql", "--table", "other").code == 0


def state_behind_policies(db: Database) -> None:
    for table in ("rotation", "rotation_revoked", "rotation_revoked_1"):
        db.sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


def rights_taken(db: Database) -> None:
    db.sql("REVOKE ALL ON rotation, rotation_revoked, rotation_revoked_1 FROM PUBLIC, postgres")


@pytest.mark.parametrize(
    "change", [schema_renamed, schema_taken_by_another_state, state_behind_policies, rights_taken]
)
def test_state_that_is_elsewhere(rotated: Database, change: Callable[[Database], None]) -> None:
    """Neither does a revoked token pass, nor is the application's table down."""
    change(rotated)
    still_guards(rotated)


def test_column_that_is_renamed(rotated: Database) -> None:
    """A revoked token is an error then in an UPDATE too; every other write passes."""
    rotated.sql("ALTER TABLE account RENAME api_key TO key_of_api")
    is_refused(rotated, "UPDATE account SET key_of_api = %s WHERE id = 3", old(rotated))
    is_refused(rotated, "INSERT INTO account VALUES (901, %s)", old(rotated))
    rotated.sql("UPDATE account SET key_of_api = gen_random_uuid(), note = 'y' WHERE id = 3")
    rotated.sql("INSERT INTO account VALUES (902, gen_random_uuid())")
    done = rotated.call("rotation", "guard", "status", "--table", "account", "--column", "key_of_api")
    assert (done.code, "renamed" in done.err) == (1, True)


def test_column_that_is_renamed_while_a_transaction_reads(rotated: Database) -> None:
    """What a transaction sees of the catalog may be older than the columns it writes to, and no guard
    keeps that for the next one."""
    with closing(rotated.connect(autocommit=False)) as connection, connection.cursor() as cursor:
        for key in range(30, 40):  # so that the guard's plans are kept
            cursor.execute("INSERT INTO account VALUES (%s, gen_random_uuid())", [key])
        connection.commit()
        connection.set_session("REPEATABLE READ")
        cursor.execute("SELECT 1")
        rotated.sql(
            "ALTER TABLE account RENAME api_key TO key_of_api; ALTER TABLE account ADD api_key uuid"
        )
        insert = "INSERT INTO account (id, key_of_api, api_key) VALUES (%s, %s, gen_random_uuid())"
        for key in (901, 902):
            with pytest.raises(psycopg2.errors.IntegrityConstraintViolation):
                cursor.execute(insert, [key, old(rotated)])
            connection.rollback()
            cursor.execute("SELECT 1")
        cursor.execute(insert, [903, str(uuid.uuid4())])


def test_table_that_is_renamed(rotated: Database) -> None:
    rotated.sql("ALTER TABLE account RENAME TO x; ALTER TABLE x RENAME id TO y;"
                "CREATE SCHEMA far; ALTER TABLE x SET SCHEMA far")  # fmt: skip
    is_refused(rotated, "INSERT INTO far.x VALUES (901, %s)", old(rotated))
    rotated.sql("UPDATE far.x SET api_key = %s, note = 'y' WHERE y = 3", old(rotated))
    assert rotated.unchanged("far.x", "api_key") == 0
    done = rotated.call("rotation", "guard", "status", "--table", "far.x", "--column", "api_key")
    assert done.code == 0, done.err


def test_state_that_is_gone(rotated: Database) -> None:
    """Writes pass, with a warning for each, and the guard says that it can't be relied on."""
    rotated.sql("ALTER TABLE rotation_revoked_1 RENAME TO hidden")
    with closing(rotated.connect()) as connection, connection.cursor() as cursor:
        rotated.sql("ALTER TABLE rotation RENAME TO hidden_too")
        cursor.execute("UPDATE account SET api_key = gen_random_uuid() WHERE id = 3")
        assert "cannot read its state, and lets a token of account pass" in str(connection.notices)
    rotated.sql("ALTER TABLE hidden_too RENAME TO rotation")
    assert rotated.call("rotation", "guard", "status", *ACCOUNT).code == 1
    rotated.sql("ALTER TABLE hidden RENAME TO rotation_revoked_1")
    still_guards(rotated)


def test_database_restored_from_a_dump(rotated: Database) -> None:
    """Tables have other numbers there: the guard continues, and the next run makes it safe again."""
    db, name = rotated, f"{rotated.name}_copy"
    tools, address = db.server.binaries, ["-h", str(db.server.sockets), "-U", "postgres"]
    db.sql(f"CREATE DATABASE {name} TEMPLATE template0")
    dump = subprocess.check_output([str(tools / "pg_dump"), *address, db.name], text=True)
    load = [str(tools / "psql"), *address, "-v", "ON_ERROR_STOP=1", "-q", name]
    loaded = subprocess.run(load, input=dump, capture_output=True, text=True)
    restored = Database(db.server, name)
    try:
        assert loaded.returncode == 0, loaded.stderr
        still_guards(restored)
        assert restored.run("rotation", "guard", "status", *ACCOUNT).code == 1
        done = restored.run("rotate_tokens_sql", *ACCOUNT, "--new")
        assert done.code == 0, done.out + done.err
        still_guards(restored)
        assert restored.run("rotation", "guard", "status", *ACCOUNT).code == 0
    finally:
        db.sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_other_rotations_do_not_send_anybody_away(rotated: Database) -> None:
    db = rotated
    db.sql("CREATE TABLE other (id bigint PRIMARY KEY, token uuid); INSERT INTO other VALUES (1)")
    with closing(db.connect(autocommit=False)) as session, session.cursor() as cursor:
        session.set_session("REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM account")
        assert db.run("rotate_tokens_sql", "--table", "other").code == 0
        cursor.execute("INSERT INTO account VALUES (905, gen_random_uuid())")
        session.commit()


@pytest.mark.parametrize("type_", ["uuid", "text"])
def test_columns_that_swap_their_names(rotated: Database, type_: str) -> None:
    db = rotated
    db.sql(f"ALTER TABLE account ADD new {type_}; ALTER TABLE account RENAME api_key TO old_key;"
           "ALTER TABLE account RENAME new TO api_key")  # fmt: skip
    is_refused(db, "UPDATE account SET old_key = %s WHERE id = 3", old(db))
    is_refused(db, "INSERT INTO account (id, old_key) VALUES (905, %s)", old(db))
    fresh = "11111111-2222-4333-8444-555555555555"
    db.sql("UPDATE account SET old_key = gen_random_uuid(), api_key = %s WHERE id = 3", fresh)
    assert db.value("SELECT api_key::text FROM account WHERE id = 3") == fresh
