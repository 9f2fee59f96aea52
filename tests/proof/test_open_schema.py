"""What others may have put beside the state, or before it, is neither called nor overlooked."""

import psycopg2
import pytest

from tests.conftest import Database
from tests.proof.account import ACCOUNT, make, rotate
from tests.proof.mallory import acting, evil, is_super
from tests.proof.roles import as_role
from tests.proof.test_trespass import granted


@pytest.fixture
def open_schema(db: Database) -> Database:
    """As public was before PostgreSQL 15."""
    db.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    return db


def close(db: Database) -> None:
    """As docs/servers.md and the refusal say."""
    db.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")


@pytest.mark.parametrize("command", [("migrate",), ("migrate", "rotation", "zero")], ids=["up", "down"])
def test_operators_while_it_migrates(
    open_schema: Database, runner: str, command: tuple[str, ...]
) -> None:
    db = open_schema
    if len(command) == 1:
        assert db.run("migrate", "rotation", "zero").code == 0
    with acting(db, runner) as (_, mallory):
        for n, other in enumerate(("regclass", "regtype")):
            mallory.execute(
                evil(f"public.f{n}", f"oid, {other}", "boolean", "$1::bigint = $2::oid::bigint", runner)
                + f"CREATE OPERATOR public.= (FUNCTION = public.f{n}, LEFTARG = oid, RIGHTARG = {other})"
            )
    done = db.run(*command)
    assert done.code == 0, done.err
    assert not is_super(db, runner)


def test_operator_that_comes_before_postgresqls_own(open_schema: Database, runner: str) -> None:
    """Of the same name and types, where the role's search path has pg_catalog last."""
    db = open_schema
    assert db.run("migrate", "rotation", "zero").code == 0
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            evil("public.matches", "name, text", "boolean", "false", runner)
            + "CREATE OPERATOR public.~ (FUNCTION = public.matches, LEFTARG = name, RIGHTARG = text)"
        )
    db.sql(f"ALTER DATABASE {db.name} SET search_path = public, pg_catalog")
    done = db.run("migrate")
    assert done.code == 0, done.err
    assert not is_super(db, runner)


def test_overload_that_migrate_would_call(open_schema: Database, runner: str) -> None:
    db = open_schema
    assert db.run("migrate", "rotation", "zero").code == 0
    with acting(db, runner) as (_, mallory):
        mallory.execute(evil("public.rotation_keep_to_owner", "text, oid", "int", "1", runner))
    done = db.run("migrate")
    assert not is_super(db, runner)
    assert done.code != 0
    assert f"rotation_keep_to_owner(text,oid) belongs to {runner}: drop it" in done.err


@pytest.mark.parametrize(
    ("name", "arguments", "returns", "value"),
    [
        ("rotation_called", "text, int", "name", "'api_key'"),
        ("rotation_called", "oid, smallint", "name", "'api_key'"),
        ("rotation_require_recent_snapshot", "text, bigint", "int", "1"),
        ("rotation_hash", "varchar, bigint", "bigint", "1"),
    ],
)
def test_overload_of_what_the_guard_calls(
    open_schema: Database, runner: str, name: str, arguments: str, returns: str, value: str
) -> None:
    """It stays when the schema is closed, and its argument types might be preferred."""
    db = open_schema
    make(db, "varchar(36)")
    with acting(db, runner) as (_, mallory):
        mallory.execute(evil(f"public.{name}", arguments, returns, value, runner))
    close(db)
    assert f"of {runner}, with this role's rights: drop it" in rotate(db, code=1).err
    # Nor is it called by a guard that was there before.
    db.sql(f"ALTER FUNCTION public.{name}({arguments}) RENAME TO harmless")
    rotate(db)
    db.sql(f"ALTER FUNCTION public.harmless({arguments}) RENAME TO {name}")
    for key, begin in ((901, "BEGIN"), (902, "BEGIN ISOLATION LEVEL REPEATABLE READ")):
        db.sql(f"{begin}; INSERT INTO account VALUES ({key}, gen_random_uuid()); COMMIT")
    db.sql(
        "ALTER TABLE account RENAME api_key TO key; INSERT INTO account VALUES (903, gen_random_uuid())"
    )
    assert not is_super(db, runner)


def test_function_of_a_trigger_that_was_there_before(open_schema: Database, runner: str) -> None:
    """CREATE OR REPLACE leaves it to its owner, who may change what its body means."""
    db = open_schema
    name = db.value("SELECT proname FROM pg_proc WHERE proname LIKE 'pgtrigger_legal_arrows%%'")
    assert db.run("migrate", "rotation", "zero").code == 0
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            f"CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NEW; END'"
        )
    done = db.run("migrate")
    assert done.code != 0
    assert f"{name}() belongs to {runner}: drop it, then migrate again" in done.err


def test_function_of_a_trigger_that_changes_hands(db: Database, runner: str) -> None:
    make(db)
    name = db.value(
        "SELECT oid::regprocedure FROM pg_proc WHERE proname LIKE 'pgtrigger_legal_arrows%%'"
    )
    db.sql(f"ALTER FUNCTION {name} OWNER TO {runner}")
    assert f"{name} of {runner}" in rotate(db, code=1).err


def test_operators_left_from_an_open_schema(open_schema: Database, runner: str) -> None:
    db = open_schema
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            evil("public.f", "oid, regclass", "boolean", "$1::bigint = $2::oid::bigint", runner)
            + "CREATE OPERATOR public.= (FUNCTION = public.f, LEFTARG = oid, RIGHTARG = regclass)"
        )
    close(db)
    make(db, "varchar(36)")
    for command in (
        ("rotate_tokens_sql", *ACCOUNT, "--dry-run"),
        ("rotation", "status"),
        ("rotation", "guard", "status", *ACCOUNT),
    ):
        done = db.run(*command)
        assert done.code == 1
        assert f"operator =(oid,regclass) of {runner}" in done.err
    assert not is_super(db, runner)


def test_state_of_somebody_else_first_in_the_path(db: Database, runner: str) -> None:
    """The default path begins with the schema of the user's name."""
    make(db)
    db.sql(f"GRANT CREATE ON DATABASE {db.name} TO {runner}")
    with acting(db, runner) as (_, mallory):
        mallory.execute("CREATE SCHEMA postgres")
    first = db.environment(DATABASE_URL=db.url + "?options=-csearch_path%3Dpostgres")
    assert db.run("migrate", "rotation", env=first).code == 0
    # What she could as well have made herself, object by object.
    for kind, catalog, where in (
        ("TABLE", "SELECT oid::regclass::text FROM pg_class", "relkind IN ('r', 'p') AND relnamespace"),
        ("FUNCTION", "SELECT oid::regprocedure::text FROM pg_proc", "pronamespace"),
    ):
        for (name,) in db.sql(f"{catalog} WHERE {where} = 'postgres'::regnamespace"):
            db.sql(f"ALTER {kind} {name} OWNER TO {runner}")
    done = db.run("rotate_tokens_sql", *ACCOUNT)
    assert done.code == 1
    assert f"in schema postgres belongs to {runner}, whose code would run with a superuser's" in done.err
    db.sql("DROP SCHEMA postgres CASCADE")


def test_operator_that_the_constraints_of_the_state_would_call(db: Database, runner: str) -> None:
    """It stands in another schema of the path, and was the better match when `migrate` was run."""
    assert db.run("migrate", "rotation", "zero").code == 0
    db.sql(f"CREATE SCHEMA own; CREATE SCHEMA mine AUTHORIZATION {runner}")
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            "CREATE FUNCTION mine.same(varchar, varchar) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
            " 'BEGIN RETURN true; END';"
            "CREATE OPERATOR mine.= (FUNCTION = mine.same, LEFTARG = varchar, RIGHTARG = varchar)"
        )
    its = db.environment(DATABASE_URL=db.url + "?options=-csearch_path%3Down,mine,public")
    assert db.run("migrate", "rotation", env=its).code == 0
    make(db)
    done = db.run("rotate_tokens_sql", *ACCOUNT, env=its)
    assert done.code == 1
    assert "state in schema own would call function mine.same(character varying," in done.err
    assert f"of {runner}, with this role's rights" in done.err


@pytest.mark.parametrize("member", ["no", "without rights"])
def test_another_state_first_in_the_path_of_no_superuser(db: Database, runner: str, member: str) -> None:
    if member != "no" and db.value("SELECT current_setting('server_version_num')::int") < 160000:
        pytest.skip("every member may become the role")
    make(db)
    granted(db, runner)
    other = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {other} LOGIN; ALTER TABLE account OWNER TO {runner};"
           + f"GRANT {runner} TO {other} WITH INHERIT FALSE, SET FALSE;" * (member != "no") +
           f"GRANT CREATE, USAGE ON SCHEMA public TO {other};"
           f"CREATE SCHEMA {runner} AUTHORIZATION {other}")  # fmt: skip
    try:
        db.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {other}")
        path = db.url.replace("postgres@", f"{other}@") + f"?options=-csearch_path%3D{runner}"
        assert db.run("migrate", "rotation", env=db.environment(DATABASE_URL=path)).code == 0
        db.sql(f"GRANT USAGE ON SCHEMA {runner} TO {runner};"
               f"GRANT ALL ON ALL TABLES IN SCHEMA {runner} TO {runner}")  # fmt: skip
        done = as_role(db, runner, "rotate_tokens_sql", *ACCOUNT)
        assert done.code == 1
        assert f"belongs to {other}, whose code would run" in done.err
        assert "there is another in schema public: put that schema first" in done.err
    finally:
        db.sql(f"DROP OWNED BY {other} CASCADE; DROP ROLE {other}")


def test_lane_of_a_type_of_ones_own(db: Database, runner: str) -> None:
    """The checkpoint's trigger casts to the type that a lane names."""
    make(db)
    granted(db, runner)
    db.sql(
        f"CREATE SCHEMA mine AUTHORIZATION {runner};"
        "ALTER TABLE account ADD CONSTRAINT stop CHECK (halts(id <> 8)) NOT VALID"
    )
    rotate(db, "--window", "5", code=1)
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            evil("mine.f", "text", "boolean", "true", runner)
            + "CREATE DOMAIN mine.d AS text CHECK (mine.f(VALUE));"
            "INSERT INTO batchprogress"
            " (rotation_id, lane, pk_type, pk_collation, lower, upper, rows, windows, worker)"
            " SELECT rotation_id, 90, 'mine.d', '', '1', '2', 0, 0, '' FROM batchprogress LIMIT 1"
        )
    db.sql("ALTER TABLE account DROP CONSTRAINT stop")
    db.call("rotate_tokens_sql", *ACCOUNT)
    assert not is_super(db, runner)


def test_operators_that_the_invariants_would_call(rotated: Database, runner: str) -> None:
    """Nobody's search path makes them pass: who may write to the state keeps to what they say."""
    db = rotated
    granted(db, runner)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}")
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            "CREATE FUNCTION mine.yes(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
        )
        for name in ("<=", ">=", "="):
            mallory.execute(
                f"CREATE OPERATOR mine.{name} (FUNCTION = mine.yes, LEFTARG = bigint, RIGHTARG = bigint)"
            )
        mallory.execute("SET search_path = mine, pg_catalog, public")
        with pytest.raises(psycopg2.errors.RaiseException, match="a checkpoint never moves back"):
            mallory.execute("UPDATE batchprogress SET last_id = '1'")


def test_key_of_a_type_and_collation_of_ones_own(db: Database) -> None:
    """The state's triggers find them in whatever schema, by the names that the state has stored."""
    db.sql("CREATE SCHEMA \"Own\"; CREATE COLLATION \"Own\".c FROM \"C\";"
           "CREATE COLLATION c FROM \"POSIX\";"
           "CREATE DOMAIN \"Own\".name AS text COLLATE c; CREATE DOMAIN name AS text;")  # fmt: skip
    for number, type_ in enumerate(
        ('"Own".name', "public.name", 'text COLLATE "Own".c', "text COLLATE c")
    ):
        table = f"account{number}"
        db.sql(f"CREATE TABLE {table} (id {type_} PRIMARY KEY, api_key uuid);"
               f"INSERT INTO {table} SELECT 'k' || g, gen_random_uuid() FROM generate_series(1, 20) AS g"
        )  # fmt: skip
        db.remember(table, "id", "api_key")
        done = db.call("rotate_tokens_sql", "--table", table, "--column", "api_key", "--window", "5")
        assert (done.code, db.unchanged(table, "api_key")) == (0, 0), done.err
        db.sql("DROP TABLE before")
