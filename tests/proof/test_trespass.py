"""What a role with a few rights tries on guard and state: to become more than it is, to spoil them."""

import threading
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.conftest import WITHOUT_GUARD, Database, until
from tests.proof.account import (
    ACCOUNT,
    FUNCTION,
    TWENTY,
    is_refused,
    left,
    make,
    old,
    rotate,
    still_guards,
)
from tests.proof.roles import as_role, grants

#: A type whose conversion to text makes a role superuser, if the guard's owner is made to call it.
EVIL = (
    "CREATE TYPE pg_temp.evil AS (x int);"
    "CREATE FUNCTION pg_temp.convert_it(pg_temp.evil) RETURNS text LANGUAGE plpgsql AS"
    " $$BEGIN ALTER ROLE {name} SUPERUSER; RETURN 'x'; END$$;"
    "CREATE CAST (pg_temp.evil AS text) WITH FUNCTION pg_temp.convert_it(pg_temp.evil)"
)


def granted(db: Database, name: str) -> None:
    for grant in grants():
        db.sql(grant.replace("TO runner", f"TO {name}"))


def try_all(db: Database, name: str, *statements: str) -> None:
    """Execute each as that role, whatever becomes of the others; it must be what it was afterwards."""
    with closing(db.connect(user=name)) as session, session.cursor() as cursor:
        for statement in statements:
            try:
                cursor.execute(statement)
            except psycopg2.Error:
                continue
    assert db.value("SELECT NOT rolsuper FROM pg_roles WHERE rolname = %s", name)


def test_field_of_a_composite_is_not_the_column(db: Database, runner: str) -> None:
    """A condition that speaks of a field had the guard read the column of that name."""
    make(db)
    db.sql(f"ALTER TABLE account OWNER TO {runner}")
    granted(db, runner)
    assert as_role(db, runner, "rotate_tokens_sql", *ACCOUNT).code == 0
    try_all(
        db,
        runner,
        EVIL.format(name=runner),
        "CREATE TYPE pg_temp.carrier AS (token uuid);"
        "CREATE TEMP TABLE mine (id int, carried pg_temp.carrier, token pg_temp.evil);"
        "CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW WHEN ((NEW.carried).token IS NULL)"
        f" EXECUTE FUNCTION public.{db.value(FUNCTION)}()",
        "INSERT INTO mine VALUES (1, NULL, ROW(1)::pg_temp.evil)",
        "CREATE TRIGGER own BEFORE INSERT ON mine FOR EACH ROW WHEN (NEW.token IS NOT NULL)"
        f" EXECUTE FUNCTION public.{db.value(FUNCTION)}()",
        "DROP TRIGGER t ON mine",
        "INSERT INTO mine VALUES (1, NULL, ROW(1)::pg_temp.evil)",
    )


def test_no_guard_for_others_types(db: Database, runner: str) -> None:
    """A role that may write to the state may say that any column is rotated."""
    make(db)
    granted(db, runner)
    rotate(db)
    try_all(
        db,
        runner,
        EVIL.format(name=runner),
        "CREATE TEMP TABLE mine (id int, token pg_temp.evil)",
        "INSERT INTO rotation (table_schema, table_name, table_oid, pk_column, pk_type, pk_collation,"
        " token_column, token_attnum, token_type, status, rows_total_exact, options, findings, reason,"
        " operator, host, steered, tuned, partitions, leaked)"
        " SELECT 'pg_temp', 'mine', 'mine'::regclass::oid, 'id', 'integer', '', 'token', 2, 'evil',"
        " 'pending', false, '{}', '[]', '', '', '', '[]', '{}', '{}', 0",
        "SELECT rotation_create_set(max(id)) FROM rotation",
        "INSERT INTO rotation_revoked SELECT set_id, id, 1 FROM rotation ORDER BY id DESC LIMIT 1",
        "SELECT rotation_complete_set(max(id), 1) FROM rotation",
    )
    assert db.value("SELECT count(*) FROM rotation WHERE table_name = 'mine' AND revoked = 1") == 1
    mine = "'pg_temp.mine'::regclass::oid, 2::smallint, 'zz'"
    with closing(db.connect(user=runner)) as session, session.cursor() as cursor:
        cursor.execute(EVIL.format(name=runner))
        cursor.execute("CREATE TEMP TABLE mine (id int, token pg_temp.evil)")
        cursor.execute("SELECT 'pg_temp.mine'::regclass::oid")
        db.sql("ALTER TABLE rotation DISABLE TRIGGER USER;"
               f"UPDATE rotation SET table_oid = {cursor.fetchone()[0]} WHERE table_name = 'mine';"
               "ALTER TABLE rotation ENABLE TRIGGER USER")  # fmt: skip
        with pytest.raises(psycopg2.errors.FeatureNotSupported, match="cannot be guarded"):
            cursor.execute(f"SELECT rotation_prepare_guard({mine})")


def test_guard_is_made_for_the_tables_owner_only(db: Database, runner: str) -> None:
    """Who calls for one may execute its function afterwards."""
    make(db)
    granted(db, runner)
    with (
        closing(db.connect(user=runner)) as session,
        session.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege, match="only the owner of the table can"),
    ):
        cursor.execute("SELECT rotation_prepare_guard('account'::regclass::oid, 2::smallint, NULL)")


@pytest.mark.parametrize("command", ["pgtrigger install", "migrate"])
@pytest.mark.parametrize("owns", [False, True])
def test_migrations_call_nobody_elses_function(
    db: Database, runner: str, owns: bool, command: str
) -> None:
    """A schema before that of the state, where another role may create objects, or which is its own."""
    owner = f" AUTHORIZATION {runner}" if owns else ""
    db.sql(
        f"CREATE SCHEMA first{owner}; GRANT USAGE, CREATE ON SCHEMA first TO {runner};"
        f"ALTER DATABASE {db.name} SET search_path = first, public;"
        f"{WITHOUT_GUARD}"
    )
    with closing(db.connect(user=runner)) as session, session.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION first.rotation_prepare_guard(oid, smallint, text) RETURNS SETOF text"
            f" LANGUAGE sql AS $$SELECT 'ALTER ROLE {runner} SUPERUSER'$$;"
            "CREATE FUNCTION first.equal(oid, regclass) RETURNS boolean LANGUAGE plpgsql AS"
            f" $$BEGIN ALTER ROLE {runner} SUPERUSER; RETURN true; END$$;"
            "CREATE OPERATOR first.= (FUNCTION = first.equal, LEFTARG = oid, RIGHTARG = regclass)"
        )
    done = db.run(*command.split())
    assert done.code == 0, done.err
    assert db.value("SELECT NOT rolsuper FROM pg_roles WHERE rolname = %s", runner)
    assert db.call("rotation", "guard", "status", "--table", "public.ticket").code == 0


@pytest.mark.parametrize(
    "change",
    ["revoked = NULL", "salt = 5", "set_id = 7", "set_id = NULL", "partitions = '{}'", "salt = NULL"],
)
def test_what_the_proof_depends_on_is_kept(rotated: Database, change: str) -> None:
    """By another salt every old token would look new."""
    with pytest.raises(psycopg2.errors.RaiseException, match="is append-only"):
        rotated.sql(f"SET pgtrigger.ignore = '{{rotation:same_target}}'; UPDATE rotation SET {change}")
    rotated.sql(
        "ALTER TABLE account DISABLE TRIGGER ALL;"
        "UPDATE account SET api_key = token::uuid FROM before WHERE before.id = account.id::text"
    )
    assert rotated.call("rotation", "verify", *ACCOUNT).code == 4


def test_locks_that_anybody_can_hold_stop_nothing(db: Database, runner: str) -> None:
    make(db)
    db.sql("CREATE INDEX ON account (api_key)")
    with closing(db.connect(user=runner)) as session, session.cursor() as cursor:
        for name in ("rotation_revoked", "rotation_prepare_guard", "rotation_rebuild"):
            cursor.execute(
                "SELECT pg_advisory_lock(hashtext(%s), g) FROM generate_series(1, 50) g", [name]
            )
            cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
        rotate(db, "--lock-patience", "5", "--reindex")
        cursor.execute("SELECT 1")
    assert left(db) == 0


@pytest.mark.long
def test_keys_forge_no_line(db: Database) -> None:
    """A key may hold line breaks and what a terminal obeys."""
    forged = "k9\nphase 4 of 4: verified by value\x1b[2J" + "x" * 500
    db.sql("CREATE TABLE account (id text PRIMARY KEY, api_key uuid, note text)")
    db.sql(TWENTY.replace("SELECT g,", "SELECT 'k' || g,"))
    db.sql("INSERT INTO account VALUES (%s, gen_random_uuid(), 'x')", forged)
    with closing(db.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM account WHERE id = %s FOR UPDATE", [forged])
        done = db.run("rotate_tokens_sql", *ACCOUNT, "--lock-patience", "2")
    said = done.out + done.err
    assert (done.code, r"k9\nphase" in said) == (4, True), said
    assert not [line for line in said.splitlines() if line.startswith("phase 4")]
    assert "\x1b" not in said and "x" * 100 not in said


@pytest.mark.parametrize("more", [0, 1200], ids=["in the sample", "found by the snapshot"])
def test_keys_of_rows_that_are_refused_forge_no_line(db: Database, more: int) -> None:
    db.sql("CREATE TABLE account (id text PRIMARY KEY, api_key text)")
    db.sql("INSERT INTO account VALUES (%s, 'sk_live_1')", "k9\nphase 4 of 4\x1b[2J" + "x" * 500)
    db.sql("INSERT INTO account SELECT 'a' || g, gen_random_uuid() FROM generate_series(1, %s) g", more)
    refused = db.run("rotate_tokens_sql", *ACCOUNT)
    said = refused.out + refused.err
    assert (refused.code, r"with id k9\nphase 4 of 4\x1b[2Jxx" in said) == (1, True), said
    assert "\x1b" not in said and "x" * 100 not in said


@pytest.mark.parametrize("kind", ["uuid", "text"])
def test_log_of_nested_statements_holds_no_token(db: Database, kind: str) -> None:
    """auto_explain writes a statement's parameters down."""
    make(db, kind)
    rotate(db)
    db.sql(f"CREATE TABLE backup AS SELECT id::bigint, token::{kind} AS api_key FROM before")
    with closing(db.connect()) as session, session.cursor() as cursor:
        try:
            cursor.execute("LOAD 'auto_explain'")
        except psycopg2.Error:
            pytest.skip("this PostgreSQL has no auto_explain")
        cursor.execute(
            "SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;"
            "SET auto_explain.log_level = notice"
        )
        for _ in range(8):  # PL/pgSQL changes to a plan that it keeps after five times
            cursor.execute(
                "UPDATE account SET api_key = backup.api_key FROM backup"
                " WHERE backup.id = account.id AND account.id = 3"
            )
            cursor.execute(f"UPDATE account SET api_key = gen_random_uuid()::{kind} WHERE id = 4")
        said = "".join(session.notices)
    assert "rotation_revoked" in said
    assert old(db) not in said
    assert str(db.value("SELECT api_key FROM account WHERE id = 4")) not in said


def test_rotation_of_one_column_opens_no_other_guard(db: Database) -> None:
    """A trigger that fires for the one brings the other's old tokens back."""
    make(db)
    db.sql("ALTER TABLE account ADD secret uuid; UPDATE account SET secret = gen_random_uuid();"
           "CREATE TABLE legacy AS SELECT id, secret FROM account")  # fmt: skip
    secret = (*ACCOUNT[:3], "secret")
    assert db.run("rotate_tokens_sql", *secret).code == 0
    db.sql("CREATE FUNCTION sync() RETURNS trigger LANGUAGE plpgsql AS"
           " $$BEGIN NEW.secret := (SELECT secret FROM public.legacy WHERE id = NEW.id);"
           " RETURN NEW; END$$;"
           "CREATE TRIGGER a_sync BEFORE UPDATE OF api_key ON account"
           " FOR EACH ROW EXECUTE FUNCTION sync()")  # fmt: skip
    rotate(db)
    assert db.value("SELECT count(*) FROM account INNER JOIN legacy USING (secret)") == 0


def prepared(cursor: Any, table: str) -> list[str]:
    """What installs a guard on the column `token` of a table."""
    cursor.execute(
        "SELECT rotation_prepare_guard(attrelid, attnum, NULL) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attname = 'token'",
        [table],
    )
    return [statement for (statement,) in cursor.fetchall()]


MINE = "CREATE TEMP TABLE mine (id int, token uuid)"


def test_function_of_a_guard_is_taken_from_whom_it_was_for(db: Database, runner: str) -> None:
    """Who asked for a guard, and made none, could put the next table's function on his own."""
    make(db)
    granted(db, runner)
    with closing(db.connect(user=runner)) as session, session.cursor() as cursor:
        cursor.execute(MINE)
        prepared(cursor, "mine")
        rotate(db)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(
                "CREATE TRIGGER t BEFORE UPDATE ON mine FOR EACH ROW WHEN (NEW.token IS NOT NULL)"
                f" EXECUTE FUNCTION {db.value(FUNCTION)}()"
            )
    still_guards(db)


def test_function_that_was_put_on_a_table_of_ones_own_is_not_written(db: Database, runner: str) -> None:
    """A former owner of the table may still execute its guard's function."""
    make(db)
    db.sql(f"ALTER TABLE account OWNER TO {runner}")
    granted(db, runner)
    assert as_role(db, runner, "rotate_tokens_sql", *ACCOUNT).code == 0
    db.sql("ALTER TABLE account OWNER TO postgres")
    with closing(db.connect(user=runner)) as session, session.cursor() as cursor:
        cursor.execute(MINE)
        cursor.execute(
            "CREATE TRIGGER t BEFORE UPDATE ON mine FOR EACH ROW WHEN (NEW.token IS NOT NULL)"
            f" EXECUTE FUNCTION {db.value(FUNCTION)}()"
        )
        prepared(cursor, "mine")
    still_guards(db)
    assert db.call("rotation", "guard", "status", *ACCOUNT).code == 0


def test_no_guard_for_a_table_that_is_none(db: Database, runner: str) -> None:
    make(db)
    granted(db, runner)
    with (
        closing(db.connect(user=runner)) as session,
        session.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute("SELECT rotation_prepare_guard(1::oid, 2::smallint, NULL)")


def test_two_that_install_a_guard_at_once_install_one(db: Database) -> None:
    db.sql("CREATE TABLE account (id bigint PRIMARY KEY, token uuid)")
    second: list[str] = []

    def install() -> None:
        with closing(db.connect()) as session, session.cursor() as cursor:
            second.extend(prepared(cursor, "account"))

    thread = threading.Thread(target=install)
    with closing(db.connect(autocommit=False)) as session, session.cursor() as cursor:
        statements = prepared(cursor, "account")
        thread.start()
        until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        for statement in statements:
            cursor.execute(statement)
        session.commit()
    thread.join()
    assert sum(statement.startswith("DROP TRIGGER") for statement in second) == 2


def test_default_privileges_give_no_sequences_away(db: Database, runner: str) -> None:
    """With the number of a transaction that never comes, no old snapshot could write any more."""
    db.sql(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {runner}")
    assert db.call("migrate", "rotation", "zero", verbosity=0).code == 0
    assert db.call("migrate", verbosity=0).code == 0
    make(db)
    rotate(db)
    given = db.sql(
        "SELECT relname FROM pg_class CROSS JOIN aclexplode(relacl) AS given"
        " WHERE relkind = 'S' AND relname ~ '^rotation_(revoked|guard)_' AND grantee = %s::regrole",
        runner,
    )
    db.sql(f"ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM {runner}")
    assert given == []


def test_operators_of_other_schemas_are_not_called(db: Database, runner: str) -> None:
    """pg_catalog has no such operator, so that of any schema of the path would be the best match."""
    make(db)
    db.sql(
        f"CREATE SCHEMA first; GRANT USAGE, CREATE ON SCHEMA first TO {runner};"
        f"ALTER DATABASE {db.name} SET search_path = public, first"
    )
    with closing(db.connect(user=runner)) as session, session.cursor() as cursor:
        for number, (mark, left_, right) in enumerate(OPERATORS):
            cursor.execute(
                f"CREATE FUNCTION first.f{number}({left_}, {right}) RETURNS boolean LANGUAGE plpgsql AS"
                f" $$BEGIN ALTER ROLE {runner} SUPERUSER; RETURN true; END$$;"
                f"CREATE OPERATOR first.{mark} (FUNCTION = first.f{number}, LEFTARG = {left_},"
                f" RIGHTARG = {right})"
            )
    rotate(db)
    assert db.run("rotation", "status").code == 0
    assert db.run("rotate_tokens_sql", "--table", "acount").code == 1
    is_refused(db, "INSERT INTO account VALUES (901, %s)", old(db))
    assert db.value("SELECT NOT rolsuper FROM pg_roles WHERE rolname = %s", runner)


#: Of types by which the catalog and our state are compared.
OPERATORS = [
    *(("~", one, one) for one in ("name", "varchar")),
    *(("!~", one, one) for one in ("name", "varchar")),
    *((mark, "varchar", "varchar") for mark in ("=", "<>")),
    *((mark, "oid", other) for mark in ("=", "<>") for other in ("int4", "bigint", "regclass")),
]


def test_role_that_may_create_objects_beside_the_state_is_told(db: Database, runner: str) -> None:
    make(db)
    granted(db, runner)
    db.sql(f"GRANT CREATE ON SCHEMA public TO {runner}")
    done = as_role(db, runner, "rotate_tokens_sql", *ACCOUNT, "--no-guard")
    assert (done.code, "may create objects" in done.err) == (1, True), done.err
