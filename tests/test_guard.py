"""No revoked token is written back while the guard stands; every other write passes."""

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from django.db import connection

from app.tickets.models import Ticket
from tests.conftest import Database, read_until, until
from tests.test_interruption import gate, waiting_at_gate

RUN = ("rotate_tokens_sql", "--window", "100", "--progress", "lines", "--lock-timeout", "600000")
WITHOUT_MODEL = (
    "CREATE TABLE account (id int PRIMARY KEY, note text, key uuid NOT NULL);"
    "INSERT INTO account SELECT g, 'x', gen_random_uuid() FROM generate_series(1, %s) AS g"
)
ACCOUNT = ("rotate_tokens_sql", "--table", "account", "--column", "key")


@pytest.fixture
def rotated(db: Database) -> Database:
    """Ten tickets, rotated; `before` holds their old tokens."""
    db.tickets(10)
    done = db.call("rotate_tokens_sql")
    assert (done.code, done.err) == (0, "")
    db.each_once(10)
    return db


def old_token(db: Database, key: int = 3) -> str:
    return str(db.value("SELECT token FROM before WHERE id = %s", str(key)))


def token(db: Database, key: int = 3) -> str:
    return str(db.value("SELECT token FROM ticket WHERE id = %s", key))


def test_stale_save_after_its_window(db: Database) -> None:
    """Loaded before its window, saved after: the other fields are saved, the token stays new."""
    db.tickets(10)
    stale = Ticket.objects.get(pk=3)
    assert db.call("rotate_tokens_sql").code == 0
    new = token(db)
    stale.title = "changed"
    stale.save()
    assert token(db) == new != str(stale.token)
    assert db.value("SELECT title FROM ticket WHERE id = 3") == "changed"
    assert db.unchanged() == 0


def test_stale_save_that_waits_for_the_window(db: Database) -> None:
    """Saved while the window holds the row's lock: the save comes after it, and the token stays new."""
    db.tickets(10)
    stale = Ticket.objects.get(pk=3)
    stale.title = "changed"

    def save() -> None:
        stale.save()
        connection.close()

    saving = threading.Thread(target=save)
    with gate(db, "batchprogress", "BEFORE UPDATE"):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        saving.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        until(lambda: db.value(waits))
    saving.join(30)
    assert child.wait(30) == 0
    assert db.value("SELECT title FROM ticket WHERE id = 3") == "changed"
    assert db.unchanged() == 0


def bulk_update(db: Database, old: str) -> None:
    Ticket.objects.bulk_update([Ticket(pk=3, token=old, title="changed")], ["token", "title"])


def queryset_update(db: Database, old: str) -> None:
    Ticket.objects.filter(pk=3).update(token=old, title="changed")


def raw_update(db: Database, old: str) -> None:
    db.sql("UPDATE ticket SET token = %s, title = 'changed' WHERE id = 3", old)


def update_of_another_row(db: Database, old: str) -> None:
    db.sql("UPDATE ticket SET token = %s, title = 'changed' WHERE id = 3", old_token(db, 7))


def update_as_a_replica(db: Database, old: str) -> None:
    db.sql(
        "SET session_replication_role = replica;"
        "UPDATE ticket SET token = %s, title = 'changed' WHERE id = 3",
        old,
    )


def update_ignored_by_pgtrigger(db: Database, old: str) -> None:
    import pgtrigger

    with pgtrigger.ignore():
        Ticket.objects.filter(pk=3).update(token=old, title="changed")


def update_from_a_backup(db: Database, old: str) -> None:
    db.sql(
        "UPDATE ticket SET token = before.token::uuid, title = 'changed'"
        " FROM before WHERE before.id = ticket.id::text"
    )


def merge(db: Database, old: str) -> None:
    db.sql(
        "MERGE INTO ticket USING (SELECT 3 AS id, %s::uuid AS token) AS new ON new.id = ticket.id"
        " WHEN MATCHED THEN UPDATE SET token = new.token, title = 'changed'",
        old,
    )


@pytest.mark.parametrize(
    "write",
    [
        *(bulk_update, queryset_update, raw_update, update_of_another_row, update_as_a_replica),
        *(update_ignored_by_pgtrigger, update_from_a_backup, merge),
    ],
)
def test_update_keeps_the_new_token(rotated: Database, write: Callable[[Database, str], None]) -> None:
    new = token(rotated)
    write(rotated, old_token(rotated))
    assert token(rotated) == new
    assert rotated.value("SELECT title FROM ticket WHERE id = 3") == "changed"
    assert rotated.unchanged() == 0


INSERT = (
    "INSERT INTO ticket (id, title, status, token, created_at, updated_at)"
    " VALUES ({id}, 'x', 'open', %s, now(), now())"
)


@pytest.mark.parametrize(
    "statement",
    [
        INSERT.format(id=99),
        f"{INSERT.format(id=99)} ON CONFLICT (id) DO UPDATE SET token = EXCLUDED.token",
        f"{INSERT.format(id=99)} ON CONFLICT (id) DO NOTHING",
        f"DELETE FROM ticket WHERE id = 3; {INSERT.format(id=3)}",
        f"SET session_replication_role = replica; {INSERT.format(id=99)}",
    ],
)
def test_insert_is_refused(rotated: Database, statement: str) -> None:
    old = old_token(rotated)
    with pytest.raises(psycopg2.IntegrityError) as caught:
        rotated.sql(f"BEGIN; {statement}; COMMIT", old)
    assert "this token was revoked and cannot be used again" in str(caught.value)
    assert old not in str(caught.value)
    assert rotated.unchanged() == 0


@pytest.mark.parametrize(
    ("then", "title"),
    [
        ("DO UPDATE SET token = EXCLUDED.token, title = 'changed'", "changed"),
        ("DO UPDATE SET title = 'changed'", "changed"),
        ("DO NOTHING", "x"),
    ],
)
def test_upsert_of_a_row_that_is_there_keeps_its_token(rotated: Database, then: str, title: str) -> None:
    new = token(rotated)
    rotated.sql(f"{INSERT.format(id=3)} ON CONFLICT (id) {then}", old_token(rotated))
    assert (token(rotated), rotated.value("SELECT title FROM ticket WHERE id = 3")) == (new, title)
    with pytest.raises(psycopg2.errors.UniqueViolation, match="ticket_pkey"):
        rotated.sql(INSERT.format(id=3), old_token(rotated))
    assert rotated.unchanged() == 0


def test_row_that_vanishes_under_an_upsert(rotated: Database) -> None:
    """Another transaction deletes the row to which the upsert came: now it inserts, and must not."""
    old, failures = old_token(rotated), []

    def upsert() -> None:
        try:
            rotated.sql(
                f"{INSERT.format(id=3)} ON CONFLICT (id) DO UPDATE SET token = EXCLUDED.token", old
            )
        except psycopg2.Error as error:
            failures.append(error)

    upserting = threading.Thread(target=upsert)
    with closing(rotated.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute("DELETE FROM ticket WHERE id = 3")
        upserting.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        until(lambda: rotated.value(waits))
        other.commit()
    upserting.join(30)
    assert "this token was revoked" in str(failures)
    assert rotated.unchanged() == 0


def test_django_upsert_keeps_the_new_token(rotated: Database) -> None:
    new = token(rotated)
    stale = Ticket(pk=3, title="changed", token=old_token(rotated))
    Ticket.objects.bulk_create(
        [stale], update_conflicts=True, unique_fields=["id"], update_fields=["token", "title"]
    )
    assert token(rotated) == new
    assert rotated.value("SELECT title FROM ticket WHERE id = 3") == "changed"


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
    db.sql("ALTER TABLE parted ADD CONSTRAINT stop CHECK (id <> 15) NOT VALID")
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
           " SET search_path = pg_catalog, pg_temp SET row_security = off AS 'BEGIN RETURN NEW; END'"
    )  # fmt: skip
    assert "guard installed" in db.call(*ACCOUNT, "--new").out
    assert "guard in place" in db.call(*ACCOUNT, "--new").out


def test_legitimate_writes_pass(rotated: Database) -> None:
    fresh = "11111111-2222-4333-8444-555555555555"
    rotated.sql("UPDATE ticket SET token = %s WHERE id = 3", fresh)
    assert token(rotated) == fresh
    Ticket.objects.create(pk=99, title="new")
    rotated.sql("UPDATE ticket SET title = 'y'; DELETE FROM ticket WHERE id = 5")
    assert rotated.call("rotation", "verify").code == 0
    assert token(rotated) == fresh


def test_legitimate_change_behind_the_cursor_is_kept(db: Database) -> None:
    fresh = "11111111-2222-4333-8444-555555555555"
    db.tickets(3000)
    child = db.start("rotate_tokens_sql", "--window", "5")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    db.sql("UPDATE ticket SET token = %s WHERE id = 3", fresh)
    assert child.wait(30) == 0
    assert token(db) == fresh
    assert db.unchanged() == 0


def test_tokens_of_every_rotation_stay_revoked(rotated: Database) -> None:
    between = token(rotated)
    assert rotated.call("rotate_tokens_sql", "--new").code == 0
    for revoked in (old_token(rotated), between):
        new = token(rotated)
        raw_update(rotated, revoked)
        assert token(rotated) == new


def test_cancelled_rotation_revokes_nothing(db: Database) -> None:
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (id <= 50) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "50").code == 1
    with pytest.raises(psycopg2.IntegrityError):
        db.sql(INSERT.format(id=45), old_token(db, 90))
    assert db.call("rotation", "cancel").code == 0
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop; DELETE FROM ticket WHERE id = 90")
    db.sql(INSERT.format(id=90), old_token(db, 90))


def test_rotation_after_a_cancelled_one_revokes_what_that_one_replaced(db: Database) -> None:
    """The first rotation replaced half of the leaked tokens; the second one never saw those."""
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (id <= 50) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "50").code == 1
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop")
    assert db.call("rotation", "cancel").code == 0
    db.sql("UPDATE ticket SET token = %s WHERE id = 3", old_token(db))
    assert db.unchanged() == 51  # until another rotation runs
    assert db.call("rotate_tokens_sql").code == 0
    for key in (3, 4):
        raw_update(db, old_token(db, key))
    assert db.unchanged() == 0
    # Past the guard it is found, and rotated again.
    db.sql(
        "SET session_replication_role = replica; ALTER TABLE ticket DISABLE TRIGGER ALL;"
        "UPDATE ticket SET token = %s WHERE id = 4;"
        "ALTER TABLE ticket ENABLE ALWAYS TRIGGER pgtrigger_guard_token_c5a6c",
        old_token(db, 4),
    )
    done = db.call("rotation", "verify")
    assert "1 of 200 revoked tokens survive" in done.err
    assert db.call("rotate_tokens_sql").code == 0
    assert db.unchanged() == 0


def test_verification_answers_for_a_cancelled_rotation(db: Database) -> None:
    """What the first rotation replaced comes back past the guard while the second one runs."""
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (id <= 50) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "50").code == 1
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop")
    assert db.call("rotation", "cancel").code == 0
    with gate(db, "ticket", "BEFORE UPDATE", passes="NEW.id < 90"):
        child = db.start(*RUN[:1], "--window", "30", *RUN[3:])
        until(lambda: waiting_at_gate(db))
        db.sql(f"{db.active()}; UPDATE ticket SET token = %s WHERE id = 4", old_token(db, 4))
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert "1 row holds a revoked token: id 4; rotating again" in out
    assert db.unchanged() == 0


def test_copy_of_the_database_elsewhere(rotated: Database) -> None:
    """There the number of the transaction that completed the set means nothing: nobody is sent away."""
    rotated.sql(
        "SELECT setval('rotation_revoked_1_since', 1000000000000), setval('rotation_revoked_system', 42)"
    )
    with closing(rotated.connect(autocommit=False)) as writer, writer.cursor() as cursor:
        writer.set_session("SERIALIZABLE")
        cursor.execute("UPDATE ticket SET token = gen_random_uuid() WHERE id = 3")
        writer.commit()
    raw_update(rotated, old_token(rotated))
    assert rotated.unchanged() == 0


def test_who_may_not_run_rotations_may_not_touch_the_set(rotated: Database) -> None:
    name = rotated.name
    rotated.sql(f"CREATE ROLE {name} LOGIN")
    try:
        for call in (
            "rotation_close_revoked(1, 1)",
            "rotation_open_revoked(2)",
            "rotation_note_change(1)",
        ):
            with (
                closing(rotated.connect(user=name)) as other,
                other.cursor() as cursor,
                pytest.raises(psycopg2.errors.InsufficientPrivilege),
            ):
                cursor.execute(f"SELECT {call}")
    finally:
        rotated.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


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


def test_writers_need_no_rights_on_the_state(rotated: Database) -> None:
    name = rotated.name
    rotated.sql(
        f"CREATE ROLE {name} LOGIN; GRANT SELECT, INSERT, UPDATE ON ticket TO {name};"
        f"GRANT INSERT ON changes TO {name};"
        f"CREATE SCHEMA {name} AUTHORIZATION {name}"
    )
    try:
        with closing(rotated.connect(user=name)) as writer, writer.cursor() as cursor:
            # Functions and tables of the same name, found first, change nothing.
            cursor.execute(
                "SET search_path = pg_temp, " + name + ", public;"
                "CREATE TABLE rotation (id int); CREATE TABLE rotation_revoked (hash bigint);"
                "CREATE FUNCTION rotation_revokes(oid, text, uuid) RETURNS boolean LANGUAGE sql"
                " AS 'SELECT false'"
            )
            cursor.execute("UPDATE ticket SET token = %s WHERE id = 3", [old_token(rotated)])
            with pytest.raises(psycopg2.IntegrityError):
                cursor.execute(INSERT.format(id=99), [old_token(rotated)])
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("SELECT * FROM public.rotation_revoked")
        assert rotated.unchanged() == 0
    finally:
        rotated.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_guard_of_a_table_without_a_model(db: Database) -> None:
    db.sql(WITHOUT_MODEL, 10)
    names = ("--table", "account", "--column", "key")
    status = db.call("rotation", "guard", "status", *names)
    assert (status.code, status.lines) == (
        0,
        ["public.account.key has no guard; rotate_tokens_sql installs one"],
    )
    old = db.value("SELECT key FROM account WHERE id = 3")
    done = db.call(*ACCOUNT)
    assert done.code == 0
    assert "note: a guard will be installed on public.account" in done.out
    said = "phase 1 of 4: guard installed; every transaction that was already writing has ended"
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
    assert "the triggers of public.account changed while the rotation ran" in out
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
    db.sql("ALTER TABLE parted ADD CONSTRAINT stop CHECK (id <> 15) NOT VALID")
    assert db.call(*run, order[1]).code == 1
    db.sql("ALTER TABLE parted DROP CONSTRAINT stop; UPDATE parted SET id = 150 WHERE id = 17")
    stale = "INSERT INTO parted (id, {0}) VALUES (151, %s)"
    of_the_rotated_one = db.value(f"SELECT {order[0]}::text FROM kept WHERE id = 17")
    with pytest.raises(psycopg2.IntegrityError, match="was revoked"):
        db.sql(stale.format(order[0]), of_the_rotated_one)
    done = db.call(*run, order[1])
    assert (done.code, done.err) == (0, "")
    assert "1 row holds a revoked token: id 150" in done.out
