"""Who rotates a table runs what its triggers, constraints, indexes and types call: it is said whose."""

import pytest

from tests.conftest import Database, read_until
from tests.proof.account import ACCOUNT, make, parts, rotate, rotate_around
from tests.proof.lent import BEHIND, LENT, F
from tests.proof.mallory import (
    CHILD,
    acting,
    evil,
    evil_where_nothing_is_written,
    is_super,
    referable,
)
from tests.proof.roles import as_role
from tests.proof.test_trespass import granted


@pytest.mark.parametrize("way", LENT)
def test_who_lends_rights_is_told(db: Database, runner: str, way: str) -> None:
    made, used, what = LENT[way]
    parts(db)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; CREATE TYPE e AS ENUM ('x')")
    assert "lends its rights" not in db.call("rotate_tokens_sql", *ACCOUNT, "--dry-run").out
    if made:
        with acting(db, runner) as (_, mallory):
            mallory.execute(made)
    db.sql(used.format(role=runner))
    done = db.call("rotate_tokens_sql", *ACCOUNT, "--dry-run")
    told = next(line for line in done.out.splitlines() if "lends its rights to the owners" in line)
    assert f"{what} of {runner}" in told
    db.sql("DROP SCHEMA mine CASCADE; ALTER TABLE account OWNER TO postgres")


def test_what_is_ones_own_is_not_told(db: Database, runner: str) -> None:
    """A superuser's, its own, and the guard of the state's owner."""
    make(db)
    granted(db, runner)
    db.sql(f"CREATE FUNCTION f(bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';"
           f"CREATE INDEX ON account (f(id)); ALTER TABLE account OWNER TO {runner}")  # fmt: skip
    for also in ("--dry-run", "--new"):
        done = as_role(db, runner, "rotate_tokens_sql", *ACCOUNT, also)
        assert (done.code, "lends its rights" in done.out) == (0, False), done.out + done.err


#: Whether a member of the role that rotates may become it, from PostgreSQL 16 on.
MEMBERS = {
    "GRANT {boss} TO {role} WITH INHERIT FALSE, SET FALSE, ADMIN FALSE": False,
    "GRANT {boss} TO {role} WITH INHERIT TRUE, SET FALSE, ADMIN FALSE": False,
    "GRANT {boss} TO {boss}_1 WITH SET FALSE; GRANT {boss}_1 TO {role} WITH SET TRUE": False,
    "GRANT {boss} TO {role} WITH INHERIT FALSE, SET TRUE, ADMIN FALSE": True,
    "GRANT {boss} TO {role} WITH INHERIT FALSE, SET FALSE, ADMIN TRUE": True,
}


def test_members_who_may_not_become_the_role(db: Database, runner: str) -> None:
    if db.value("SELECT current_setting('server_version_num')::int") < 160000:
        pytest.skip("every member may become the role")
    boss = f"boss_{db.name}"
    make(db)
    db.sql(f"CREATE ROLE {boss} LOGIN; CREATE ROLE {boss}_1; CREATE SCHEMA mine AUTHORIZATION {runner}")
    granted(db, boss)
    with acting(db, runner) as (_, mallory):
        mallory.execute(F)
    db.sql(f"ALTER TABLE account ADD CHECK (mine.f(id)), OWNER TO {boss}")
    told = {}
    try:
        for grant in MEMBERS:
            db.sql(grant.format(boss=boss, role=runner))
            done = as_role(db, boss, "rotate_tokens_sql", *ACCOUNT, "--dry-run")
            told[grant] = f"function mine.f(bigint) of {runner}" in done.out
            db.sql(f"REVOKE {boss}, {boss}_1 FROM {runner}; REVOKE {boss} FROM {boss}_1")
    finally:
        db.sql(f"DROP TABLE account; DROP OWNED BY {boss}; DROP ROLE {boss}, {boss}_1")
    assert told == {grant: not becomes for grant, becomes in MEMBERS.items()}


def test_partition_that_is_detached_and_given_away(db: Database, runner: str) -> None:
    """The state says that it was one; its owner decides what reading it runs."""
    parts(db)
    given = f"ALTER TABLE account DETACH PARTITION high; ALTER TABLE high OWNER TO {runner}"
    done = rotate_around(db, given)
    says = (
        "public.high, detached since the start, was not read: that would lend this role's rights to the"
        f" owners of table high of {runner}"
    )
    assert (done.code, says in done.err) == (4, True), done.out + done.err
    verified = db.call("rotation", "verify", *ACCOUNT)
    assert (verified.code, says in verified.err) == (4, True), verified.out + verified.err
    db.sql("ALTER TABLE account OWNER TO " + runner)  # as is that of the target
    assert "10 rows of public.high" in db.call("rotation", "verify", *ACCOUNT).err


def test_serving_process_takes_up_no_strangers_table(db: Database, runner: str) -> None:
    """Who may record a rotation chooses the table, and with it whose triggers run."""
    make(db)
    granted(db, runner)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}")
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            "CREATE TABLE mine.t (id bigint PRIMARY KEY, token uuid);"
            "INSERT INTO mine.t VALUES (1, gen_random_uuid());"
            "CREATE FUNCTION mine.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
            f" IF current_user <> '{runner}' THEN EXECUTE 'ALTER ROLE {runner} SUPERUSER'; END IF;"
            " RETURN NEW; END$$;"
            "CREATE TRIGGER t BEFORE UPDATE ON mine.t FOR EACH ROW EXECUTE FUNCTION mine.f()"
        )
        mallory.execute(
            "INSERT INTO rotation (table_schema, table_name, table_oid, pk_column, pk_type,"
            " pk_collation, token_column, token_attnum, token_type, status, rows_total_exact, options,"
            " findings, reason, operator, host, steered, tuned, partitions, leaked)"
            " SELECT 'mine', 't', 'mine.t'::regclass::oid, 'id', 'bigint', '', 'token', 2, 'uuid',"
            """ 'pending', false, '{"ack_triggers": true}', '[]', '', '', '', '[]', '{}', '{}', 0;"""
            "SELECT rotation_create_set(max(id)) FROM rotation"
        )
    serving = db.start("rotate_tokens_sql", "--serve")
    out = ""
    for line in serving.stdout or []:
        out += line
        if "would run" in line or "succeeded" in line:
            break
    assert "mine.t uses function mine.f()" in out
    assert f"table mine.t of {runner}, which would run with the rights of postgres: serve as" in out
    serving.terminate()
    serving.communicate(timeout=30)
    assert not is_super(db, runner)


def test_serving_process_takes_up_no_table_that_mentions_a_strangers_type(
    db: Database, runner: str
) -> None:
    """Nothing of hers runs when it is recorded; then she adds to her domain."""
    make(db)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}")
    with acting(db, runner) as (_, mallory):
        mallory.execute("CREATE DOMAIN mine.d AS text")
        db.sql("ALTER TABLE account ADD CHECK ((note::mine.d) IS NOT NULL),"
               " ADD CONSTRAINT stop CHECK (halts(id <> 1)) NOT VALID")  # fmt: skip
        rotate(db, code=1)  # recorded, and abandoned
        db.sql("ALTER TABLE account DROP CONSTRAINT stop")
        mallory.execute(
            evil("mine.f", "text", "boolean", "true", runner)
            + "ALTER DOMAIN mine.d ADD CHECK (mine.f(VALUE)) NOT VALID"
        )
    serving = db.start("rotate_tokens_sql", "--serve")
    out = ""
    for line in serving.stdout or []:
        out += line
        if "would run" in line or "succeeded" in line:
            break
    serving.terminate()
    serving.communicate(timeout=30)
    assert "public.account uses function mine.f(text)" in out
    assert not is_super(db, runner)


@pytest.mark.parametrize("way", BEHIND)
def test_code_behind_a_foreign_key_is_told(db: Database, runner: str, way: str) -> None:
    used, what = BEHIND[way]
    make(db)
    referable(db, runner)
    db.sql(
        "CREATE TABLE child (id bigint, key uuid REFERENCES account (api_key) ON UPDATE CASCADE)"
        " PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF child DEFAULT"
    )
    with acting(db, runner) as (_, mallory):
        mallory.execute(F + "CREATE TABLE mine.log (id bigint)")
    assert "lends" not in db.call("rotate_tokens_sql", *ACCOUNT, "--allow-fk", "--dry-run").out
    db.sql(used)
    done = db.call("rotate_tokens_sql", *ACCOUNT, "--allow-fk", "--dry-run")
    told = next(line for line in done.out.splitlines() if "lends its rights to the owners" in line)
    assert f"{what} of {runner}" in told


@pytest.mark.parametrize("how", ["run", "serve"])
def test_trigger_behind_a_foreign_key(db: Database, runner: str, how: str) -> None:
    """Before PostgreSQL 18 an AFTER trigger of a cascade runs as who updated the key."""
    make(db)
    tokens = referable(db, runner)
    with acting(db, runner) as (_, mallory):
        mallory.execute(CHILD.format(role=runner), (tokens,))
    dry = db.call("rotate_tokens_sql", *ACCOUNT, "--allow-fk", "--dry-run")
    told = f"mine.t() of {runner}" in dry.out or f"mine.child of {runner}" in dry.out
    if how == "run":
        rotate(db, "--allow-fk")
    else:
        db.sql("ALTER TABLE account ADD CONSTRAINT stop CHECK (halts(id <> 1)) NOT VALID")
        rotate(db, "--allow-fk", code=1)  # recorded, and abandoned
        db.sql("ALTER TABLE account DROP CONSTRAINT stop")
        serving = db.start("rotate_tokens_sql", "--serve")
        out = ""
        for line in serving.stdout or []:
            out += line
            if "would run" in line or "succeeded" in line or "retrying" in line:
                break
        serving.terminate()
        serving.communicate(timeout=30)
    assert told
    as_whoever_updated = db.value("SELECT current_setting('server_version_num')::int") < 180000
    # A run by hand is told, and goes on.
    assert not is_super(db, runner) or (how == "run" and as_whoever_updated)


def index_of_a_stranger(db: Database, runner: str, on: str) -> None:
    """An index that calls a function of the runner's in schema mine, harmless when it was made.

    `on`: the table, and what the function's text is added to.
    """
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            "CREATE FUNCTION mine.f(int) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'x'$$"
        )
    table, column = on.split(".")
    db.sql(f"CREATE INDEX ON {table} (({column} || mine.f(1)))")
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            evil_where_nothing_is_written(db, "mine.g()", "text", "'x'", runner)
            + "CREATE OR REPLACE FUNCTION mine.f(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
            " $$BEGIN RETURN mine.g(); END$$;"
        )


@pytest.mark.parametrize("command", ["search", "dry run"])
def test_strangers_function_in_an_index_of_a_trusted_table(
    rotated: Database, runner: str, command: str
) -> None:
    """The table is the superuser's; the function that its index calls is not."""
    db = rotated
    db.sql(
        f"CREATE SCHEMA mine AUTHORIZATION {runner}; CREATE TABLE notes (body text);"
        "INSERT INTO notes VALUES ('x')"
    )
    index_of_a_stranger(db, runner, "notes.body")
    commands = {
        "search": ("rotation", "verify", *ACCOUNT, "--search-copies"),
        "dry run": ("rotate_tokens_sql", *ACCOUNT, "--new", "--dry-run"),
    }
    done = db.run(*commands[command])
    assert not is_super(db, runner), done.out


def test_detached_partition_with_an_index_of_others(db: Database, runner: str) -> None:
    """It belongs to the target's owner; the function of its index does not."""
    parts(db)
    rotate(db)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; ALTER TABLE account DETACH PARTITION high")
    index_of_a_stranger(db, runner, "high.note")
    done = db.run("rotation", "verify", *ACCOUNT)
    assert not is_super(db, runner), done.out + done.err


def test_table_in_a_strangers_schema(rotated: Database, runner: str) -> None:
    """Who owns a schema may drop any table in it, and put another in its place."""
    db = rotated
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; CREATE TABLE mine.notes (body text)")
    done = db.call("rotation", "verify", *ACCOUNT, "--search-copies")
    assert "not searched: mine.notes (code of others would run" in done.out
    db.sql("ALTER TABLE account SET SCHEMA mine")
    moved = ("--table", "mine.account", "--column", "api_key")
    done = db.call("rotate_tokens_sql", *moved, "--new", "--dry-run")
    assert f"schema mine of {runner}" in done.out
    db.sql("ALTER TABLE mine.account ADD CONSTRAINT stop CHECK (halts(id <> 1)) NOT VALID")
    assert db.call("rotate_tokens_sql", *moved, "--new").code == 1  # recorded, and abandoned
    serving = db.start("rotate_tokens_sql", "--serve")
    assert f"mine.account uses schema mine of {runner}, which would run" in read_until(
        serving, "would run"
    )


def test_discover_lends_nothing(db: Database, runner: str) -> None:
    """Planning alone runs what a stranger's function is called for, with the rights of who looks."""
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; CREATE TABLE bait (id int, api_key text)")
    index_of_a_stranger(db, runner, "bait.api_key")
    done = db.run("rotation", "discover")
    assert not is_super(db, runner), done.out
    lent = (
        f"not looked at, as that would lend this role's rights to function mine.f(integer) of {runner}"
    )
    assert f"public.bait.api_key: rows not counted yet; {lent}" in done.out
