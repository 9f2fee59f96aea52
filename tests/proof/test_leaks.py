"""Planted leaks: ways in which a token stays or comes back past every count and checkpoint."""

import io
import json
import re
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.conftest import WITHOUT_GUARD, Database, until
from tests.proof.account import ACCOUNT, left, make
from tests.proof.mallory import acting
from tests.proof.proven import succeeded
from tests.unguarded import GUARDED, UNGUARDED


def stale_write_past_the_guard(db: Database) -> None:
    db.sql(f"{UNGUARDED} UPDATE ticket SET token = b.token::uuid FROM before AS b"
           f" WHERE b.id = '7' AND ticket.id = 7{GUARDED}")  # fmt: skip


OLD_ROW = (
    "INSERT INTO ticket (id, title, status, created_at, updated_at, token)"
    " SELECT {id}, 'x', 'open', now(), now(), token::uuid FROM before WHERE id = '7'"
)


def row_restored_from_a_backup(db: Database) -> None:
    upsert = f"{OLD_ROW.format(id=7)} ON CONFLICT (id) DO UPDATE SET token = EXCLUDED.token"
    db.sql(f"{UNGUARDED} {upsert}{GUARDED}")


def another_row_with_its_token(db: Database) -> None:
    db.sql(f"{UNGUARDED} {OLD_ROW.format(id=7777)}{GUARDED}")


def every_row_restored(db: Database) -> None:
    db.sql(f"{UNGUARDED} UPDATE ticket SET token = b.token::uuid FROM before AS b"
           f" WHERE b.id = ticket.id::text{GUARDED}")  # fmt: skip


def tokens_swapped_between_rows(db: Database) -> None:
    db.sql(f"{UNGUARDED} UPDATE ticket SET token = b.token::uuid FROM before AS b"
           f" WHERE b.id = (51 - ticket.id)::text AND ticket.id IN (7, 9){GUARDED}")  # fmt: skip


def table_loaded_by_copy(db: Database) -> None:
    with closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT token FROM before WHERE id = '7'")
        token = cursor.fetchone()[0]
        cursor.execute(f"{UNGUARDED} DELETE FROM ticket WHERE id = 7")
        line = f"x\topen\t2026-01-01\t2026-01-01\t{token}\t7\n"
        cursor.copy_expert(
            "COPY ticket (title, status, created_at, updated_at, token, id) FROM STDIN",
            io.StringIO(line),
        )
        cursor.execute(GUARDED.strip("; "))


def column_rewritten_by_ddl(db: Database) -> None:
    db.sql(
        "CREATE FUNCTION old_token(bigint, uuid) RETURNS uuid LANGUAGE sql AS"
        " 'SELECT coalesce((SELECT token::uuid FROM before WHERE id = $1::text AND id = ''7''), $2)';"
        f"{WITHOUT_GUARD};"
        "ALTER TABLE ticket ALTER token TYPE uuid USING old_token(id, token)"
    )


def row_moved_with_a_lost_window(db: Database) -> None:
    """As if its window had never run: the row holds its old token, the journal says otherwise."""
    db.sql(f"{UNGUARDED} UPDATE ticket SET id = -7, token = b.token::uuid FROM before AS b"
           f" WHERE b.id = '7' AND ticket.id = 7{GUARDED}")  # fmt: skip


BACK = "UPDATE ticket SET token = (SELECT token::uuid FROM before WHERE id = '7') WHERE id = 7"
HALVES = (
    "SELECT tgname, tgfoid::regproc FROM pg_trigger"
    " WHERE tgrelid = 'ticket'::regclass AND tgname ~ 'guard'"
)


def guard_whose_function_says_nothing(db: Database) -> None:
    (_, function), *_ = db.sql(HALVES)
    db.sql(f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS"
           f" 'BEGIN RETURN NEW; END'; {BACK}")  # fmt: skip


def guard_dropped_by_hand(db: Database) -> None:
    for name, _ in db.sql(HALVES):
        db.sql(f"DROP TRIGGER {name} ON ticket")
    db.sql(BACK)


def guard_that_does_not_fire_in_a_replica(db: Database) -> None:
    for name, _ in db.sql(HALVES):
        db.sql(f"ALTER TABLE ticket ENABLE TRIGGER {name}")
    db.sql(f"SET session_replication_role = replica; {BACK}")


def guard_without_its_half_for_inserts(db: Database) -> None:
    db.sql(f"ALTER TABLE ticket DISABLE TRIGGER rotation_guard_1_insert; {OLD_ROW.format(id=7777)}")


def trigger_that_fires_after_the_guard(db: Database) -> None:
    db.sql(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " NEW.token := (SELECT token::uuid FROM before WHERE id = NEW.id::text); RETURN NEW; END $$;"
        "CREATE TRIGGER zz_late BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION late();"
        "UPDATE ticket SET title = 'x' WHERE id = 7; DROP TRIGGER zz_late ON ticket"
    )


def written_as_a_rotation_writes(db: Database) -> None:
    db.sql(f"{db.active()}; {BACK}")


def merged_from_a_backup(db: Database) -> None:
    db.sql(f"{UNGUARDED} MERGE INTO ticket USING before AS b ON b.id = ticket.id::text AND b.id = '7'"
           f" WHEN MATCHED THEN UPDATE SET token = b.token::uuid{GUARDED}")  # fmt: skip


def table_emptied_and_loaded(db: Database) -> None:
    db.sql(f"{UNGUARDED} CREATE TABLE kept AS SELECT * FROM ticket; {BACK.replace('ticket', 'kept')};"
           f"TRUNCATE ticket; INSERT INTO ticket SELECT * FROM kept{GUARDED}")  # fmt: skip


def column_is_a_text_by_now(db: Database) -> None:
    db.sql(f"{WITHOUT_GUARD}; ALTER TABLE ticket ALTER token TYPE text;"
           f"{BACK.replace('token::uuid', 'token')}")  # fmt: skip


def default_of_the_column(db: Database) -> None:
    old = db.value("SELECT token FROM before WHERE id = '7'")
    db.sql(f"{UNGUARDED} ALTER TABLE ticket ALTER token SET DEFAULT '{old}';"
           "INSERT INTO ticket (id, title, status, created_at, updated_at)"
           " VALUES (7777, 'x', 'open', now(), now());"
           f"ALTER TABLE ticket ALTER token DROP DEFAULT{GUARDED}")  # fmt: skip


def prepared_transaction(db: Database) -> None:
    db.sql(f"BEGIN; {UNGUARDED} {BACK}; PREPARE TRANSACTION 'leak_{db.name}'")
    db.sql(f"COMMIT PREPARED 'leak_{db.name}'")
    db.sql(GUARDED.strip("; "))


def copied_back_from_another_column(db: Database) -> None:
    db.sql("UPDATE ticket SET title = before.token FROM before WHERE before.id = ticket.id::text;"
           f"{UNGUARDED} UPDATE ticket SET token = title::uuid WHERE id = 7{GUARDED}")  # fmt: skip


def test_another_table_has_the_name_by_now(db: Database) -> None:
    """What it holds is compared, and rotated."""
    db.tickets(50)
    assert db.call("rotate_tokens_sql").code == 0
    db.sql("CREATE TABLE copy (LIKE ticket INCLUDING ALL); INSERT INTO copy SELECT * FROM ticket;"
           f"{BACK.replace('ticket', 'copy')}; DROP TABLE ticket;"
           "ALTER TABLE copy RENAME TO ticket")  # fmt: skip
    done = db.call("rotation", "verify")
    assert (done.code, "1 of 50 revoked tokens survive" in done.err) == (4, True)
    assert "note: nothing keeps revoked tokens out of public.ticket.token" in done.out
    assert db.call("rotate_tokens_sql").code == 0
    succeeded(db)


LEAKS = [
    *(stale_write_past_the_guard, row_restored_from_a_backup, another_row_with_its_token),
    *(every_row_restored, tokens_swapped_between_rows, table_loaded_by_copy),
    *(column_rewritten_by_ddl, row_moved_with_a_lost_window, guard_whose_function_says_nothing),
    *(guard_dropped_by_hand, guard_that_does_not_fire_in_a_replica, guard_without_its_half_for_inserts),
    *(trigger_that_fires_after_the_guard, written_as_a_rotation_writes, merged_from_a_backup),
    *(table_emptied_and_loaded, column_is_a_text_by_now, default_of_the_column),
    *(prepared_transaction, copied_back_from_another_column),
]


@pytest.mark.parametrize("leak", LEAKS)
def test_planted_leak_is_found_and_repaired(db: Database, leak: Callable[[Database], None]) -> None:
    db.tickets(50)
    assert db.call("rotate_tokens_sql").code == 0
    assert db.call("rotation", "verify").code == 0
    leak(db)
    leaked = db.unchanged()
    assert leaked > 0
    done = db.call("rotation", "verify")
    assert done.code == 4
    assert f"Unproven: {leaked} of 50 revoked tokens survive in public.ticket.token" in done.err
    assert re.search(r"7|id 1, 2, 3", done.err)
    assert (
        "run python manage.py rotate_tokens_sql --table public.ticket to rotate those rows" in done.err
    )
    assert json.loads(db.call("rotation", "status", "--json").out)["survivors"] == leaked
    again = db.call("rotate_tokens_sql")
    assert again.code == 0, again
    succeeded(db)


def test_key_moved_behind_the_cursor(db: Database) -> None:
    """Its window never sees it, and every count is right; the proof by value finds it."""
    db.tickets(3000)
    child = db.start("rotate_tokens_sql", "--window", "5")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    db.sql("UPDATE ticket SET id = -2999 WHERE id = 2999; DELETE FROM changes WHERE id = '2999'")
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert "1 row holds a revoked token: id -2999; rotating again" in out
    succeeded(db)


def change_keys_during_a_run(db: Database, runner: str) -> tuple[int, str]:
    """Somebody who may change keys tries to keep a leaked token alive."""
    db.sql(f"GRANT SELECT, UPDATE (id) ON account TO {runner}")
    run = db.start("rotate_tokens_sql", *ACCOUNT, "--window", "1", "--max-rate", "10")
    with acting(db, runner) as (_, stranger):
        while run.poll() is None:
            stranger.execute("UPDATE account SET id = id + 1000 WHERE id % 1000 = 9")
    return run.returncode, run.communicate()[0]


def test_row_whose_key_changes_again_and_again(db: Database, runner: str) -> None:
    make(db)
    code, out = change_keys_during_a_run(db, runner)
    assert (code, left(db)) == (0, 0), out


def test_row_that_can_not_be_updated_and_has_ever_another_key(db: Database, runner: str) -> None:
    """The run ends, and names it."""
    make(db)
    db.sql("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
           " 'BEGIN IF NEW.id % 1000 = 9 THEN RAISE unique_violation; END IF; RETURN NEW; END';"
           "CREATE TRIGGER no BEFORE UPDATE OF api_key ON account FOR EACH ROW EXECUTE FUNCTION no()"
    )  # fmt: skip
    code, out = change_keys_during_a_run(db, runner)
    assert (code, left(db)) == (4, 1), out
    assert "every other row is rotated, but 1 row can't be updated and holds its old token: id " in out


@pytest.mark.long
def test_survivor_at_the_far_end_is_found_soon(db: Database) -> None:
    """However new the set is, no row is compared with each hash in turn: that would take minutes."""
    db.tickets(50_000)
    assert db.call("rotate_tokens_sql").code == 0
    db.sql(f"{UNGUARDED} UPDATE ticket SET token = before.token::uuid FROM before"
           f" WHERE before.id = '49990' AND ticket.id = 49990{GUARDED}")  # fmt: skip
    done = db.run("rotation", "verify", timeout=60)
    assert (done.code, "1 of 50000 revoked tokens survive" in done.err) == (4, True)
    assert "id 49990" in done.err


def test_survivor_of_a_table_that_was_empty(db: Database, tmp_path) -> None:
    """A rotation without lanes has one as soon as there is something to rotate."""
    leaked = tmp_path / "leaked"
    leaked.write_text("11111111-2222-4333-8444-555555555555\n")
    assert db.call("rotate_tokens_sql", "--leaked", str(leaked)).code == 0
    db.tickets(5)
    db.sql(f"{UNGUARDED} UPDATE ticket SET token = '11111111-2222-4333-8444-555555555555'"
           f" WHERE id = 3{GUARDED}")  # fmt: skip
    assert db.call("rotation", "verify").code == 4
    assert db.call("rotate_tokens_sql").code == 0
    assert db.call("rotation", "verify").code == 0
    assert db.value("SELECT count(*) FROM ticket WHERE token::text LIKE '11111111%%'") == 0


def test_checkpoint_set_to_the_end(db: Database) -> None:
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "25").code == 1
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop; UPDATE batchprogress SET last_id = upper")
    done = db.call("rotation", "verify")
    assert done.code == 4
    assert "50 of 100 revoked tokens survive" in done.err
    assert re.search(r": id 51, 52, .*, 70 and 30 more; ", done.err)
    again = db.call("rotate_tokens_sql", "--window", "25")
    assert again.code == 0
    assert "50 rows hold a revoked token: id 51, 52" in again.out
    db.each_once(100)
    succeeded(db)
