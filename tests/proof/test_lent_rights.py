"""Who rotates a table runs what its triggers, constraints, indexes and types call: it is said whose."""

import pytest

from tests.conftest import Database
from tests.proof.account import ACCOUNT, make, parts, rotate_around
from tests.proof.mallory import acting, is_super
from tests.proof.roles import as_role
from tests.proof.test_trespass import granted

F = (
    "CREATE FUNCTION mine.f(bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
    " 'BEGIN RETURN true; END';"
)
#: What belongs to somebody else, how it comes to be used, and what is said of it.
LENT = {
    "table": ("", "ALTER TABLE account OWNER TO {role}", "table account"),
    "partition": ("", "ALTER TABLE high OWNER TO {role}", "table high"),
    "trigger": (
        "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER t BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION mine.t()",
        "function mine.t()",
    ),
    "trigger of a partition": (
        "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER t AFTER UPDATE ON high FOR EACH ROW EXECUTE FUNCTION mine.t()",
        "function mine.t()",
    ),
    "condition of a trigger": (
        F + "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "ALTER FUNCTION mine.t() OWNER TO postgres; CREATE TRIGGER t BEFORE UPDATE ON account"
        " FOR EACH ROW WHEN (mine.f(NEW.id)) EXECUTE FUNCTION mine.t()",
        "function mine.f(bigint)",
    ),
    "index": (F, "CREATE INDEX ON account (mine.f(id))", "function mine.f(bigint)"),
    "predicate": (F, "CREATE INDEX ON high (id) WHERE mine.f(id)", "function mine.f(bigint)"),
    "check": (F, "ALTER TABLE account ADD CHECK (mine.f(id))", "function mine.f(bigint)"),
    "operator": (
        F + "CREATE FUNCTION mine.less(bigint, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
        "CREATE OPERATOR mine.<<< (FUNCTION = mine.less, LEFTARG = bigint, RIGHTARG = text)",
        "ALTER OPERATOR mine.<<< (bigint, text) OWNER TO postgres;"
        "ALTER TABLE account ADD CHECK (id OPERATOR(mine.<<<) note)",
        "function mine.less(bigint,text)",
    ),
    "generated column": (
        F,
        "ALTER TABLE account ADD g boolean GENERATED ALWAYS AS (mine.f(id)) STORED",
        "function mine.f(bigint)",
    ),
    "statistics": (F, "CREATE STATISTICS s ON mine.f(id), note FROM high", "function mine.f(bigint)"),
    "domain": (
        "CREATE DOMAIN mine.d AS text",
        "ALTER TABLE account ALTER note TYPE mine.d",
        "type mine.d",
    ),
    "check of a domain": (
        F,
        "CREATE DOMAIN d AS bigint CHECK (mine.f(VALUE)); ALTER TABLE account ADD n d",
        "function mine.f(bigint)",
    ),
    "array of a domain": (
        "CREATE DOMAIN mine.d AS text",
        "ALTER TABLE account ADD notes mine.d[]",
        "type mine.d",
    ),
    "policy": (
        F,
        "CREATE POLICY p ON account USING (mine.f(id)); ALTER TABLE account ENABLE ROW LEVEL SECURITY",
        "function mine.f(bigint)",
    ),
}


@pytest.mark.parametrize("way", LENT)
def test_who_lends_rights_is_told(db: Database, runner: str, way: str) -> None:
    made, used, what = LENT[way]
    parts(db)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}")
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


def test_partition_that_is_detached_and_given_away(db: Database, runner: str) -> None:
    """The state says that it was one; its owner decides what reading it runs."""
    parts(db)
    given = f"ALTER TABLE account DETACH PARTITION high; ALTER TABLE high OWNER TO {runner}"
    done = rotate_around(db, given)
    says = f"public.high, detached since the start, belongs to {runner}, whose code would run with"
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
