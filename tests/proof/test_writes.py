"""No revoked token is written back while the guard stands; every other write passes."""

import threading
from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest
from django.db import connection

from app.tickets.models import Ticket
from tests.conftest import Database, until
from tests.proof.tickets import INSERT, old_token, raw_update
from tests.work.gates import RUN, gate, waiting_at_gate


@pytest.fixture
def rotated(db: Database) -> Database:
    """Ten tickets, rotated; `before` holds their old tokens."""
    db.tickets(10)
    done = db.call("rotate_tokens_sql")
    assert (done.code, done.err) == (0, "")
    db.each_once(10)
    return db


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


@pytest.mark.parametrize(
    ("number", "system"),
    [("pg_current_xact_id()::text::bigint", "42"), ("1000000000000", "system_identifier")],
    ids=["elsewhere", "in a clone"],
)
def test_copy_of_the_database(rotated: Database, number: str, system: str) -> None:
    """There the number of the transaction that completed the set means nothing: nobody is sent away."""
    with closing(rotated.connect(autocommit=False)) as writer, writer.cursor() as cursor:
        writer.set_session("SERIALIZABLE")
        cursor.execute("SELECT 1")
        rotated.sql(
            f"SELECT setval('rotation_revoked_1_since', {number}),"
            f" setval('rotation_revoked_system', {system}) FROM pg_control_system()"
        )
        cursor.execute("UPDATE ticket SET token = gen_random_uuid() WHERE id = 3")
        writer.commit()
    raw_update(rotated, old_token(rotated))
    assert rotated.unchanged() == 0


def test_who_may_not_run_rotations_may_not_touch_the_set(rotated: Database) -> None:
    name = rotated.name
    rotated.sql(f"CREATE ROLE {name} LOGIN")
    try:
        for call in (
            "rotation_complete_set(1, 1)",
            "rotation_create_set(2)",
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
