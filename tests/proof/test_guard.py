"""The guard: installed, replaced, dropped, and on tables of every kind."""

from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.conftest import Database, read_until, until
from tests.proof.tickets import old_token, raw_update

WITHOUT_MODEL = (
    "CREATE TABLE account (id int PRIMARY KEY, note text, key uuid NOT NULL);"
    "INSERT INTO account SELECT g, 'x', gen_random_uuid() FROM generate_series(1, %s) AS g"
)
ACCOUNT = ("rotate_tokens_sql", "--table", "account", "--column", "key")

PARTED = (
    "CREATE TABLE parted (id int PRIMARY KEY, token uuid) PARTITION BY RANGE (id);"
    "CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (1) TO (100);"
    "CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (200);"
    "INSERT INTO parted SELECT g, gen_random_uuid() FROM generate_series(1, 20) AS g"
)


def test_row_not_yet_rotated_moves_to_another_partition(db: Database) -> None:
    """PostgreSQL deletes and inserts it, with a revoked token: the row's own one, so it passes."""
    db.sql(PARTED)
    db.remember("parted", "id")
    db.sql("ALTER TABLE parted ADD CONSTRAINT stop CHECK (halts(id <> 15)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--table", "parted", "--window", "10").code == 1
    db.sql("ALTER TABLE parted DROP CONSTRAINT stop; UPDATE parted SET id = 150 WHERE id = 17")
    assert db.value("SELECT count(*) FROM parted_high") == 1
    # An INSERT of a partition can't be told from that until the windows are done; it is found by value.
    db.sql("INSERT INTO parted SELECT 151, token FROM parted_high")
    done = db.call("rotate_tokens_sql", "--table", "parted")
    assert done.code == 0
    assert "2 rows hold a revoked token: id 150, 151" in done.out
    assert db.unchanged("parted") == 0
    for table in ("parted", "parted_high"):
        with pytest.raises(psycopg2.IntegrityError, match="was revoked"):
            db.sql(f"INSERT INTO {table} SELECT 152, token::uuid FROM before WHERE id = '17'")


def test_guard_that_was_switched_off_on_a_partition(db: Database) -> None:
    db.sql(PARTED)
    db.remember("parted", "id")
    assert db.call("rotate_tokens_sql", "--table", "parted").code == 0
    name = db.value("SELECT tgname FROM pg_trigger WHERE tgrelid = 'parted_low'::regclass LIMIT 1")
    db.sql(f"ALTER TABLE parted_low DISABLE TRIGGER {name}")
    status = db.call("rotation", "guard", "status", "--table", "parted")
    assert (status.code, "is switched off or can be bypassed" in status.err) == (1, True)
    assert "guard installed" in db.call("rotate_tokens_sql", "--table", "parted", "--new").out
    db.sql("UPDATE parted SET token = before.token::uuid FROM before WHERE before.id = parted.id::text")
    assert db.unchanged("parted") == 0


def test_guard_of_an_older_version_is_replaced(db: Database) -> None:
    db.sql(WITHOUT_MODEL, 10)
    assert db.call(*ACCOUNT).code == 0
    function = db.value(
        "SELECT tgfoid::regproc FROM pg_trigger WHERE tgrelid = 'account'::regclass LIMIT 1"
    )
    db.sql(f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
           " SET search_path = pg_catalog, pg_temp SET row_security = off SET enable_seqscan = off"
           " AS 'BEGIN RETURN NEW; END'"
    )  # fmt: skip
    assert "guard installed" in db.call(*ACCOUNT, "--new").out
    assert "guard in place" in db.call(*ACCOUNT, "--new").out


def test_transaction_older_than_the_set_must_begin_again(db: Database) -> None:
    """Under REPEATABLE READ a look into the set would not see it: the guard sees that it can't."""
    db.sql(WITHOUT_MODEL, 10)
    old = db.value("SELECT key FROM account WHERE id = 3")
    assert db.call(*ACCOUNT).code == 0  # so that the guard stands before the transaction begins
    with closing(db.connect(autocommit=False)) as stale, stale.cursor() as cursor:
        stale.set_session("REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM ticket")
        between = db.value("SELECT key FROM account WHERE id = 3")
        assert db.call(*ACCOUNT, "--new").code == 0
        with pytest.raises(psycopg2.errors.SerializationFailure, match="tokens were revoked since"):
            cursor.execute("INSERT INTO account VALUES (99, 'x', %s)", [between])
        stale.rollback()
        with pytest.raises(psycopg2.IntegrityError):
            cursor.execute("INSERT INTO account VALUES (99, 'x', %s)", [between])
        stale.rollback()
        cursor.execute("INSERT INTO account VALUES (99, 'x', gen_random_uuid())")
        stale.commit()
    assert old != between


def test_guard_of_a_table_without_a_model(db: Database) -> None:
    db.sql(WITHOUT_MODEL, 10)
    names = ("--table", "account", "--column", "key")
    status = db.call("rotation", "guard", "status", *names)
    command = "python manage.py rotate_tokens_sql --table public.account --column key"
    assert status.code == 0
    assert status.lines == [f"public.account.key has no guard; {command} installs one"]
    old = db.value("SELECT key FROM account WHERE id = 3")
    done = db.call(*ACCOUNT)
    assert done.code == 0
    assert "note: a guard will be installed on public.account" in done.out
    said = "phase 1 of 4: guard installed; transactions that were writing have ended"
    assert said in done.out
    assert (
        "public.account.key is guarded by rotation_guard_"
        in db.call("rotation", "guard", "status", *names).out
    )
    db.sql("UPDATE account SET key = %s, note = 'changed' WHERE id = 3", old)
    assert db.sql("SELECT key = %s, note FROM account WHERE id = 3", old) == [(False, "changed")]
    assert "guard in place" in db.call(*ACCOUNT, "--new").out
    # django-pgtrigger does not take it for one of its own.
    assert db.run("pgtrigger", "prune").code == 0
    dropped = db.call("rotation", "guard", "drop", *names)
    assert dropped.code == 0
    assert "dropped: revoked tokens can be written to public.account.key again" in dropped.out
    db.sql("UPDATE account SET key = %s WHERE id = 3", old)
    assert db.value("SELECT key FROM account WHERE id = 3") == old
    assert db.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'account'::regclass") == 0
    again = db.call("rotation", "guard", "drop", *names)
    assert (again.code, again.err) == (1, "Refused: public.account.key has no guard")


def test_guard_of_a_model_is_not_dropped_by_hand(db: Database) -> None:
    done = db.call("rotation", "guard", "drop")
    assert done.code == 1
    assert "belongs to a model: remove TokenGuard from its Meta.triggers" in done.err


def test_guard_that_was_switched_off_is_not_trusted(db: Database) -> None:
    db.tickets(10)
    db.sql("ALTER TABLE ticket DISABLE TRIGGER pgtrigger_guard_token_c5a6c")
    status = db.call("rotation", "guard", "status")
    assert status.code == 1
    assert "is switched off or can be bypassed" in status.err
    assert "phase 1 of 4: guard installed" in db.call("rotate_tokens_sql").out
    raw_update(db, old_token(db))
    assert db.unchanged() == 0


def test_installation_waits_for_the_table_and_names_who_holds_it(db: Database) -> None:
    db.sql(WITHOUT_MODEL, 10)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE account IN ROW SHARE MODE")
        cursor.execute("SELECT pg_backend_pid() FROM account LIMIT 1")
        pid = cursor.fetchall()[0][0]
        cursor.execute("LOCK TABLE account IN SHARE UPDATE EXCLUSIVE MODE")
        child = db.start(*ACCOUNT, "--lock-timeout", "50")
        output = read_until(child, "installing the guard waits for")
        assert f"pid {pid} (" in output
        assert db.value("SELECT status FROM rotation") == "pending"
    assert child.wait(30) == 0
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        db.call("rotation", "guard", "drop", "--table", "account", "--column", "key")
        cursor.execute("LOCK TABLE account IN SHARE UPDATE EXCLUSIVE MODE")
        done = db.call(*ACCOUNT, "--new", "--lock-patience", "0.5")
    assert done.code == 3
    assert "installing the guard: no lock on the table for 0 s" in done.err
    assert "run the same command again" in done.err


def test_no_guard(db: Database) -> None:
    db.sql(WITHOUT_MODEL, 10)
    done = db.call(*ACCOUNT, "--no-guard")
    assert done.code == 0
    assert "warn: no guard (--no-guard): a stale save() can write an old token back" in done.out
    assert db.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'account'::regclass") == 0


def test_role_that_may_not_install(db: Database) -> None:
    db.sql(WITHOUT_MODEL, 10)
    db.sql(f"CREATE ROLE {db.name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {db.name}")
    db.sql(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {db.name}")
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{db.name}@"))
    try:
        done = db.run(*ACCOUNT, env=environment)
        assert done.code == 1
        assert "does not own public.account, so it may not install the guard" in done.err
        assert db.value("SELECT count(*) FROM rotation") == 0
        assert db.run(*ACCOUNT, "--no-guard", env=environment).code == 0
    finally:
        db.sql(f"DROP OWNED BY {db.name}; DROP ROLE {db.name}")


def test_removing_the_state_leaves_nothing_behind(db: Database) -> None:
    """Guards, tables, functions, sequences; and it can be made again, and used."""
    db.sql(WITHOUT_MODEL, 10)
    assert db.call(*ACCOUNT).code == 0
    assert db.run("migrate", "rotation", "zero", "-v", "0").code == 0
    db.sql("UPDATE account SET key = gen_random_uuid(); UPDATE ticket SET title = 'x'")
    ours = "'(rotation|batchprogress|pgtrigger_)'"
    for catalog, name in (("pg_class", "rel"), ("pg_proc", "pro")):
        left = f"SELECT {name}name FROM {catalog} WHERE {name}namespace = 'public'::regnamespace"
        assert db.sql(f"{left} AND {name}name ~ {ours} AND {name}name !~ '^_'") == []
    assert db.sql("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == []
    assert db.run("migrate", "-v", "0").code == 0
    done = db.run("rotate_tokens_sql", *ACCOUNT[1:])
    assert (done.code, done.err) == (0, "")
    guards = "SELECT count(DISTINCT tgrelid), count(*) FROM pg_trigger WHERE tgname ~ 'guard'"
    assert db.sql(guards) == [(2, 4)]


def test_guard_is_dropped_in_mid_run(db: Database) -> None:
    db.sql(WITHOUT_MODEL, 3000)
    child = db.start(*ACCOUNT, "--window", "5")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    assert db.call("rotation", "guard", "drop", "--table", "account", "--column", "key").code == 0
    out = child.communicate(timeout=30)[0]
    assert child.returncode == 1
    assert "the guard of public.account changed while the rotation ran" in out
    assert "guard installed" not in out.splitlines()[-1]
    assert db.call(*ACCOUNT).code == 0


@pytest.mark.parametrize("column", ["hash", "id2", "key", "rotation", "%s", "to'ken", 'to"ken', "a\\b"])
def test_columns_of_any_name(db: Database, column: str) -> None:
    """Names that our own statements use too, or that need quoting, in table, guard and proof."""
    quoted = '"' + column.replace('"', '""') + '"'
    db.sql(
        f"CREATE TABLE target (target int PRIMARY KEY, {quoted} uuid);".replace("%", "%%")
        + "INSERT INTO target SELECT g, gen_random_uuid() FROM generate_series(1, %s) AS g", 10,
    )  # fmt: skip
    old = db.sql(f"SELECT {quoted} FROM target ORDER BY 1")
    done = db.call("rotate_tokens_sql", "--table", "target", f"--column={column}")
    assert (done.code, done.err) == (0, "")
    escaped = quoted.replace("%", "%%")
    db.sql(f"UPDATE target SET {escaped} = %s", old[0][0])
    new: list[Any] = db.sql(f"SELECT {quoted} FROM target")
    assert len({*old, *new}) == 20


def test_set_is_for_its_owner_only(db: Database) -> None:
    """Whatever default privileges say: others reach it by what they are granted on rotation_revoked."""
    name = db.name
    db.sql(f"CREATE ROLE {name} LOGIN; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {name};"
           "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")  # fmt: skip
    try:
        db.tickets(10)
        assert db.call("rotate_tokens_sql").code == 0
        with closing(db.connect(user=name)) as other, other.cursor() as cursor:
            for table in ("rotation_revoked_1", "rotation_revoked"):
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(f"SELECT FROM {table}")
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")
        db.sql("ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC")


def test_default_privileges_of_before_are_taken_back(db: Database) -> None:
    name = db.name
    assert db.call("migrate", "rotation", "zero", verbosity=0).code == 0
    db.sql(f"CREATE ROLE {name} LOGIN; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {name}")
    try:
        assert db.call("migrate", verbosity=0).code == 0
        assert db.value("SELECT has_table_privilege(%s, 'rotation_window', 'SELECT')", name)
        assert not db.value("SELECT has_table_privilege(%s, 'rotation_revoked', 'SELECT')", name)
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_row_with_two_guarded_columns_moves(db: Database, order: str) -> None:
    """One column is rotated, the other half-way: the row that moves brings its own tokens."""
    db.sql(
        "CREATE TABLE parted (id bigint PRIMARY KEY, a uuid, b uuid) PARTITION BY RANGE (id);"
        "CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100);"
        "CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (200);"
        "INSERT INTO parted SELECT g, gen_random_uuid(), gen_random_uuid()"
        " FROM generate_series(1, 20) AS g; CREATE TABLE kept AS SELECT * FROM parted"
    )
    run = ("rotate_tokens_sql", "--table", "parted", "--window", "10", "--column")
    assert db.call(*run, order[0]).code == 0
    db.sql("ALTER TABLE parted ADD CONSTRAINT stop CHECK (halts(id <> 15)) NOT VALID")
    assert db.call(*run, order[1]).code == 1
    db.sql("ALTER TABLE parted DROP CONSTRAINT stop; UPDATE parted SET id = 150 WHERE id = 17")
    stale = "INSERT INTO parted (id, {0}) VALUES (151, %s)"
    of_the_rotated_one = db.value(f"SELECT {order[0]}::text FROM kept WHERE id = 17")
    with pytest.raises(psycopg2.IntegrityError, match="was revoked"):
        db.sql(stale.format(order[0]), of_the_rotated_one)
    done = db.call(*run, order[1])
    assert (done.code, done.err) == (0, "")
    assert "1 row holds a revoked token: id 150" in done.out
