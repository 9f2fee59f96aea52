"""'succeeded' is proven by value: whatever leaves a leaked token behind is found, named and repaired."""

import io
import json
import re
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.conftest import WITHOUT_GUARD, Database, kill, read_until, until
from tests.test_interruption import gate, waiting_at_gate

RUN = ("rotate_tokens_sql", "--window", "100", "--progress", "lines", "--lock-timeout", "600000")
#: Bypasses the guard.
UNGUARDED = "SET session_replication_role = replica; ALTER TABLE ticket DISABLE TRIGGER ALL;"
#: In the midst of the statement that takes the snapshot: its view of the table is taken.
SNAPSHOT_GATE = ("rotation_revoked", "BEFORE INSERT", False, "false")
GUARDED = "; ALTER TABLE ticket ENABLE ALWAYS TRIGGER pgtrigger_guard_token_c5a6c"


def succeeded(db: Database) -> None:
    """The latest rotation has ended well, and no old token is left, by value."""
    status, survivors, verified = db.sql(
        "SELECT status, survivors, verified_at IS NOT NULL FROM rotation ORDER BY id DESC LIMIT 1"
    )[0]
    assert (status, survivors, verified) == ("succeeded", 0, True)
    assert db.unchanged() == 0


# Snapshot


def test_snapshot_holds_a_salted_hash_of_every_token(db: Database) -> None:
    db.tickets(250)
    db.sql("ALTER TABLE ticket ALTER token DROP NOT NULL; UPDATE ticket SET token = NULL WHERE id > 240")
    db.sql("DELETE FROM changes")
    assert db.call("rotate_tokens_sql", "--window", "100").code == 0
    assert db.sql("SELECT revoked, rows_total, rows_total_exact FROM rotation") == [(240, 240, True)]
    missing = (
        "SELECT count(*) FROM before, rotation WHERE token IS NOT NULL AND NOT EXISTS (SELECT FROM"
        " rotation_revoked WHERE hash = uuid_hash_extended(token::uuid, salt))"
    )
    # The oracle was made before the tokens that are NULL now became so.
    assert db.value(missing) == 10
    assert db.value("SELECT count(*) FROM rotation_revoked") == 240
    assert db.call("rotate_tokens_sql", "--new").code == 0
    # One set for the column, with one salt, so that a guard need not look into one for each rotation.
    assert db.value("SELECT count(DISTINCT (set_id, salt)) FROM rotation") == 1
    assert db.sql("SELECT revoked, rows_total FROM rotation ORDER BY id DESC LIMIT 1") == [(480, 240)]
    persistence = "SELECT relpersistence FROM pg_class WHERE relname LIKE 'rotation_revoked_1%%'"
    assert {kind for (kind,) in db.sql(persistence)} == {"p"}
    db.sql("CREATE TABLE other (id int PRIMARY KEY, token uuid); INSERT INTO other VALUES (1)")
    assert db.call("rotate_tokens_sql", "--table", "other").code == 0
    assert db.value("SELECT count(DISTINCT (set_id, salt)) FROM rotation") == 2


def test_killed_snapshot_goes_on(db: Database) -> None:
    """kill -9 in its midst: it begins again, no hash is missing, none is there twice."""
    db.tickets(60_000)
    size = "SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree('rotation_revoked')"
    last = db.value("SELECT token FROM ticket WHERE id = 59000")
    hashed = f"NEW.hash <> uuid_hash_extended(''{last}'', (SELECT salt FROM public.rotation))"
    with gate(db, "rotation_revoked", "BEFORE INSERT", False, hashed):
        child = db.start("rotate_tokens_sql", "--window", "20000")
        until(lambda: waiting_at_gate(db))
        assert db.value(size) > 59_000 * 40
        status = db.call("rotation", "status").out
        assert re.search(r"phase 2 of 4: snapshot of tokens to revoke: 5[89]\d\d\d\b", status), status
        kill(child)
        until(lambda: not waiting_at_gate(db))
    db.sql("DROP TRIGGER gate ON rotation_revoked")
    assert db.value("SELECT count(*) FROM rotation_revoked") == 0
    assert db.run("rotate_tokens_sql", "--window", "20000").code == 0
    assert db.value("SELECT count(DISTINCT hash) FROM rotation_revoked") == 60_000
    assert db.value("SELECT revoked FROM rotation") == 60_000
    db.each_once(60_000)


def test_stopped_snapshot_says_where_it_was(db: Database) -> None:
    db.tickets(250)
    with gate(db, *SNAPSHOT_GATE):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        child.terminate()  # once is enough: it starts again in any case
        out = child.communicate(timeout=30)[0]
    assert child.returncode == 3
    assert "SIGTERM received: cancelling the table scan; the next run starts it again" in out
    assert db.value("SELECT status FROM rotation") == "pending"
    assert db.run(*RUN).code == 0
    db.each_once(250)


# Barrier


def test_row_that_an_open_transaction_inserts(db: Database) -> None:
    """It is waited for: its row is in the snapshot and is rotated, although it comes late."""
    db.tickets([1, 2, 900])
    with closing(db.connect(autocommit=False)) as late, late.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ticket (id, title, status, token, created_at, updated_at)"
            " VALUES (500, 'x', 'open', gen_random_uuid(), now(), now()), (2000, 'x', 'open',"
            " gen_random_uuid(), now(), now()) RETURNING token, pg_backend_pid()"
        )
        tokens, pid = zip(*cursor.fetchall(), strict=True)
        child = db.start(*RUN)
        output = read_until(child, "the barrier waits for")
        assert f"pid {pid[0]} (" in output
        assert db.value("SELECT status FROM rotation") == "pending"
        late.commit()
    assert child.wait(30) == 0
    assert db.value("SELECT count(*) FROM ticket WHERE token = ANY (%s::uuid[])", list(tokens)) == 0
    assert db.sql("SELECT floor, ceiling, revoked FROM rotation") == [("1", "2000", 5)]
    succeeded(db)


def test_writer_that_passed_the_guard_before_the_set_was_complete(db: Database) -> None:
    """It is waited for too, and what it wrote is found by value, beyond the ceiling as well."""
    db.sql(
        "CREATE TABLE account (id int PRIMARY KEY, token uuid);"
        "INSERT INTO account SELECT g, gen_random_uuid() FROM generate_series(1, 250) AS g"
    )
    db.watch("account", "id")
    with closing(db.connect(autocommit=False)) as late, late.cursor() as cursor:
        with gate(db, *SNAPSHOT_GATE):
            child = db.start(*RUN, "--table", "account")
            until(lambda: waiting_at_gate(db))
            cursor.execute("INSERT INTO account SELECT 999, token FROM account WHERE id = 7")
            cursor.execute(
                "UPDATE account SET token = b.token FROM account b WHERE account.id = 1 AND b.id = 9"
            )
        read_until(child, "the barrier waits for")
        late.commit()
    out = child.communicate(timeout=30)[0]
    assert child.returncode == 0, out
    # The lanes are drawn after that, and so reach it.
    assert "rotating again" not in out
    assert db.unchanged("account") == 0
    assert db.value("SELECT status FROM rotation") == "succeeded"


def test_transaction_that_does_not_end(db: Database) -> None:
    db.tickets(10)
    with closing(db.connect(autocommit=False)) as late, late.cursor() as cursor:
        cursor.execute("UPDATE ticket SET title = 'y' WHERE id = 1")
        done = db.run(*RUN, "--lock-patience", "0.5")
    assert done.code == 3
    assert re.search(
        r"transactions that started writing before the guard are still open \(pid \d+ \(.*\)\):"
        r" end them, or give a longer --lock-patience; then run the same command again$",
        done.err.strip(),
    )
    assert db.changes() == {0: 10}
    assert db.run(*RUN).code == 0
    db.each_once(10)


def test_barrier_makes_nobody_wait(db: Database) -> None:
    """While it waits for one writer, others read and write."""
    db.tickets(10)
    with closing(db.connect(autocommit=False)) as late, late.cursor() as cursor:
        cursor.execute("UPDATE ticket SET title = 'y' WHERE id = 1")
        child = db.start(*RUN)
        read_until(child, "the barrier waits for")
        db.sql("SET lock_timeout = '50ms'; UPDATE ticket SET title = 'z' WHERE id = 2")
        late.rollback()
    assert child.wait(30) == 0


# Canary

RESTORE_OLD = "CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body} END';"


@pytest.mark.parametrize(
    ("body", "trigger"),
    [
        ("NEW.token := OLD.token; RETURN NEW;", "BEFORE UPDATE ON ticket FOR EACH ROW"),
        ("RETURN OLD;", "BEFORE UPDATE ON ticket FOR EACH ROW"),
        ("RETURN NULL;", "BEFORE UPDATE ON ticket FOR EACH ROW"),
    ],
    ids=["keeps the token", "returns OLD", "returns NULL"],
)
def test_trigger_that_undoes_the_update(db: Database, body: str, trigger: str) -> None:
    db.tickets(50)
    db.sql(f"{RESTORE_OLD.format(body=body)} CREATE TRIGGER undo {trigger} EXECUTE FUNCTION undo()")
    done = db.call("rotate_tokens_sql", "--window", "20")
    assert done.code == 1
    assert re.search(
        r"Refused: in the canary window 1\.\.20 of public\.ticket\.token 20 of 20 tokens kept their old"
        r" value although PostgreSQL counted \d+ rows as updated: a trigger or a rule undoes the UPDATE;"
        r" it was rolled back, nothing was replaced",
        done.err,
    )
    assert db.changes() == {0: 50}
    assert db.value("SELECT count(*) FROM rotation_window") == 0
    db.sql("DROP TRIGGER undo ON ticket")
    assert db.call("rotate_tokens_sql", "--window", "20").code == 0
    succeeded(db)


def test_trigger_that_writes_the_old_token_back(db: Database) -> None:
    """Although it runs within the rotation's own statement: the flag counts in no trigger."""
    db.tickets(50)
    body = (
        "IF pg_trigger_depth() = 1 THEN UPDATE ticket SET token = OLD.token WHERE id = OLD.id;"
        " END IF; RETURN NULL;"
    )
    trigger = "AFTER UPDATE ON ticket FOR EACH ROW"
    db.sql(f"{RESTORE_OLD.format(body=body)} CREATE TRIGGER undo {trigger} EXECUTE FUNCTION undo()")
    assert db.call("rotate_tokens_sql", "--window", "20").code == 0
    assert db.unchanged() == 0


def test_deferred_trigger_speaks_in_the_canary(db: Database) -> None:
    db.tickets(50)
    db.sql(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE unique_violation; END';"
        "CREATE CONSTRAINT TRIGGER no AFTER UPDATE ON ticket DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION no()"
    )
    done = db.call("rotate_tokens_sql")
    assert done.code == 1
    assert "the canary window failed, as every window would" in done.err
    assert db.value("SELECT count(*) FROM rotation_window") == 0


def test_killed_canary(db: Database) -> None:
    db.tickets(250)
    with gate(db, "ticket", "BEFORE UPDATE", passes="false"):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        kill(child)
        until(lambda: not waiting_at_gate(db), 5)
    assert db.changes() == {0: 250}
    assert db.run(*RUN).code == 0
    db.each_once(250)


def test_canary_goes_round_a_locked_row(db: Database) -> None:
    db.tickets(250)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT title FROM ticket WHERE id IN (1, 2) FOR UPDATE")
        child = db.start(*RUN[:-1], "50")
        until(lambda: db.value("SELECT max(last_id::bigint) FROM batchprogress"))
    assert child.wait(60) == 0
    succeeded(db)


def test_canary_sees_tokens_that_are_not_distinct(db: Database) -> None:
    """A trigger that writes one and the same token into every row: new, and worthless."""
    db.sql("CREATE TABLE plain (id int PRIMARY KEY, token uuid);"
           "INSERT INTO plain SELECT n, gen_random_uuid() FROM generate_series(1, 50) AS n;"
           "CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.token :="
           " ''11111111-2222-4333-8444-555555555555''; RETURN NEW; END';"
           "CREATE TRIGGER same BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION same()"
    )  # fmt: skip
    before = db.sql("SELECT * FROM plain ORDER BY id")
    done = db.call("rotate_tokens_sql", "--table", "plain", "--window", "20")
    assert done.code == 1
    assert "canary window 1..20 of public.plain.token" in done.err
    assert "only 1 different" in done.err
    assert db.sql("SELECT * FROM plain ORDER BY id") == before


def test_trigger_that_undoes_some_updates(db: Database) -> None:
    """The canary can't see it; the verification does, tries again, and gives up with names."""
    db.tickets(50)
    body = "IF OLD.id IN (33, 44) THEN NEW.token := OLD.token; END IF; RETURN NEW;"
    trigger = "BEFORE UPDATE ON ticket FOR EACH ROW"
    db.sql(f"{RESTORE_OLD.format(body=body)} CREATE TRIGGER undo {trigger} EXECUTE FUNCTION undo()")
    done = db.call("rotate_tokens_sql", "--window", "10")
    assert done.code == 4
    assert done.out.count("2 rows hold a revoked token: id 33, 44; rotating again") == 3
    assert re.search(
        r"^Unproven: 2 of 50 revoked tokens survive in public\.ticket\.token, checked .*: id 33, 44;"
        r" find out what writes old tokens,"
        r" then run rotate_tokens_sql --table public.ticket to rotate those rows$",
        done.err,
    )
    status = json.loads(db.call("rotation", "status", "--json").out)
    assert (status["status"], status["survivors"], status["revoked"]) == ("failed", 2, 50)
    db.sql("DROP TRIGGER undo ON ticket")
    assert db.call("rotate_tokens_sql").code == 0
    succeeded(db)


# Planted leaks: ways in which a leaked token stays, or comes back, past every count and checkpoint


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
    """What it holds is compared, and rotated once the rotation of the old table is given up."""
    db.tickets(50)
    assert db.call("rotate_tokens_sql").code == 0
    db.sql("CREATE TABLE copy (LIKE ticket INCLUDING ALL); INSERT INTO copy SELECT * FROM ticket;"
           f"{BACK.replace('ticket', 'copy')}; DROP TABLE ticket;"
           "ALTER TABLE copy RENAME TO ticket")  # fmt: skip
    done = db.call("rotation", "verify")
    assert (done.code, "1 of 50 revoked tokens survive" in done.err) == (4, True)
    assert "note: nothing keeps revoked tokens out of public.ticket.token" in done.out
    refused = db.call("rotate_tokens_sql")
    assert (refused.code, "end it with python manage.py rotation cancel" in refused.err) == (1, True)
    assert db.call("rotation", "cancel").code == 0
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
    assert "run rotate_tokens_sql --table public.ticket to rotate those rows" in done.err
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


@pytest.mark.parametrize(
    "move",
    ["UPDATE ticket SET id = 1007 WHERE id = 7", "UPDATE ticket SET id = -7 WHERE id = 7"],
    ids=["ahead", "behind"],
)
def test_key_moved_while_the_snapshot_is_read(db: Database, move: str) -> None:
    """The snapshot is one view of the table: the row is in it, wherever it is meanwhile."""
    db.tickets(20)
    with gate(db, *SNAPSHOT_GATE):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        db.sql(f"{move}; DELETE FROM changes")
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert db.sql("SELECT revoked, leaked FROM rotation") == [(20, 0)]
    succeeded(db)


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


def test_checkpoint_set_to_the_end(db: Database) -> None:
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (id <= 50) NOT VALID")
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


@pytest.mark.parametrize(
    "tamper",
    [
        "TRUNCATE rotation_revoked_1",
        "DELETE FROM rotation_revoked WHERE ctid = '(0,1)'",
        "INSERT INTO rotation_revoked VALUES (1, 1, 42)",
        "UPDATE rotation SET revoked = revoked + 1",
        "ALTER TABLE rotation_revoked DETACH PARTITION rotation_revoked_1",
    ],
)
def test_tampered_snapshot_concludes_nothing(db: Database, tamper: str) -> None:
    """Compared with an emptied set, every table would look clean."""
    db.tickets(50)
    assert db.call("rotate_tokens_sql").code == 0
    db.sql(f"SET session_replication_role = replica; {tamper}")
    done = db.call("rotation", "verify")
    assert done.code == 4
    assert re.search(
        r"the set of revoked tokens of public\.ticket\.token holds \d+ of 5[01] hashes: it was tampered"
        r" with, so nothing can be concluded from it: end it with python manage\.py rotation cancel",
        done.err,
    )
    assert db.value("SELECT status FROM rotation") == "failed"
    assert db.value("SELECT survivors FROM rotation") is None
    assert db.call("rotate_tokens_sql").code == 4
    assert db.call("rotation", "cancel").code == 0
    assert db.call("rotate_tokens_sql").code == 0


def test_set_of_revoked_tokens_is_kept(db: Database) -> None:
    import psycopg2

    db.tickets(5)
    assert db.call("rotate_tokens_sql").code == 0
    for statement in (
        "DELETE FROM rotation_revoked",
        "UPDATE rotation_revoked SET hash = 1",
        "TRUNCATE rotation_revoked",
        "TRUNCATE rotation_revoked_1",
        "DELETE FROM rotation_revoked_1",
    ):
        with pytest.raises(psycopg2.Error, match="the set of revoked tokens is kept"):
            db.sql(statement)


# Verification


def test_no_verify(db: Database) -> None:
    db.tickets(50)
    done = db.call("rotate_tokens_sql", "--no-verify")
    assert done.code == 0
    assert "phase 4 of 4: not verified (--no-verify); run rotation verify to do so" in done.out
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
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (id <= 50) NOT VALID")
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
           "ALTER TABLE account ADD CONSTRAINT stop CHECK (id <= 50) NOT VALID")  # fmt: skip
    assert db.call("rotate_tokens_sql", "--table", "account", "--window", "50").code == 1
    again = "run rotate_tokens_sql --table public.account to"
    assert f"{again} continue" in db.call("rotation", "verify", "--table", "account").err
    assert db.call("rotation", "cancel", "--table", "account").code == 0
    found = db.call("rotation", "verify", "--table", "account")
    assert found.code == 4
    assert (
        f"was cancelled: 50 of 100 revoked tokens are still in use; {again} start another" in found.err
    )
