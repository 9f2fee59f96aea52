"""The verification by value: when it is run, what it waits for, what it names."""

import re
import time
from contextlib import closing

import pytest

from tests.conftest import Database, kill, read_until, until
from tests.proof.account import left, make, rotate
from tests.proof.proven import succeeded
from tests.work.gates import RUN, waiting_at_gate


@pytest.mark.parametrize(
    "noted",
    ["5", "[1]", '{"a": 1}', '{"a": ["b", 1]}', '{"1": []}', '{"1": ["b", "c"]}', '{"1": ["b", null]}'],
)
def test_partitions_changed_by_hand(db: Database, noted: str) -> None:
    make(db)
    rotate(db)
    db.sql("SET session_replication_role = replica; UPDATE rotation SET partitions = %s", noted)
    done = db.call("rotation", "verify")
    assert (done.code, len(done.err.splitlines())) == (4, 1)
    assert "partitions noted of rotation 1 can't be read: they were changed by hand" in done.err


def test_list_given_while_another_process_verifies(db: Database, tmp_path) -> None:
    """Who ends the rotation must have compared with all that is revoked by then."""
    db.tickets(50)
    leaked = tmp_path / "leaked"
    leaked.write_text(fresh := "11111111-2222-4333-8444-555555555555")
    db.sql(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
        " IF current_query() ~ ''succeeded'' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;"
        " RETURN NULL; END';"
        "CREATE TRIGGER wait BEFORE UPDATE ON rotation EXECUTE FUNCTION wait()", )  # fmt: skip
    verifying = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'rotation_revoked'::regclass"
    )
    with closing(db.connect(autocommit=False)) as locker, locker.cursor() as lock:
        with closing(db.connect()) as keeper, keeper.cursor() as gate_keeper:
            gate_keeper.execute("SELECT pg_advisory_lock(1)")
            first = db.start("rotate_tokens_sql", "--progress", "lines")
            until(lambda: waiting_at_gate(db))  # it has compared every row, and is about to say so
            db.sql("UPDATE ticket SET token = %s WHERE id = 3", fresh)
            with closing(db.connect(autocommit=False)) as writer, writer.cursor() as write:
                # Until this ends the second stands at the barrier; then it verifies, and waits.
                write.execute("UPDATE ticket SET title = 'y' WHERE id = 9")
                second = db.start("rotate_tokens_sql", "--leaked", str(leaked), "--progress", "lines")
                read_until(second, "resumed after")
                lock.execute("LOCK TABLE rotation_revoked IN ACCESS EXCLUSIVE MODE")
            until(lambda: db.value(verifying) == 1)
        until(lambda: first.poll() is not None or db.value(verifying) == 2)
        assert first.poll() is None, "it said that none survives"
    assert first.wait(60) == 0, first.stdout and first.stdout.read()
    out = second.communicate(timeout=60)[0]
    assert second.returncode == 0, out
    assert db.value("SELECT count(*) FROM ticket WHERE token::text = %s", fresh) == 0
    assert db.call("rotation", "verify").code == 0


def test_no_verify(db: Database) -> None:
    db.tickets(50)
    done = db.call("rotate_tokens_sql", "--no-verify")
    assert done.code == 0
    assert (
        "phase 4 of 4: not verified (--no-verify); run python manage.py rotation verify"
        " --table public.ticket to do so" in done.out
    )
    assert "in 1 window, not verified; this run" in done.out
    assert db.sql("SELECT status, verified_at FROM rotation") == [("succeeded", None)]
    verified = db.call("rotation", "verify")
    assert verified.code == 0
    assert re.fullmatch(
        r"0 of 50 revoked tokens survive in public\.ticket\.token, checked \S+ \S+ UTC",
        verified.out.strip(),
    )
    succeeded(db)


def test_verify_without_a_rotation_or_a_snapshot(db: Database) -> None:
    done = db.call("rotation", "verify")
    assert (done.code, done.err[:25]) == (1, "Refused: no rotation yet:")
    db.tickets(10)
    with closing(db.connect(autocommit=False)) as late, late.cursor() as cursor:
        cursor.execute("UPDATE ticket SET title = 'y' WHERE id = 1")
        assert db.run(*RUN, "--lock-patience", "0.2").code == 3
    done = db.call("rotation", "verify")
    assert done.code == 1
    assert "has no complete snapshot of revoked tokens" in done.err


def test_verify_of_a_rotation_under_way_changes_nothing(db: Database) -> None:
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "50").code == 1
    assert db.call("rotation", "verify").code == 4
    assert db.sql("SELECT status FROM rotation") == [("running",)]
    assert db.value("SELECT count(*) FROM rotation_leftover") == 0


def test_verify_waits_for_a_locked_table(db: Database) -> None:
    db.tickets(50)
    assert db.call("rotate_tokens_sql").code == 0
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE ticket")
        child = db.start("rotation", "verify")
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'ticket'::regclass"
        until(lambda: db.value(waits))
        time.sleep(2.5)  # longer than one try
        assert child.poll() is None
    assert child.wait(30) == 0


def test_stop_during_the_verification(db: Database) -> None:
    db.tickets(50)
    db.sql(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';"
        "CREATE TRIGGER hold AFTER UPDATE ON rotation FOR EACH ROW"
        " WHEN (NEW.status = 'verifying' AND OLD.status = 'running') EXECUTE FUNCTION hold()"
    )
    with closing(db.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        child.terminate()
        read_until(child, "send it again to cancel")
        child.terminate()
        assert child.wait(30) == 3
    assert db.run(*RUN).code == 0
    db.each_once(50)


def test_kill_during_the_verification(db: Database) -> None:
    db.tickets(50)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        db.sql(
            "CREATE FUNCTION lock_it() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';"
            "CREATE TRIGGER lock_it AFTER UPDATE ON rotation FOR EACH ROW"
            " WHEN (NEW.status = 'verifying' AND OLD.status = 'running') EXECUTE FUNCTION lock_it()"
        )
        child = db.start(*RUN)
        until(lambda: db.value("SELECT count(*) FROM rotation_window"))
        cursor.execute("LOCK TABLE ticket")
        until(lambda: db.value("SELECT status FROM rotation") == "verifying")
        kill(child)
    assert db.value("SELECT status FROM rotation") == "verifying"
    assert db.run(*RUN).code == 0
    db.each_once(50)
    succeeded(db)


def test_another_column_has_the_name_by_now(db: Database) -> None:
    """What is verified is the column that was rotated, not one that is called so."""
    db.sql("CREATE TABLE account (id bigint PRIMARY KEY, token uuid);"
           "INSERT INTO account VALUES (1, gen_random_uuid())")  # fmt: skip
    assert db.call("rotate_tokens_sql", "--table", "account").code == 0
    db.sql("ALTER TABLE account RENAME token TO was; ALTER TABLE account ADD token uuid")
    renamed = db.call("rotation", "verify", "--table", "account")
    assert renamed.code == 0
    assert "0 of 1 revoked tokens survive in public.account.was" in renamed.out
    assert "note: public.account.was was called public.account.token when it was rotated" in renamed.out
    db.sql("ALTER TABLE account DROP was CASCADE")
    dropped = db.call("rotation", "verify", "--table", "account")
    assert dropped.code == 1
    assert "is not the column that was rotated, which was dropped" in dropped.err


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        ("ALTER TABLE account RENAME token TO key_of_api", ["--column", "key_of_api"]),
        ("ALTER TABLE account RENAME TO customer", ["--table", "customer"]),
        ("CREATE SCHEMA later; ALTER TABLE account SET SCHEMA later", ["--table", "later.account"]),
        ("ALTER TABLE account RENAME id TO number", ["--table", "account"]),
    ],
)
def test_renamed_and_verified_by_either_name(db: Database, change: str, flags: list[str]) -> None:
    db.sql("CREATE TABLE account (id bigint PRIMARY KEY, token uuid);"
           "INSERT INTO account VALUES (1, gen_random_uuid())")  # fmt: skip
    assert db.call("rotate_tokens_sql", "--table", "account").code == 0
    db.sql(change)
    for names in ([], flags):
        done = db.call("rotation", "verify", *names)
        assert (done.code, done.err) == (0, "")
        assert "0 of 1 revoked tokens survive" in done.out


def test_verification_of_a_cancelled_rotation_names_the_table_and_what_would_follow(
    db: Database,
) -> None:
    db.sql("CREATE TABLE account (id int PRIMARY KEY, token uuid);"
           "INSERT INTO account SELECT n, gen_random_uuid() FROM generate_series(1, 100) AS n;"
           "ALTER TABLE account ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")  # fmt: skip
    assert db.call("rotate_tokens_sql", "--table", "account", "--window", "50").code == 1
    again = "run python manage.py rotate_tokens_sql --table public.account to"
    assert f"{again} continue" in db.call("rotation", "verify", "--table", "account").err
    assert db.call("rotation", "cancel", "--table", "account").code == 0
    found = db.call("rotation", "verify", "--table", "account")
    assert found.code == 4
    assert (
        f"was cancelled: 50 of 100 revoked tokens are still in use; {again} start another" in found.err
    )


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
