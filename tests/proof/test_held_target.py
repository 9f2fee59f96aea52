"""What comes between the preflight, the windows and the reading of a table is neither run nor read."""

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.conftest import Database, until
from tests.proof.account import ACCOUNT, make
from tests.proof.mallory import acting, become, evil_functions, is_super, referable


def test_trigger_that_comes_between_two_windows(db: Database, runner: str) -> None:
    """By a role with the privilege TRIGGER, while a window begins."""
    make(db)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; GRANT TRIGGER ON account TO {runner}")
    with acting(db, runner, autocommit=False) as (session, mallory):
        mallory.execute(
            "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
            f" IF current_user <> '{runner}' THEN {become(db, runner)} END IF;"
            " RETURN NEW; END$$;"
        )
        session.commit()
        run = db.start("rotate_tokens_sql", *ACCOUNT, "--window", "1", "--max-rate", "3")
        until(lambda: db.value("SELECT count(*) FROM rotation_window") == 5)
        mallory.execute(
            "CREATE TRIGGER a BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION mine.t()"
        )
        until(
            lambda: db.value(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'RowExclusiveLock'"
            )
        )
        session.commit()
    out, _ = run.communicate(timeout=60)
    assert not is_super(db, runner), out


def test_foreign_key_that_comes_between_two_windows(db: Database, runner: str) -> None:
    """Nobody has allowed it; the window is rolled back, and what ran before is not."""
    make(db)
    tokens = referable(db, runner)
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
            f" IF current_user <> '{runner}' THEN {become(db, runner)} END IF;"
            " RETURN NULL; END$$;"
        )
    with acting(db, runner, autocommit=False) as (session, mallory):
        mallory.execute(
            "CREATE TABLE mine.child (key uuid);"
            "CREATE TRIGGER t AFTER UPDATE ON mine.child FOR EACH ROW EXECUTE FUNCTION mine.t()"
        )
        session.commit()
        run = db.start("rotate_tokens_sql", *ACCOUNT, "--window", "1", "--max-rate", "3")
        until(lambda: db.value("SELECT count(*) FROM rotation_window") == 5)
        # Whenever a window comes upon the foreign key after it has looked.
        mallory.execute("INSERT INTO mine.child SELECT unnest(%s::uuid[])", (tokens[5:],))
        mallory.execute(
            "ALTER TABLE mine.child ADD FOREIGN KEY (key) REFERENCES public.account (api_key)"
            " ON UPDATE CASCADE"
        )
        until(
            lambda: db.value(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'RowExclusiveLock'"
            )
        )
        session.commit()
    out, _ = run.communicate(timeout=60)
    assert not is_super(db, runner), out


#: Two tables that follow the tokens; what their owner has let somebody do; and what is called there.
FOLLOWERS = (
    "CREATE TABLE child (id bigint, key uuid UNIQUE REFERENCES account (api_key) ON UPDATE CASCADE);"
    "CREATE TABLE split (id bigint, key uuid REFERENCES account (api_key) ON UPDATE CASCADE)"
    " PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF split DEFAULT;"
    "ALTER TABLE child ADD UNIQUE (id, key); CREATE TABLE pair (id bigint UNIQUE, key uuid,"
    " FOREIGN KEY (id, key) REFERENCES child (id, key) ON UPDATE SET NULL);"
    "INSERT INTO child SELECT id, api_key FROM account; INSERT INTO split SELECT * FROM child;"
    "INSERT INTO pair SELECT * FROM child; GRANT TRIGGER ON child, split, part TO {role};"
    "GRANT REFERENCES, SELECT ON child, pair TO {role}; GRANT SELECT ON account TO {role};"
    "CREATE FUNCTION mine.h() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    "CREATE TRIGGER h AFTER UPDATE ON split FOR EACH ROW EXECUTE FUNCTION mine.h();"
    "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS $${become} RETURN NULL; END$$;"
    "ALTER FUNCTION mine.t() OWNER TO {role}; ALTER FUNCTION mine.h() OWNER TO {role};"
    "CREATE TABLE log (note text);"
)
T = "FOR EACH ROW EXECUTE FUNCTION mine.t()"
#: What she, or the tables' owner, does there in mid-run.
THERE = {
    "trigger": "CREATE TRIGGER t AFTER UPDATE ON child " + T,
    "trigger of a partition": "CREATE TRIGGER t AFTER UPDATE ON part " + T,
    "function": "CREATE OR REPLACE FUNCTION mine.h() RETURNS trigger LANGUAGE plpgsql AS $${become}"
    " RETURN NULL; END$$",
    "grandchild": "CREATE TABLE mine.grand (key uuid); INSERT INTO mine.grand SELECT key FROM child;"
    "CREATE TRIGGER t AFTER UPDATE ON mine.grand " + T + ";"
    "ALTER TABLE mine.grand ADD FOREIGN KEY (key) REFERENCES child (key) ON UPDATE CASCADE",
    "key of two columns": "CREATE TABLE mine.great (id bigint);"
    "INSERT INTO mine.great SELECT id FROM pair;"
    "CREATE TRIGGER t AFTER UPDATE ON mine.great " + T + ";"
    "ALTER TABLE mine.great ADD FOREIGN KEY (id) REFERENCES pair (id) ON UPDATE CASCADE",
    "rule": "CREATE RULE r AS ON UPDATE TO child DO ALSO INSERT INTO log VALUES (mine.g())",
    "key that acts no more": "DO $do$ BEGIN EXECUTE (SELECT concat("
    "'ALTER TABLE account DISABLE TRIGGER ', quote_ident(tgname)) FROM pg_trigger"
    " WHERE tgrelid = 'account'::regclass AND tgconstrrelid = 'child'::regclass"
    " AND tgfoid = '\"RI_FKey_cascade_upd\"'::regproc); END $do$",
    "one more child": "CREATE TABLE mine.two (key uuid REFERENCES account (api_key) ON UPDATE CASCADE);"
    "INSERT INTO mine.two SELECT api_key FROM account;"
    "CREATE TRIGGER t AFTER UPDATE ON mine.two " + T,
}


def change_a_follower(db: Database, runner: str, change: str, by: str) -> tuple[int, str]:
    """Rotate some rows, change what follows them while no window runs, and let the windows go on."""
    make(db)
    referable(db, runner)
    evil = f"BEGIN IF current_user <> '{runner}' THEN {become(db, runner)} END IF;"
    names = {"role": runner, "become": evil}
    db.sql(FOLLOWERS.format(**names) + evil_functions(db, runner))
    windows = ("--window", "1", "--max-rate", "9", "--allow-fk")
    run = db.start("rotate_tokens_sql", *ACCOUNT, *windows)
    until(lambda: db.value("SELECT count(*) FROM rotation_window") >= 3)
    with closing(db.connect(autocommit=False)) as session, session.cursor() as holder:
        holder.execute("SELECT FROM batchprogress FOR UPDATE")
        with acting(db, by) as (_, other):
            other.execute(change.format(**names))
        session.commit()
    out, _ = run.communicate(timeout=60)
    return run.returncode, out


@pytest.mark.parametrize("there", THERE)
def test_code_of_a_follower_that_comes_in_mid_run(db: Database, runner: str, there: str) -> None:
    """Who may put a trigger on a table to which a cascade carries the new tokens."""
    by = "postgres" if there in ("rule", "key that acts no more") else runner
    code, out = change_a_follower(db, runner, THERE[there], by)
    what = "foreign keys" if there == "one more child" else "code behind foreign keys"
    assert not is_super(db, runner), out
    assert (code, f"the {what} of public.account changed while" in out) == (1, True), out


def test_follower_that_gets_a_partition_in_mid_run(db: Database, runner: str) -> None:
    """It has the triggers of the others, and no more."""
    added = "CREATE TABLE more PARTITION OF split FOR VALUES FROM (1000) TO (2000)"
    code, out = change_a_follower(db, runner, added, "postgres")
    assert code == 0, out


@contextmanager
def during_the_snapshot(db: Database) -> Iterator[subprocess.Popen[str]]:
    """A run whose snapshot takes as long as the block, as that of a large table takes minutes."""
    with closing(db.connect(autocommit=False)) as session, session.cursor() as holder:
        run = db.start("rotate_tokens_sql", *ACCOUNT)
        until(lambda: db.value("SELECT to_regclass('rotation_revoked_1')"))
        holder.execute("LOCK TABLE rotation_revoked_1 IN SHARE MODE")
        until(
            lambda: (
                db.value(
                    "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'rotation_guard%%'"
                    " AND tgrelid = 'account'::regclass"
                )
                == 2
            )
        )
        yield run
        assert db.value("SELECT revoked FROM rotation") is None
        session.commit()


def test_foreign_key_that_comes_after_the_preflight(db: Database, runner: str) -> None:
    """Windows compare with what they find when they begin, which nobody has looked at."""
    make(db)
    tokens = referable(db, runner)
    with during_the_snapshot(db) as run, acting(db, runner) as (_, mallory):
        mallory.execute(
            "CREATE TABLE mine.child (key uuid REFERENCES public.account (api_key) ON UPDATE CASCADE)"
        )
        mallory.execute("INSERT INTO mine.child SELECT unnest(%s::uuid[])", (tokens,))
    out, _ = run.communicate(timeout=60)
    known = {key for (key,) in db.sql("SELECT key::text FROM mine.child")}
    learnt = {key for (key,) in db.sql("SELECT api_key::text FROM account")} & known - set(tokens)
    assert (run.returncode, len(learnt)) == (1, 0), out


def test_trigger_that_comes_after_the_preflight(db: Database, runner: str) -> None:
    """The owner's migration, as it happens, in the minutes of the snapshot: it keeps copies."""
    make(db)
    db.sql(
        "CREATE TABLE audit (token uuid); CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO public.audit VALUES (OLD.api_key); RETURN NEW; END$$"
    )
    db.acknowledges = False
    with during_the_snapshot(db) as run:
        db.sql("CREATE TRIGGER a BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION keep()")
    out, _ = run.communicate(timeout=60)
    assert (run.returncode, db.value("SELECT count(*) FROM audit")) == (1, 0), out


@pytest.mark.long
def test_strangers_trigger_that_a_serving_process_meets_later(db: Database, runner: str) -> None:
    """--serve has looked at the table when it took it up, minutes before the first window."""
    make(db)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; GRANT TRIGGER ON account TO {runner}")
    with during_the_snapshot(db) as run:
        run.kill()
        run.wait()
        with closing(db.connect(autocommit=True)) as session, session.cursor() as cursor:
            cursor.execute("UPDATE rotation SET touched_at = NULL")
        serving = db.start("rotate_tokens_sql", "--serve")
        until(lambda: db.value("SELECT touched_at IS NOT NULL FROM rotation"))
        until(lambda: db.value("SELECT throttle <> '' FROM rotation"), 20)
        with acting(db, runner) as (_, mallory):
            mallory.execute(
                "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
                f" IF current_user <> '{runner}' THEN {become(db, runner)} END IF; RETURN NEW; END$$;"
                "CREATE TRIGGER a BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION mine.t()"
            )
    out = ""
    for line in serving.stdout or []:
        out += line
        if "retrying" in line or "succeeded" in line:
            break
    serving.terminate()
    serving.communicate(timeout=30)
    assert not is_super(db, runner), out


def test_target_replaced_by_the_owner_of_its_schema(db: Database, runner: str) -> None:
    """The table is the superuser's, and nothing of others is in it: the preflight says nothing."""
    make(db)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; ALTER TABLE account SET SCHEMA mine")
    with acting(db, runner) as (_, mallory):
        mallory.execute(evil_functions(db, runner).replace("mine.notes", "mine.account"))
    moved = ("--table", "mine.account", "--column", "api_key")
    dry = db.call("rotate_tokens_sql", *moved, "--dry-run")
    run = db.start("rotate_tokens_sql", *moved, "--window", "1", "--max-rate", "4")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    with acting(db, runner, autocommit=False) as (session, mallory):
        mallory.execute(
            "DROP TABLE mine.account;"
            "CREATE TABLE mine.account (id bigint PRIMARY KEY, api_key uuid, note text);"
            "INSERT INTO mine.account SELECT g, gen_random_uuid(), 'x' FROM generate_series(1, 20) AS g;"
            "CREATE INDEX ON mine.account ((note || mine.f(1)))"
        )
        session.commit()
    out, _ = run.communicate(timeout=60)
    assert not is_super(db, runner), out
    assert "lends its rights" in dry.out


def test_verify_reads_a_table_put_in_place_of_its_target(db: Database, runner: str) -> None:
    """As in search: the name is resolved, then locked, then resolved again."""
    make(db)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; ALTER TABLE account SET SCHEMA mine")
    moved = ("--table", "mine.account", "--column", "api_key")
    assert db.call("rotate_tokens_sql", *moved).code == 0
    with acting(db, runner) as (_, mallory):
        mallory.execute(evil_functions(db, runner))
    with acting(db, runner, autocommit=False) as (session, mallory):
        mallory.execute(
            "DROP TABLE mine.account;"
            "CREATE TABLE mine.account (id bigint PRIMARY KEY, api_key uuid, note text);"
            "CREATE INDEX ON mine.account ((note || mine.f(1)))"
        )
        run = db.start("rotation", "verify", *moved)
        until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        session.commit()
        out, _ = run.communicate(timeout=60)
    assert not is_super(db, runner), out
