"""What others left behind, or put in a table's place, is neither called nor run."""

import pytest

from tests.conftest import Database, until
from tests.proof.account import ACCOUNT, make, rotate
from tests.proof.mallory import acting, evil, evil_where_nothing_is_written, is_super


@pytest.mark.parametrize("where", ["user_schema", "open_public"])
def test_operator_name_match(db: Database, runner: str, where: str) -> None:
    make(db)
    schema = "public"
    if where == "user_schema":
        db.sql(f"GRANT CREATE ON DATABASE {db.name} TO {runner}")
        schema = "postgres"
    else:
        db.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with acting(db, runner) as (_, mallory):
        if schema == "postgres":
            mallory.execute("CREATE SCHEMA postgres")
        mallory.execute(
            evil(f"{schema}.f", "name, name", "boolean", "true", runner)
            + f"CREATE OPERATOR {schema}.~ (FUNCTION = {schema}.f, LEFTARG = name, RIGHTARG = name,"
            " RESTRICT = matchingsel)"
        )
    db.sql("ANALYZE pg_proc")  # as autovacuum does
    db.call("rotation", "guard", "status", *ACCOUNT)
    assert not is_super(db, runner)


def test_concat_left_in_public(db: Database, runner: str) -> None:
    make(db)
    db.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            "CREATE FUNCTION public.concat(a varchar, b text, c varchar) RETURNS text LANGUAGE plpgsql"
            " AS $$BEGIN"
            f" IF current_user <> '{runner}' THEN EXECUTE 'ALTER ROLE {runner} SUPERUSER'; END IF;"
            " RETURN a || b || c; END$$"
        )
    db.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    db.call("rotate_tokens_sql", *ACCOUNT)
    assert not is_super(db, runner)


@pytest.mark.parametrize("when", ["before", "by an app that uses pgtrigger"])
def test_should_ignore(db: Database, runner: str, when: str) -> None:
    assert db.run("migrate", "rotation", "zero").code == 0
    db.sql("DROP FUNCTION IF EXISTS public._pgtrigger_should_ignore(name) CASCADE")
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}")
    db.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            "CREATE FUNCTION public._pgtrigger_should_ignore(trigger_name name) RETURNS boolean"
            " LANGUAGE sql AS 'SELECT false'"
        )
    db.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    db.run("migrate")
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            "CREATE FUNCTION mine.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN"
            f" IF current_user <> '{runner}' THEN EXECUTE 'ALTER ROLE {runner} SUPERUSER'; END IF;"
            " RETURN NULL; END$$;"
            "ALTER FUNCTION public._pgtrigger_should_ignore(name) SET search_path = mine, pg_catalog"
        )
    make(db)
    rotate(db)
    assert not is_super(db, runner)


def test_table_replaced_by_the_schemas_owner(db: Database, runner: str) -> None:
    db.sql(
        f"CREATE SCHEMA mine AUTHORIZATION {runner};"
        "CREATE TABLE mine.account (id bigint PRIMARY KEY, api_key uuid, note text);"
        "INSERT INTO mine.account SELECT g, gen_random_uuid(), 'x' FROM generate_series(1, 2000) AS g"
    )
    moved = ("--table", "mine.account", "--column", "api_key")
    run = db.start(
        "rotate_tokens_sql", *moved, "--window", "10", "--max-rate", "40", "--progress", "none"
    )
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            "BEGIN; DROP TABLE mine.account;"
            "CREATE TABLE mine.account (id bigint PRIMARY KEY, api_key uuid, note text);"
            "INSERT INTO mine.account SELECT g, gen_random_uuid(), 'x' FROM"
            " generate_series(1, 2000) AS g;"
            "CREATE FUNCTION mine.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
            f" IF current_user <> '{runner}' THEN PERFORM mine.g(); END IF; RETURN NEW; END$$;"
            + evil_where_nothing_is_written(db, "mine.g()", "int", "1", runner)
            + "CREATE TRIGGER t BEFORE UPDATE ON mine.account FOR EACH ROW EXECUTE FUNCTION mine.f();"
            "COMMIT"
        )
    _out, _ = run.communicate(timeout=60)
    assert not is_super(db, runner)


@pytest.mark.long
def test_child_of_another_owner(db: Database, runner: str) -> None:
    make(db)
    db.sql(
        "INSERT INTO account SELECT g, gen_random_uuid(), repeat('x', 1000)"
        " FROM generate_series(100, 20000) AS g;"
        "CREATE TABLE copies (key uuid); INSERT INTO copies SELECT api_key FROM account WHERE id < 10;"
        f"CREATE SCHEMA mine AUTHORIZATION {runner};"
        f"CREATE TABLE mine.child () INHERITS (copies); ALTER TABLE mine.child OWNER TO {runner};"
        "ANALYZE account; ANALYZE copies"
    )
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            evil_where_nothing_is_written(db, "mine.g()", "text", "'x'", runner)
            + "CREATE FUNCTION mine.f(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
            " $$BEGIN RETURN mine.g(); END$$;CREATE INDEX ON mine.child ((key::text || mine.f(1)))"
        )
    dry = db.run("rotate_tokens_sql", *ACCOUNT, "--dry-run")
    assert (dry.code, is_super(db, runner)) == (0, False), dry.out + dry.err
    assert db.run("rotate_tokens_sql", *ACCOUNT).code == 0
    found = db.run("rotation", "verify", *ACCOUNT, "--search-copies")
    assert not is_super(db, runner)
    assert "not searched: public.copies (code of others would run" in found.out, found.out
