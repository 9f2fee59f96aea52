"""What a role with no rights tries by functions, casts, operators and flags."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.conftest import Database
from tests.proof.account import (
    ACCOUNT,
    FUNCTION,
    REVOKED,
    TWENTY,
    is_refused,
    left,
    make,
    old,
    parts,
    rotate,
    still_guards,
)


@pytest.fixture
def mallory(rotated: Database) -> Iterator[Any]:
    """A session of a role that may write to the table, and nothing else."""
    name = f"mallory_{rotated.name}"
    rotated.sql(
        f"CREATE ROLE {name} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON account TO {name};"
        f"CREATE SCHEMA {name} AUTHORIZATION {name}"
    )
    with closing(rotated.connect(user=name)) as session, session.cursor() as cursor:
        yield cursor
    rotated.sql(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def test_no_function_of_ours_is_for_everybody(rotated: Database) -> None:
    open_to_others = (
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p,"
        " aclexplode(coalesce(proacl, acldefault('f', proowner)))"
        " WHERE grantee <> proowner AND (proname LIKE 'rotation%' OR EXISTS (SELECT FROM pg_trigger"
        " JOIN pg_class AS c ON c.oid = tgrelid WHERE tgfoid = p.oid"
        " AND relname ~ '^(rotation|batchprogress)' AND pronamespace = relnamespace))"
    )
    assert rotated.sql(open_to_others) == []


CALLS = [
    *("rotation_hash(ROW(1)::{evil}, 1)", "rotation_bare(ROW(1)::{evil})"),
    "rotation_refuses('public', 1, 1, 1, 'UPDATE', ROW(1)::{evil})",
    *("rotation_create_set(1)", "rotation_complete_set(1, 0)", "rotation_note_change(1)"),
    "rotation_prepare_guard('public.account'::regclass, 2::smallint, 'x')",
    "rotation_inspect_guard('public.account'::regclass, 2::smallint)",
    "rotation_target_shape('public.account'::regclass, 2::smallint)",
    "rotation_write_guard('public.rotation_guard_1()'::regprocedure, 1, 1::smallint)",
]


def test_casts_of_a_callers_types_never_run_in_our_name(mallory: Any, rotated: Database) -> None:
    """A type with a cast that would make its owner superuser, given to whatever takes arguments."""
    me = f"mallory_{rotated.name}"
    mallory.execute(
        f"CREATE TYPE {me}.evil AS (x int);"
        f"CREATE FUNCTION {me}.cast_it({me}.evil) RETURNS text LANGUAGE plpgsql AS"
        f" 'BEGIN ALTER ROLE {me} SUPERUSER; RETURN 1; END';"
        f"CREATE CAST ({me}.evil AS text) WITH FUNCTION {me}.cast_it({me}.evil) AS IMPLICIT;"
        f"CREATE TEMP TABLE mine (id bigint, api_key {me}.evil)"
    )
    for call in CALLS:
        with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.UndefinedFunction)):
            mallory.execute(f"SELECT public.{call.format(evil=f'{me}.evil')}")
    function = rotated.value(FUNCTION)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        mallory.execute(
            f"CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION public.{function}()"
        )
    assert not rotated.value("SELECT rolsuper FROM pg_roles WHERE rolname = %s", me)


def test_type_that_would_come_after_the_guard(rotated: Database) -> None:
    rotated.sql("CREATE TYPE evil AS (x uuid)")
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match="used in a trigger definition"):
        rotated.sql("ALTER TABLE account ALTER api_key TYPE evil USING ROW(api_key)::evil")


def test_guard_on_a_column_of_another_type(rotated: Database) -> None:
    """Who was allowed to make its triggers attaches the function to a table of their own."""
    rotated.sql(
        "CREATE TABLE harm (x int); CREATE TYPE evil AS (x int);"
        "CREATE FUNCTION cast_it(evil) RETURNS text LANGUAGE sql AS"
        " 'INSERT INTO public.harm VALUES (1) RETURNING 1::text';"
        "CREATE CAST (evil AS text) WITH FUNCTION cast_it(evil) AS IMPLICIT;"
        "CREATE TABLE mine (api_key evil);"
        "CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW"
        f" EXECUTE FUNCTION {rotated.value(FUNCTION)}();"
        "INSERT INTO mine VALUES (ROW(1)::evil)"
    )
    assert rotated.value("SELECT count(*) FROM harm") == 0


def test_flag_of_the_rotation_is_not_for_others(mallory: Any, rotated: Database) -> None:
    mallory.execute(rotated.active("account", "api_key"))
    mallory.execute("UPDATE public.account SET api_key = %s WHERE id = 3", [old(rotated)])
    with pytest.raises(psycopg2.IntegrityError, match=REVOKED):
        mallory.execute("INSERT INTO public.account VALUES (901, %s)", [old(rotated)])
    assert left(rotated) == 0
    as_a_rotation = rotated.active("account", "api_key")
    is_refused(rotated, f"{as_a_rotation}; INSERT INTO account VALUES (901, %s)", old(rotated))


@pytest.mark.parametrize("to_all", [True, False], ids=["everybody", "another role"])
def test_state_in_a_schema_in_which_others_may_create(db: Database, to_all: bool) -> None:
    make(db)
    name = f"other_{db.name}"
    db.sql(f"CREATE ROLE {name}")
    who = "PUBLIC" if to_all else name
    db.sql(f"GRANT CREATE ON SCHEMA public TO {who}")
    try:
        for also in ((), ("--dry-run",)):
            done = rotate(db, *also, code=1)
            assert f"REVOKE CREATE ON SCHEMA public FROM {who}, then run the same command" in done.err
        assert db.value("SELECT count(*) FROM rotation") == 0
        db.sql(f"REVOKE CREATE ON SCHEMA public FROM {who}")
        rotate(db)
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


EVIL = """
CREATE SCHEMA evil;
CREATE TABLE evil.called (what text);
CREATE FUNCTION evil.multiply(numeric, int) RETURNS numeric LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO evil.called VALUES ('*'); RETURN 1; END $$;
CREATE OPERATOR evil.* (LEFTARG = numeric, RIGHTARG = int, FUNCTION = evil.multiply);
CREATE FUNCTION evil.equal(varchar, varchar) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO evil.called VALUES ('='); RETURN true; END $$;
CREATE OPERATOR evil.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = evil.equal);
CREATE FUNCTION evil.glue(text, int) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO evil.called VALUES ('||'); RETURN ''; END $$;
CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = int, FUNCTION = evil.glue);
CREATE FUNCTION evil.rotation_hash(varchar, bigint) RETURNS bigint LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO evil.called VALUES ($1); RETURN 1; END $$;
CREATE FUNCTION evil.coalesced(bigint, int) RETURNS bigint LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO evil.called VALUES ('-'); RETURN 1; END $$;
CREATE OPERATOR evil.- (LEFTARG = bigint, RIGHTARG = int, FUNCTION = evil.coalesced);
"""


def test_operators_and_functions_that_the_search_path_finds_first(db: Database) -> None:
    """Better matches for what our statements say, in a schema of somebody else's: none is called."""
    make(db, "varchar(36)")
    db.sql(EVIL)
    db.sql(f"ALTER DATABASE {db.name} SET search_path = evil, public")
    rotate(db)
    for action in ("verify", "status", "history"):
        assert db.call("rotation", action, "--table", "public.account").code == 0
    assert db.sql("SELECT * FROM evil.called") == []
    assert left(db) == 0


def test_function_that_has_a_guards_name_already(db: Database) -> None:
    make(db)
    name = f"other_{db.name}"
    db.sql(
        f"CREATE ROLE {name}; CREATE FUNCTION rotation_guard_2() RETURNS trigger LANGUAGE plpgsql AS"
        f" 'BEGIN RETURN NEW; END'; ALTER FUNCTION rotation_guard_2 OWNER TO {name}"
    )
    try:
        rotate(db)
        still_guards(db)
        db.sql(f"ALTER FUNCTION {db.value(FUNCTION)} OWNER TO {name}")
        done = db.call("rotation", "guard", "status", *ACCOUNT)
        assert (done.code, "does not belong to the owner" in done.err) == (1, True)
    finally:
        db.sql(f"REASSIGN OWNED BY {name} TO postgres; DROP ROLE {name}")


def test_domain_that_becomes_another_type(db: Database) -> None:
    """Of who may make the guard's triggers: its function never evaluates a cast of theirs."""
    db.sql("CREATE DOMAIN dom AS uuid; CREATE TABLE harm (x int)")
    make(db, "dom")
    rotate(db)
    db.sql(
        "ALTER DOMAIN dom RENAME TO away; CREATE TYPE dom AS (x int);"
        "CREATE FUNCTION cast_it(dom) RETURNS uuid LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO public.harm VALUES (1); RETURN gen_random_uuid(); END';"
        "CREATE CAST (dom AS uuid) WITH FUNCTION cast_it(dom); CREATE TABLE mine (api_key dom);"
        "CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW"
        f" EXECUTE FUNCTION {db.value(FUNCTION)}(); INSERT INTO mine VALUES (ROW(1)::dom)"
    )
    assert db.value("SELECT count(*) FROM harm") == 0


def test_operators_for_a_varchar_key(db: Database) -> None:
    db.sql("CREATE TABLE account (id varchar(20) PRIMARY KEY, api_key uuid, note text)")
    db.sql(TWENTY.replace("SELECT g,", "SELECT 'k' || g,"))
    db.remember("account", "id", "api_key")
    db.sql(EVIL)
    db.sql(
        "CREATE FUNCTION evil.least_of(varchar, varchar) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO evil.called VALUES ('>='); RETURN true; END $$;"
        "CREATE OPERATOR evil.>= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = evil.least_of)"
    )
    db.sql(f"ALTER DATABASE {db.name} SET search_path = evil, public")
    rotate(db)
    assert db.sql("SELECT * FROM evil.called") == []
    assert left(db) == 0


def test_owner_of_the_database_who_is_not_that_of_the_state(db: Database) -> None:
    if (
        db.value("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public'")
        == "postgres"
    ):
        pytest.skip("public belongs to the role that made the cluster")
    make(db)
    name = f"other_{db.name}"
    db.sql(f"CREATE ROLE {name}; ALTER DATABASE {db.name} OWNER TO {name}")
    try:
        assert f"{name} may create objects in schema public" in rotate(db, code=1).err
    finally:
        db.sql(f"ALTER DATABASE {db.name} OWNER TO postgres; DROP OWNED BY {name}; DROP ROLE {name}")


def test_flag_that_goes_through_a_deputy(mallory: Any, rotated: Database) -> None:
    """A function of the table's owner does not lend its right to the flag."""
    me = f"mallory_{rotated.name}"
    rotated.sql(
        "CREATE FUNCTION set_key(k int, t uuid) RETURNS void LANGUAGE sql SECURITY DEFINER AS"
        " 'UPDATE public.account SET api_key = t WHERE id = k';"
        f"REVOKE ALL ON account FROM {me}; GRANT EXECUTE ON FUNCTION set_key TO {me}"
    )
    mallory.execute(rotated.active("account", "api_key"))
    mallory.execute("SELECT public.set_key(3, %s)", [old(rotated)])
    assert left(rotated) == 0


def test_trigger_that_writes_to_another_guarded_table(rotated: Database) -> None:
    """The rotation of one table opens no other's guard."""
    db = rotated
    db.sql("CREATE TABLE history (id bigint PRIMARY KEY, api_key uuid);"
           "INSERT INTO history SELECT id, api_key FROM account")  # fmt: skip
    tokens = [token for (token,) in db.sql("SELECT api_key::text FROM history")]
    assert db.run("rotate_tokens_sql", "--table", "history", "--column", "api_key").code == 0
    db.sql(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE history SET api_key = OLD.api_key WHERE id = OLD.id; RETURN NULL; END';"
        "CREATE TRIGGER keep AFTER UPDATE ON account FOR EACH ROW EXECUTE FUNCTION keep()"
    )
    rotate(db, "--new", "--ack-triggers")
    assert db.value("SELECT count(*) FROM history WHERE api_key::text = ANY (%s)", tokens) == 0


def test_guards_function_with_another_owner_is_replaced(db: Database) -> None:
    parts(db)
    rotate(db)
    name = f"weak_{db.name}"
    db.sql(f"CREATE ROLE {name}; ALTER FUNCTION {db.value(FUNCTION)} OWNER TO {name}")
    try:
        rotate(db, "--new")
        assert db.call("rotation", "guard", "status", *ACCOUNT).code == 0
        db.sql("UPDATE account SET api_key = %s WHERE id = 3", old(db))
        assert left(db) == 0
    finally:
        db.sql(f"REASSIGN OWNED BY {name} TO postgres; DROP ROLE {name}")


def test_functions_that_a_restore_gave_to_everybody(rotated: Database) -> None:
    rotated.sql("GRANT EXECUTE ON FUNCTION rotation_complete_set TO PUBLIC")
    done = rotate(rotated, "--new", code=1)
    assert "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC" in done.err


def test_default_privileges_give_nobody_the_state(db: Database) -> None:
    """Who could write to it could end a rotation there, and with it what its guard refuses."""
    name = f"other_{db.name}"
    assert db.call("migrate", "rotation", "zero", verbosity=0).code == 0
    db.sql(f"CREATE ROLE {name};" + "".join(
           f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {what} TO {name};"
           for what in ("TABLES", "SEQUENCES", "FUNCTIONS")))  # fmt: skip
    try:
        assert db.call("migrate", verbosity=0).code == 0
        make(db)
        rotate(db)
        rights = ["INSERT", "UPDATE", "DELETE"]
        if int(db.value("SHOW server_version_num")) >= 170000:
            rights.append("MAINTAIN")
        for table in (
            "rotation",
            "batchprogress",
            "rotation_window",
            "rotation_leftover",
            "rotation_revoked",
        ):
            for right in rights:
                assert not db.value("SELECT has_table_privilege(%s, %s, %s)", name, table, right)
        sequences = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S' AND relname ~ %s"
        for (sequence,) in db.sql(sequences, "rotation|batch"):
            assert not db.value("SELECT has_sequence_privilege(%s, %s, 'USAGE, UPDATE')", name, sequence)
        called = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'rotation%%'"
        assert db.value(f"{called} AND has_function_privilege(%s, oid, 'EXECUTE')", name) == 0
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")
