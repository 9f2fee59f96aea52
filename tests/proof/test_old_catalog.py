"""The guard does not believe what an old transaction sees of the catalog."""

from contextlib import suppress

import psycopg2

from tests.conftest import Database
from tests.proof.account import ACCOUNT, FUNCTION, make
from tests.proof.mallory import acting, evil, evil_where_nothing_is_written, is_super
from tests.proof.roles import as_role
from tests.proof.test_trespass import granted


def owner_rotates(db: Database, runner: str) -> str:
    """The role's own table, rotated by it; the guard's function, which the role may call."""
    make(db)
    db.sql(f"ALTER TABLE account OWNER TO {runner}; CREATE SCHEMA mine AUTHORIZATION {runner}")
    granted(db, runner)
    done = as_role(db, runner, "rotate_tokens_sql", *ACCOUNT)
    assert done.code == 0, done.err
    return str(db.value(FUNCTION))


def test_schema_of_an_old_trigger(db: Database, runner: str) -> None:
    """Seen from the past, the guard's trigger calls a function in another schema."""
    guard = owner_rotates(db, runner)
    with (
        acting(db, runner, autocommit=False) as (old, before),
        acting(db, runner) as (_, now),
    ):
        now.execute(
            "CREATE TABLE mine.m (id int, api_key text);"
            "CREATE FUNCTION mine.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            "CREATE TRIGGER t BEFORE INSERT ON mine.m FOR EACH ROW EXECUTE FUNCTION mine.nothing();"
            + evil("mine.rotation_reading", "oid, name", "name", "'api_key'", runner)
            + evil("mine.rotation_reads_as", "oid", "text", "'pg_catalog.uuid'", runner)
            + evil("mine.rotation_hash", "uuid, bigint", "bigint", "1", runner)
            + evil("mine.rotation_refuses", "text, int, bigint, oid, text", "boolean", "false", runner)
        )
        old.set_session("REPEATABLE READ")
        before.execute("SELECT 1")
        now.execute(
            "DROP TRIGGER t ON mine.m; CREATE TRIGGER t BEFORE INSERT ON mine.m FOR EACH ROW"
            f" EXECUTE FUNCTION public.{guard}()"
        )
        with suppress(psycopg2.Error):
            before.execute("INSERT INTO mine.m VALUES (1, gen_random_uuid())")
        old.commit()
    assert not is_super(db, runner)


def test_type_of_an_old_column(db: Database, runner: str) -> None:
    """Seen from the past, a column is a uuid; now it is of a type with a cast of its owner's."""
    guard = owner_rotates(db, runner)
    trigger = (
        "CREATE TRIGGER t BEFORE INSERT ON mine.m FOR EACH ROW WHEN (NEW.api_key IS NOT NULL)"
        f" EXECUTE FUNCTION public.{guard}()"
    )
    with (
        acting(db, runner, autocommit=False) as (old, before),
        acting(db, runner) as (_, now),
    ):
        now.execute(
            "CREATE TABLE mine.m (id int, api_key uuid); CREATE TYPE mine.evil AS (x int);"
            + evil("mine.cast_it", "mine.evil", "uuid", "gen_random_uuid()", runner)
            + "CREATE CAST (mine.evil AS uuid) WITH FUNCTION mine.cast_it(mine.evil);"
            + trigger
        )
        old.set_session("REPEATABLE READ")
        before.execute("SELECT 1")
        now.execute(
            "DROP TRIGGER t ON mine.m; ALTER TABLE mine.m ALTER api_key TYPE mine.evil"
            " USING ROW(1)::mine.evil;" + trigger
        )
        with suppress(psycopg2.Error):
            before.execute("INSERT INTO mine.m VALUES (1, ROW(1)::mine.evil)")
        old.commit()
    assert not is_super(db, runner)


def test_schema_with_the_old_name_of_the_state(rotated: Database, runner: str) -> None:
    """The state was renamed, and somebody has made a schema of that name."""
    db = rotated
    db.sql(
        f"ALTER SCHEMA public RENAME TO blue; GRANT USAGE ON SCHEMA blue TO {runner};"
        f"GRANT SELECT, INSERT, UPDATE ON blue.account TO {runner};"
        f"GRANT CREATE ON DATABASE {db.name} TO {runner}"
    )
    with acting(db, runner) as (_, mallory):
        called = "public.rotation_require_recent_snapshot(text, int)"
        mallory.execute(
            "CREATE SCHEMA public;" + evil_where_nothing_is_written(db, called, "int", "1", runner)
        )
        with suppress(psycopg2.Error):
            mallory.execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ;"
                "INSERT INTO blue.account VALUES (901, gen_random_uuid())"
            )
        mallory.execute("COMMIT")
    assert not is_super(db, runner)
    db.sql(f"DROP OWNED BY {runner} CASCADE; ALTER SCHEMA blue RENAME TO public")
