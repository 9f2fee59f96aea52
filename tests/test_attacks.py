"""What a hostile role, or a confused one, tries on guard and proof: each was a hole, or might be one."""

import io
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.conftest import Database, Done, until
from tests.test_interruption import gate, waiting_at_gate
from tests.test_proof import RUN, SNAPSHOT_GATE

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


@pytest.fixture
def rotated(db: Database) -> Database:
    make(db)
    rotate(db)
    return db


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


# 1. Nobody runs what is ours


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
    *("rotation_open_revoked(1)", "rotation_close_revoked(1, 0)", "rotation_note_change(1)"),
    "rotation_prepare_guard('public.account'::regclass, 2::smallint, 'x')",
    "rotation_inspect_guard('public.account'::regclass, 2::smallint)",
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


# 2. Where others may create objects


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


# 3. Old tokens that pass snapshot and windows by


def test_tokens_swapped_while_the_snapshot_is_read(db: Database) -> None:
    """With a new row above all lanes, between two rows, and deleted to be written back later."""
    make(db)
    with gate(db, *SNAPSHOT_GATE):
        child = db.start(*RUN, *ACCOUNT)
        until(lambda: waiting_at_gate(db))
        db.sql(
            "INSERT INTO account VALUES (5000, gen_random_uuid());"
            "UPDATE account SET api_key = other.api_key"
            " FROM (VALUES (5000, 19), (19, 5000), (1, 20), (20, 1)) AS pair (one, two)"
            " JOIN account AS other ON other.id = pair.two WHERE account.id = pair.one;"
            "UPDATE account SET api_key = gen_random_uuid() WHERE id = 7;"
            "DELETE FROM account WHERE id = 9"
        )
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert left(db) == 0
    is_refused(db, "INSERT INTO account VALUES (9, %s)", old(db, 9))
    db.sql("UPDATE account SET api_key = %s WHERE id = 7", old(db, 7))
    assert left(db) == 0


@pytest.mark.parametrize("type_", ["text", "varchar(40)", "char(36)"])
def test_column_that_changes_its_type(rotated: Database, type_: str) -> None:
    """Reported, and still compared by value; the next run guards it again."""
    db = rotated
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match="used in a trigger definition"):
        db.sql(f"ALTER TABLE account ALTER api_key TYPE {type_}")
    assert db.call("rotation", "guard", "drop", *ACCOUNT).code == 0
    db.sql(f"ALTER TABLE account ALTER api_key TYPE {type_}")
    done = db.call("rotation", "verify", *ACCOUNT)
    assert (done.code, "was uuid when it was rotated" in done.out) == (0, True)
    db.sql("UPDATE account SET api_key = upper(%s) WHERE id = 3", old(db))
    assert "1 of 20 revoked tokens survive" in db.call("rotation", "verify", *ACCOUNT).err
    rotate(db)
    assert left(db) == 0
    still_guards(db)
    is_refused(db, "INSERT INTO account VALUES (903, upper(%s))", old(db))


SPELLINGS = {
    "braces": "{{{0}}}",
    "urn": "urn:uuid:{0}",
    "blank": " {0}",
    "parentheses": "({0})",
    "quotes": "'{0}'",
    "urn, capitals": "URN:UUID:{{{0}}}",
    "angles": "<{0}>",
    "white space": "\t{0}\n",
    "without hyphens": "{1}",
    "hyphens of PostgreSQL": "{1:.4}-{2}",
    "underscores": "{3}",
    "capitals": "{4}",
    "urn within urn, of Python": "uurn:uid:{0}",
    "plus, of Java": "{0:.8}-+{6}",
    "without zeros, of Java": "{0:.8}-{6}",
    "four hyphens elsewhere, of PostgreSQL": "{7[0]}-{7[1]}{7[2]}-{7[3]}-{7[4]}-{7[5]}",
    "four hyphens elsewhere, of Python": "{1:.1}-{8}",
    "of .NET": "{{0x{5[0]},0x{5[1]},0x{5[2]},{{0x{5[3]}}}}}",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_text_that_spells_a_revoked_token_otherwise(db: Database, spelling: str) -> None:
    make(db, "text")
    rotate(db)
    one = old(db)
    bare = one.replace("-", "")
    groups = [
        bare[:8],
        bare[8:12],
        bare[12:16],
        ",0x".join(bare[at : at + 2] for at in range(16, 32, 2)),
    ]
    short = one[9:].replace("-0", "-")  # Java needs no zeros
    eighths = [bare[:8], *(bare[at : at + 4] for at in range(8, 24, 4)), bare[24:]]
    odd = f"{bare[1:2]}-{bare[2:19]}-{bare[19:20]}-{bare[20:]}"
    its = (one, bare, bare[4:], one.replace("-", "_"), one.upper(), groups, short, eighths, odd)
    spelled = spelling.format(*its)
    is_refused(db, "INSERT INTO account VALUES (901, %s)", spelled)
    db.sql("UPDATE account SET api_key = %s WHERE id = 4", spelled)
    assert db.value("SELECT count(*) FROM account WHERE api_key = %s", spelled) == 0
    db.sql("ALTER TABLE account DISABLE TRIGGER ALL")
    db.sql("UPDATE account SET api_key = %s WHERE id = 4", spelled)
    assert "1 of 20 revoked tokens survive" in db.call("rotation", "verify", *ACCOUNT).err


def test_other_texts_are_taken_as_they_are(db: Database) -> None:
    """Two texts that differ in capitals only are two tokens, unless they spell one uuid."""
    token = db.value("SELECT gen_random_uuid()::text")
    hashes = db.value(
        "SELECT count(DISTINCT rotation_hash(x, 7))"
        " FROM unnest(ARRAY['Ab', 'ab', 'a-b', 'a b', %s, upper(%s)]) AS x", token, token,
    )  # fmt: skip
    assert hashes == 5


def parts(db: Database) -> None:
    db.sql(
        "CREATE TABLE account (id bigint PRIMARY KEY, api_key uuid, note text) PARTITION BY RANGE (id);"
        "CREATE TABLE low PARTITION OF account FOR VALUES FROM (0) TO (11);"
        "CREATE TABLE high PARTITION OF account FOR VALUES FROM (11) TO (1000);"
    )
    db.sql(TWENTY)
    db.remember("account", "id", "api_key")


def rotate_around(db: Database, change: str) -> Done:
    """Rotate the first rows, change something, and continue."""
    db.sql("ALTER TABLE account ADD CONSTRAINT stop CHECK (id <> 8) NOT VALID")
    rotate(db, "--window", "5", code=1)
    db.sql(f"ALTER TABLE account DROP CONSTRAINT stop; {change}")
    return db.call("rotate_tokens_sql", *ACCOUNT)


def test_partition_that_is_detached_meanwhile(db: Database) -> None:
    """Its rows hold revoked tokens: it is named, until it is back."""
    parts(db)
    done = rotate_around(db, "ALTER TABLE account DETACH PARTITION high")
    assert done.code == 4, done.out + done.err
    assert "10 rows of public.high, detached from public.account since the start, hold" in done.err
    db.sql("ALTER TABLE account ATTACH PARTITION high FOR VALUES FROM (11) TO (1000)")
    rotate(db)
    assert left(db) == 0


def test_partition_that_is_detached_and_rotated_by_itself(db: Database) -> None:
    parts(db)
    assert rotate_around(db, "ALTER TABLE account DETACH PARTITION high").code == 4
    done = db.run("rotate_tokens_sql", "--table", "public.high", "--column", "api_key")
    assert done.code == 0, done.out + done.err
    assert "public.high, detached since the start, holds no revoked token" in rotate(db).out


@pytest.mark.parametrize(
    "change",
    ["RENAME api_key TO was", "RENAME api_key TO was; ALTER TABLE high ADD api_key uuid",
     "ALTER api_key TYPE text USING 'sk_' || api_key", "ALTER api_key TYPE text",
     "ADD other uuid; UPDATE high SET other = api_key; ALTER TABLE high DROP api_key;"
     "ALTER TABLE high RENAME other TO api_key",
     "ALTER api_key TYPE own USING row(api_key)::own"],
)  # fmt: skip
def test_partition_that_is_detached_and_changed(db: Database, change: str) -> None:
    """Its tokens are found whatever their column is called, and are in no log if they are none now."""
    parts(db)
    db.sql("CREATE TYPE own AS (its uuid)")
    done = rotate_around(db, f"ALTER TABLE account DETACH PARTITION high; ALTER TABLE high {change}")
    if "own" in change or "DROP" in change:
        says = "public.high, detached since the start, no longer has its token column"
        assert (done.code, says in done.err) == (4, True), done.out + done.err
        return
    if "sk_" in change:
        assert (done.code, "public.high, detached since the start, holds no revoked" in done.out) == (
            0,
            True,
        )
    else:
        assert (done.code, "10 rows of public.high, detached" in done.err) == (4, True), done.out
        verified = db.call("rotation", "verify", *ACCOUNT)
        assert (verified.code, "10 rows of public.high" in verified.err) == (4, True)


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


def test_child_by_inheritance_that_comes_and_goes(db: Database) -> None:
    """Its tokens were revoked while it was one, and it may be one again."""
    make(db)
    with gate(db, "batchprogress", "BEFORE INSERT", passes="false"):
        child = start_with_a_child(db)
        until(lambda: waiting_at_gate(db))
        db.sql("ALTER TABLE child NO INHERIT account")
    out = child.communicate(timeout=60)[0]
    assert (child.returncode, "1 row of public.child, detached" in out) == (4, True), out


def test_partition_that_is_dropped_meanwhile(db: Database) -> None:
    parts(db)
    done = rotate_around(db, "DROP TABLE high")
    assert done.code == 0, done.out + done.err
    assert "a partition present at the start is gone: public.high" in done.out


# 4. The INSERT that is none, and the one that is


def test_insert_whose_key_is_taken_until_the_end(db: Database) -> None:
    db.sql(
        "CREATE TABLE account (id bigint PRIMARY KEY DEFERRABLE INITIALLY DEFERRED,"
        " api_key uuid, note text)"
    )
    db.sql(TWENTY)
    db.remember("account", "id", "api_key")
    rotate(db)
    gone = "WITH gone AS (DELETE FROM account WHERE id = 3) INSERT INTO account VALUES (3, %s)"
    is_refused(db, gone, old(db))
    is_refused(
        db,
        "INSERT INTO account VALUES (3, %s); DELETE FROM account WHERE note = 'x' AND id = 3",
        old(db),
    )
    assert left(db) == 0


@pytest.mark.parametrize(
    "before",
    [
        "UPDATE account SET id = 999 WHERE id = 3; UPDATE account SET id = 3 WHERE id = 999;"
        " DELETE FROM account WHERE id = 3",
        "UPDATE account SET id = -3 WHERE id = 3",
        "SELECT set_config('rotation.moving', md5('api_key 3'), false);"
        " DELETE FROM account WHERE id = 3",
        "DELETE FROM account",
    ],
    ids=["there and back", "away", "a flag that lingers", "all deleted"],
)
def test_key_that_was_moved_before(rotated: Database, before: str) -> None:
    is_refused(rotated, f"{before}; INSERT INTO account VALUES (3, %s)", old(rotated))
    assert left(rotated) == 0


@pytest.mark.parametrize("body", ["NEW.id := 905;", "DELETE FROM account WHERE id = NEW.id;"])
def test_later_trigger_that_changes_what_is_inserted(rotated: Database, body: str) -> None:
    rotated.sql(
        f"CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body} RETURN NEW; END';"
        "CREATE TRIGGER zzz BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION later()"
    )
    is_refused(rotated, "INSERT INTO account VALUES (3, %s)", old(rotated))
    assert left(rotated) == 0


@pytest.mark.parametrize("event", ["INSERT", "UPDATE"])
def test_trigger_that_brings_the_token_itself(rotated: Database, event: str) -> None:
    """What is really written counts, not what was asked for."""
    rotated.sql(
        f"CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS"
        f" 'BEGIN NEW.api_key := ''{old(rotated)}''; RETURN NEW; END';"
        f"CREATE TRIGGER fill BEFORE {event} ON account FOR EACH ROW EXECUTE FUNCTION fill()"
    )
    if event == "INSERT":
        is_refused(rotated, "INSERT INTO account VALUES (905, gen_random_uuid())")
    rotated.sql("UPDATE account SET note = 'z'")
    assert left(rotated) == 0


def copy(db: Database) -> None:
    with closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.copy_expert("COPY account (id, api_key) FROM STDIN", io.StringIO(f"901\t{old(db)}\n"))


WAYS = {
    "SELECT": "INSERT INTO account SELECT 901, %s",
    "WITH": "WITH i AS (INSERT INTO account VALUES (901, %s) RETURNING id) SELECT * FROM i",
    "MERGE": "MERGE INTO account USING (SELECT 901 AS id) AS n ON n.id = account.id"
    " WHEN NOT MATCHED THEN INSERT VALUES (901, %s)",
    "replica": "SET session_replication_role = replica; INSERT INTO account VALUES (901, %s)",
    "view": "CREATE VIEW v AS SELECT * FROM account; INSERT INTO v VALUES (901, %s)",
    "savepoint": "BEGIN; SAVEPOINT a; INSERT INTO account VALUES (901, %s); RELEASE a; COMMIT",
    "prepared": "PREPARE p AS INSERT INTO account VALUES (901, $1); EXECUTE p(%s)",
    "serializable": "BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO account VALUES (901, %s); COMMIT",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_ways_to_insert(rotated: Database, way: str) -> None:
    if "MERGE" in way and rotated.value("SHOW server_version_num") < "150000":
        pytest.skip("no MERGE before PostgreSQL 15")
    is_refused(rotated, way, old(rotated))
    assert left(rotated) == 0


def test_copy(rotated: Database) -> None:
    with pytest.raises(psycopg2.IntegrityError, match=REVOKED):
        copy(rotated)
    assert left(rotated) == 0


# 5. The application's writes continue


@pytest.mark.parametrize(
    "type_",
    [
        *('varchar(36) COLLATE "und-x-icu"', 'varchar(36) COLLATE "ucs_basic"', 'text COLLATE "C"'),
        *("char(36)", "varchar(32)"),
        *("text_like", "uuid_like", '"O\'d%d {} type"'),
    ],
)
def test_column_of_any_type(db: Database, type_: str) -> None:
    if "icu" in type_ and not db.sql("SELECT FROM pg_collation WHERE collname = 'und-x-icu'"):
        pytest.skip("this PostgreSQL has no ICU")
    db.sql(
        'CREATE DOMAIN text_like AS text COLLATE "ucs_basic" CHECK (length(VALUE) > 3);'
        "CREATE DOMAIN uuid_like AS uuid CHECK (VALUE <> '00000000-0000-0000-0000-000000000000');"
        'CREATE DOMAIN "O\'d%d {} type" AS varchar(40)'
    )
    if type_ == "varchar(32)":
        db.sql("CREATE TABLE account (id bigint PRIMARY KEY, api_key varchar(32), note text)")
        db.sql(TWENTY.replace("gen_random_uuid()", "replace(gen_random_uuid()::text, '-', '')"))
        db.remember("account", "id", "api_key")
        rotate(db)
        is_refused(db, "INSERT INTO account VALUES (901, %s)", old(db))
        return
    make(db, type_)
    rotate(db)
    still_guards(db)


def test_names_that_need_quotes(db: Database) -> None:
    table, column = '"s % {} \'q\' ""d"""."t %s {0}"', "c \"x\" 'y' %"
    full, quoted = table.replace("%", "%%"), '"c ""x"" \'y\' %%"'
    db.sql(f"CREATE SCHEMA {full.partition('.')[0]};"
           f'CREATE TABLE {full} ("k %%(id)s" int PRIMARY KEY, {quoted} uuid);'
           f"INSERT INTO {full} SELECT g, gen_random_uuid() FROM generate_series(1, %s) AS g", 9
    )  # fmt: skip
    before = [str(token) for (token,) in db.sql(f"SELECT {quoted} FROM {full} WHERE %s", True)]
    its = ("--table", table, f"--column={column}")
    for also in ((), ("--new",)):
        done = db.run("rotate_tokens_sql", *its, *also)
        assert done.code == 0, done.out + done.err
    assert db.call("rotation", "guard", "status", *its).code == 0
    is_refused(db, f"INSERT INTO {full} VALUES (99, %s)", before[0])
    db.sql(f"UPDATE {full} SET {quoted} = %s", before[0])
    assert db.value(f"SELECT count(*) FROM {full} WHERE {quoted}::text = ANY (%s)", before) == 0


# Fault A: an index that does not return every row


@pytest.mark.parametrize("unique", [False, True])
def test_rows_that_the_keys_index_does_not_return(db: Database, unique: bool) -> None:
    make(db)
    if unique:
        db.sql("CREATE UNIQUE INDEX ON account (api_key)")
    ready = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'account_pkey'::regclass"
    db.sql(ready.format("false"))
    db.sql("INSERT INTO account SELECT g, gen_random_uuid(), 'y' FROM generate_series(21, 24) AS g")
    db.sql(ready.format("true"))
    db.sql("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;"
           "DROP TABLE before;"
           "CREATE TABLE before AS SELECT id::text, api_key::text AS token FROM account"
    )  # fmt: skip
    assert db.value("SELECT count(*) FROM before") == 24
    done = rotate(db)
    assert "4 rows hold a revoked token: id 21, 22, 23, 24; rotating again" in done.out
    assert "verified by value: 0 of 24 revoked tokens survive" in done.out
    assert left(db) == 0


# Fault B: where table and state are


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


# What a reviewer found


def put_back(db: Database) -> None:
    """All old tokens are back, past the guard."""
    db.sql(
        "ALTER TABLE account DISABLE TRIGGER ALL;"
        "UPDATE account SET api_key = before.token::uuid FROM before WHERE before.id = account.id::text"
    )


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE account ADD extra uuid DEFAULT gen_random_uuid()",
        "CREATE TABLE copy AS TABLE account; TRUNCATE account; INSERT INTO account TABLE copy",
    ],
    ids=["rewritten", "emptied and filled"],
)
def test_table_that_is_rewritten_while_the_verification_waits(rotated: Database, change: str) -> None:
    """In an old snapshot the new heap is empty: nothing follows from it."""
    put_back(rotated)
    with closing(rotated.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute(change)
        child = rotated.start("rotation", "verify", *ACCOUNT)
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'account'::regclass"
        until(lambda: rotated.value(waits))
        other.commit()
    out = child.communicate(timeout=60)[0]
    assert (child.returncode, "20 of 20 revoked tokens survive" in out) == (4, True), out


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


@pytest.mark.parametrize("spelling", ["urn:{}", "{{urn:{}}}", "uuid:urn:{}"])
def test_prefixes_of_python(db: Database, spelling: str) -> None:
    make(db, "text")
    rotate(db)
    is_refused(db, "INSERT INTO account VALUES (901, %s)", spelling.format(old(db)))
    quoting = "SET standard_conforming_strings = off; INSERT INTO account VALUES (901, %s)"
    is_refused(db, quoting, f"{{{old(db)}}}")
    is_refused(db, quoting, f"{old(db)[:8]}-+{old(db)[9:]}")


def test_partition_that_was_rotated_by_itself_comes_back(db: Database) -> None:
    parts(db)
    assert rotate_around(db, "ALTER TABLE account DETACH PARTITION high").code == 4
    assert db.run("rotate_tokens_sql", "--table", "high", "--column", "api_key").code == 0
    db.sql("ALTER TABLE account ATTACH PARTITION high FOR VALUES FROM (11) TO (1000)")
    db.sql("UPDATE account SET id = 5000 - id WHERE id < 0")
    rotate(db)
    assert left(db) == 0


def test_row_that_moves_after_a_failed_verification(db: Database) -> None:
    parts(db)
    assert rotate_around(db, "ALTER TABLE account DETACH PARTITION high").code == 4
    db.sql("ALTER TABLE account ATTACH PARTITION high FOR VALUES FROM (11) TO (1000);"
           "UPDATE account SET id = 0 WHERE id = 15")  # fmt: skip
    rotate(db)
    assert left(db) == 0


def test_functions_that_a_restore_gave_to_everybody(rotated: Database) -> None:
    rotated.sql("GRANT EXECUTE ON FUNCTION rotation_close_revoked TO PUBLIC")
    done = rotate(rotated, "--new", code=1)
    assert "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC" in done.err


def test_trigger_that_fires_on_anything_else(rotated: Database) -> None:
    """A trigger recreated with another condition: status says so, and the next run fixes it."""
    db = rotated
    name, function = db.sql(
        "SELECT tgname, tgfoid::regproc FROM pg_trigger WHERE tgrelid = 'account'::regclass"
        " AND tgname LIKE '%update'"
    )[0]
    db.sql(
        f"DROP TRIGGER {name} ON account; CREATE TRIGGER {name} BEFORE UPDATE ON account FOR EACH ROW"
        f" WHEN (NEW.api_key IS DISTINCT FROM OLD.api_key AND NEW.id < 3) EXECUTE FUNCTION {function}();"
        f"ALTER TABLE account ENABLE ALWAYS TRIGGER {name}"
    )
    done = db.call("rotation", "guard", "status", *ACCOUNT)
    assert (done.code, "its trigger was changed" in done.err) == (1, True)
    rotate(db, "--new")
    still_guards(db)


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
