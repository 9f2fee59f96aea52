"""The invariants of the state, enforced by the database itself."""

import itertools

import psycopg2
import pytest

from app.rotation.models import ARROWS, UNFINISHED, Status
from tests.conftest import Database

ROTATION = (
    "INSERT INTO rotation (table_schema, table_name, table_oid, pk_column, pk_type, pk_collation,"
    " token_column, token_attnum, status, rows_total_exact, options, reason, operator, host)"
    " VALUES ('s', 't', 1, 'id', 'bigint', '', 'token', 2, %s, false, '{}', '', '', '') RETURNING id"
)
LANE = (
    "INSERT INTO batchprogress (rotation_id, lane, pk_type, pk_collation, lower, upper, last_id,"
    " rows, windows, worker) VALUES (%s, 0, %s, %s, %s, %s, %s, 0, 0, '') RETURNING id"
)


def lane(
    db: Database,
    last_id: str | None = "9",
    key: str = "bigint",
    collation: str = "",
    upper: str = "100",
) -> int:
    rotation = db.value(ROTATION, "running")
    return db.value(LANE, rotation, key, collation, "1", upper, last_id)


def refuses(db: Database, says: str, statement: str, *parameters: object) -> None:
    with pytest.raises(psycopg2.Error, match=says):
        db.sql(statement, *parameters)


def test_checkpoint_moves_forward_as_numbers_do(db: Database) -> None:
    lane(db, "9")
    db.sql("UPDATE batchprogress SET last_id = '10', rows = 1, windows = 1")  # '10' < '9' as text
    refuses(db, "never moves back", "UPDATE batchprogress SET last_id = '9'")
    refuses(db, "never moves back", "UPDATE batchprogress SET last_id = '99', rows = 0")
    refuses(db, "never moves back", "UPDATE batchprogress SET last_id = '99', windows = 0")
    refuses(db, "stays within", "UPDATE batchprogress SET last_id = '101'")
    refuses(db, "never moves back|stays within", "UPDATE batchprogress SET last_id = NULL")
    db.sql("UPDATE batchprogress SET last_id = '100'")


def test_checkpoint_compares_by_the_collation_of_its_key(db: Database) -> None:
    lane(db, "B", "text", 'pg_catalog."C"', upper="b")
    refuses(db, "never moves back", "UPDATE batchprogress SET last_id = 'AZ'")
    refuses(db, "stays within", "UPDATE batchprogress SET last_id = 'c'")
    db.sql("UPDATE batchprogress SET last_id = 'a'")  # in a dictionary, a comes before B


def test_no_session_ignores_the_triggers(db: Database) -> None:
    """`pgtrigger.ignore` is for the triggers of applications: what it names here stays in force."""
    lane(db)
    triggers = db.value(
        "SELECT string_agg(DISTINCT split, ',') FROM pg_trigger CROSS JOIN LATERAL unnest("
        " ARRAY[tgname, tgrelid::regclass || ':' || tgname]) AS split WHERE tgname LIKE 'pgtrigger%%'"
    )
    ignoring = f"SET pgtrigger.ignore = '{{{triggers}}}'; "
    refuses(db, "never moves back", ignoring + "UPDATE batchprogress SET last_id = '8'")
    refuses(db, "Invalid transition", ignoring + "UPDATE rotation SET status = 'succeeded'")
    refuses(db, "Cannot update", ignoring + "UPDATE rotation SET token_column = 'other'")
    refuses(db, "Cannot delete", ignoring + "DELETE FROM batchprogress")
    refuses(db, "TRUNCATE", ignoring + "TRUNCATE rotation CASCADE")


@pytest.mark.parametrize("last_id", ["0", "101"])
def test_checkpoint_begins_within_its_lane(db: Database, last_id: str) -> None:
    with pytest.raises(psycopg2.Error, match="stays within its lane"):
        lane(db, last_id)


@pytest.mark.parametrize(
    "change", ["lower = '0'", "upper = '1000'", "lane = 7", "pk_type = 'text'", "rotation_id = 99"]
)
def test_bounds_never_change(db: Database, change: str) -> None:
    lane(db)
    refuses(db, "bounds of a lane never change", f"UPDATE batchprogress SET {change}")


def test_type_of_a_key_is_no_way_to_run_sql(db: Database) -> None:
    with pytest.raises(psycopg2.Error, match=r"does not exist|syntax error|invalid"):
        lane(db, key="text); DROP TABLE ticket; --")
    assert db.value("SELECT to_regclass('ticket') IS NOT NULL")


def test_nothing_is_deleted(db: Database) -> None:
    one = lane(db)
    db.sql(
        "INSERT INTO rotation_window (rotation_id, lane_id, lo, hi, rows, milliseconds, transaction_id,"
        " worker) SELECT rotation_id, id, '1', '9', 9, 1, 1, '' FROM batchprogress WHERE id = %s",
        one,
    )
    for table in ("rotation_window", "batchprogress", "rotation"):
        refuses(db, "Cannot (update or )?delete rows", f"DELETE FROM {table}")
    refuses(db, "Cannot update or delete", "UPDATE rotation_window SET rows = 1000")


@pytest.mark.parametrize("column", ["table_oid", "pk_column", "token_column", "floor", "ceiling"])
def test_target_never_changes(db: Database, column: str) -> None:
    db.sql(ROTATION, "running")
    value = "2" if column == "table_oid" else "'x'"
    refuses(db, "Cannot update", f"UPDATE rotation SET {column} = {value}")


@pytest.mark.parametrize(
    ("old", "new"),
    [pair for pair in itertools.product(Status.values, repeat=2) if pair[0] != pair[1]],
)
def test_status_follows_the_arrows(db: Database, old: str, new: str) -> None:
    db.sql(ROTATION, old)
    change = "UPDATE rotation SET status = %s"
    if (old, new) in ARROWS:
        db.sql(change, new)
    else:
        refuses(db, "Invalid transition", change, new)


def test_unknown_status(db: Database) -> None:
    refuses(db, "status_is_one_that_we_know", ROTATION, "sleeping")


def test_every_status_has_an_arrow() -> None:
    assert {status for arrow in ARROWS for status in arrow} == set(Status.values)
    assert all(reason.endswith(".") for reason in ARROWS.values())


@pytest.mark.parametrize("status", UNFINISHED)
def test_one_active_rotation_per_table(db: Database, status: str) -> None:
    db.sql(ROTATION, status)
    refuses(db, "one_active_rotation_per_table", ROTATION, "running")
    db.sql(ROTATION, "succeeded")
    db.sql(ROTATION, "cancelled")


def test_tampered_checkpoint_rolls_the_window_back(db: Database) -> None:
    """Compare-and-set: a checkpoint that moved in mid-window is not overwritten."""
    db.tickets(100)
    db.sql(
        "CREATE FUNCTION tamper() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE batchprogress SET last_id = ''60''; RETURN NULL; END';"
        "CREATE TRIGGER tamper AFTER UPDATE ON ticket EXECUTE FUNCTION tamper()"
    )
    done = db.call("rotate_tokens_sql", "--window", "50")
    assert done.code == 1
    assert "was moved by something that ignores its lock" in done.err
    assert db.changes() == {0: 100}
    db.sql("DROP TRIGGER tamper ON ticket")
    assert db.call("rotate_tokens_sql", "--window", "50").code == 0
    db.each_once(100)


def test_hashes_that_are_swallowed(db: Database) -> None:
    """The set holds fewer hashes than the snapshot put into it: nothing is concluded from it."""
    db.tickets(100)
    db.sql(
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM public.rotation_revoked WHERE hash = NEW.hash; RETURN NULL; END';"
        "ALTER TABLE rotation_revoked DISABLE TRIGGER kept;"
        "CREATE TRIGGER swallow AFTER INSERT ON rotation_revoked FOR EACH ROW"
        " WHEN (NEW.hash % 2 = 0) EXECUTE FUNCTION swallow()"
    )
    done = db.call("rotate_tokens_sql")
    assert done.code == 4
    assert "had been tampered with, so nothing can be concluded" in done.err
    assert "of 100 hashes)" in done.err


@pytest.mark.parametrize(
    "table",
    ["rotation_window", "rotation_leftover", "rotation_revoked", "rotation CASCADE"],
)
def test_nothing_is_truncated(db: Database, table: str) -> None:
    its = lane(db)
    db.sql("INSERT INTO rotation_leftover (lane_id, key, held_by) VALUES (%s, '7', '')", its)
    db.sql(
        "INSERT INTO rotation_window (rotation_id, lane_id, lo, hi, rows, milliseconds, transaction_id,"
        " worker) SELECT rotation_id, id, '1', '9', 9, 1, 1, '' FROM batchprogress WHERE id = %s",
        its,
    )
    refuses(db, "TRUNCATE not allowed on", f"TRUNCATE {table}")


def test_what_holds_nothing_may_be_truncated(db: Database) -> None:
    """As Django's flush does; in a test's database, whatever it holds."""
    db.sql("TRUNCATE rotation, batchprogress, rotation_window, rotation_leftover")


def test_several_unfinished_rotations_are_cancelled_by_name(db: Database) -> None:
    db.sql(ROTATION, "running")
    db.sql(ROTATION.replace("'t', 1", "'u', 2"), "running")
    done = db.call("rotation", "cancel")
    assert done.code == 1
    assert "several rotations are unfinished: name one with --table (s.u, s.t)" in done.err
    assert db.call("rotation", "cancel", "--table", "u").code == 0
    assert db.sql("SELECT table_name FROM rotation WHERE status = 'running'") == [("t",)]


def test_cancel(db: Database) -> None:
    assert db.call("rotation", "cancel").code == 1
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "50").code == 1
    done = db.call("rotation", "cancel")
    assert done.code == 0
    assert (
        "is cancelled: 50 of 100 tokens were replaced; every other row keeps its old token" in done.out
    )
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop")
    assert db.call("rotate_tokens_sql").code == 0
    assert db.value("SELECT count(*) FROM rotation WHERE status = 'succeeded'") == 1
    assert db.unchanged() == 0


def test_cancelled_after_a_finished_one_is_not_finished(db: Database) -> None:
    db.tickets(100)
    assert db.call("rotate_tokens_sql").code == 0
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--new", "--window", "50").code == 1
    assert db.call("rotation", "cancel").code == 0
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop")
    assert "rotation 3 of public.ticket.token started" in db.call("rotate_tokens_sql").out
    assert db.value("SELECT min(n) FROM (SELECT count(*) AS n FROM changes GROUP BY id) AS t") == 2


def test_cancel_under_a_running_worker(db: Database) -> None:
    db.tickets(3000)
    child = db.start("rotate_tokens_sql", "--window", "5")
    while not db.value("SELECT count(*) FROM rotation_window"):
        pass
    assert db.call("rotation", "cancel").code == 0
    out = child.communicate(timeout=30)[0]
    assert child.returncode == 3
    assert "Stopped: rotation 1 is cancelled" in out
    db.agrees()
    assert db.changes().get(0)


def test_migrations_are_reversible(db: Database) -> None:
    assert db.run("migrate", "rotation", "zero", "-v", "0").code == 0
    assert db.value("SELECT to_regclass('rotation') IS NULL")
    assert db.run("migrate", "-v", "0").code == 0


@pytest.mark.parametrize("status", UNFINISHED)
def test_every_unfinished_rotation_can_be_cancelled(db: Database, status: str) -> None:
    """And none of them stands in for the rotation of rows that `ticket --init` made since."""
    left = (
        "SET session_replication_role = replica; UPDATE batchprogress SET worker = '';"
        f"UPDATE rotation SET status = '{status}', touched_at = NULL"
    )
    db.tickets(10)
    assert db.call("rotate_tokens_sql").code == 0
    db.sql(left)
    assert db.call("rotation", "cancel").code == 0
    assert db.value("SELECT status FROM rotation") == "cancelled"
    db.sql(left)
    assert db.call("ticket", "--init", "--size", "30", "--force").code == 0
    db.sql("DROP TABLE before, changes; DROP TRIGGER note ON ticket; DROP FUNCTION note")
    db.watch("ticket", "id")
    assert db.call("rotate_tokens_sql").code == 0
    assert db.changes() == {1: 30}
