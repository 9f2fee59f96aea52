"""What becomes of the table while the snapshot or the verification reads it."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest

from app.rotation.engine import phases
from app.rotation.engine.db import retry
from app.rotation.engine.db.session import Session
from app.rotation.engine.options import Options
from app.rotation.engine.preflight import server
from app.rotation.engine.proof import guard, revoked, verdict, verify
from app.rotation.engine.state import transitions
from app.rotation.engine.table.target import Target, TargetName, aim, resolve
from app.rotation.models import Rotation
from tests.conftest import Database, read_until, until
from tests.proof.account import (
    ACCOUNT,
    REVOKED,
    is_refused,
    left,
    make,
    old,
    parts,
    rotate,
    rotate_around,
    start_with_a_child,
)

PLACE = "FOR VALUES FROM (11) TO (1000)"


@dataclass
class Interrupted(Session):
    """A session that does something else, once, after one of its statements."""

    after: str = ""
    meddle: Callable[[], Any] = field(default=lambda: None)

    def _execute(self, names: tuple[str, ...], parameters: dict[str, Any]) -> Any:
        context = super()._execute(names, parameters)
        if self.after not in names:
            return context
        with context:
            pass
        self.after = ""
        self.meddle()
        return super()._execute(names, parameters)


def opened(after: str, meddle: Callable[[], Any]) -> tuple[Session, Target]:
    session = Interrupted("default", after=after, meddle=meddle)
    server.check_server(session)
    target = resolve(session, TargetName("account", "api_key", schema="public"))
    aim(session, target)
    return session, target


def verified(after: str, meddle: Callable[[], Any]) -> verdict.Verdict:
    """The only rotation's verdict, where something is done after one of the statements."""
    session, target = opened(after, meddle)
    with closing(session):
        return verify.verify(session, Rotation.objects.get(), target, Options())


def test_partition_attached_while_the_table_is_compared(db: Database) -> None:
    """It was not in what was compared, and is not among the detached any more."""
    parts(db)
    assert rotate_around(db, "ALTER TABLE account DETACH PARTITION high").code == 4
    attach = f"ALTER TABLE account ATTACH PARTITION high {PLACE}"
    verdict = verified("count_survivors", lambda: db.sql(attach))
    assert (verdict.survivors, verdict.apart) == (10, {})


def test_detached_partition_rewritten_while_it_is_compared(db: Database) -> None:
    """In the snapshot of the verification a table that was rewritten seems empty."""
    parts(db)
    assert rotate_around(db, "ALTER TABLE account DETACH PARTITION high").code == 4
    rewrite = "ALTER TABLE high ADD made timestamptz DEFAULT clock_timestamp()"
    verdict = verified("count_revoked", lambda: db.sql(rewrite))
    assert verdict.apart == {"public.high": 10}


def test_partition_detached_while_the_snapshot_is_taken(db: Database) -> None:
    """Its tokens are in the set, so it has to be among the partitions that are compared; or neither."""
    parts(db)
    db.sql("ALTER TABLE account ADD CONSTRAINT stop CHECK (halts(id > 1000)) NOT VALID")
    rotate(db, code=1)
    assert db.call("rotation", "cancel").code == 0
    db.sql("ALTER TABLE account DROP CONSTRAINT stop")
    detaching = threading.Thread(
        target=lambda: db.sql("ALTER TABLE account DETACH PARTITION high CONCURRENTLY")
    )

    def meddle() -> None:
        detaching.start()
        until(lambda: db.value("SELECT bool_or(inhdetachpending) FROM pg_inherits"))

    session, target = opened("take_snapshot", meddle)
    columns = (
        "table_schema, table_name, table_oid, pk_column, pk_type, pk_collation, token_column,"
        " token_attnum, token_type, rows_total_exact, options, findings, reason, operator, host,"
        " steered, tuned, leaked"
    )
    db.sql(f"INSERT INTO rotation (status, partitions, {columns})"
           f" SELECT 'pending', '{{}}', {columns} FROM rotation;"
           "SELECT rotation_create_set(2)")  # fmt: skip
    rotation = Rotation.objects.get(pk=2)
    retry.patiently(
        session, Options.lock_patience, lambda: revoked.take_snapshot(session, rotation, target)
    )
    session.close()
    detaching.join()
    kept = Rotation.objects.get(pk=2).partitions
    hashes = db.value("SELECT count(*) FROM rotation_revoked WHERE rotation_id = 2")
    assert (hashes, [name for name, _ in kept.values()]) == (10, ["public.low"])


def test_what_comes_late_is_read_again_whatever_the_patience(db: Database) -> None:
    """Reading may take longer than the patience, which begins with the first conflict."""
    parts(db)
    assert rotate_around(db, "ALTER TABLE account DETACH PARTITION high").code == 4
    attach = f"ALTER TABLE account ATTACH PARTITION high {PLACE}"

    def meddle() -> None:
        time.sleep(0.3)
        db.sql(attach)

    session, target = opened("count_survivors", meddle)
    with closing(session):
        options = Options(lock_patience=0.1)
        verdict = verify.verify(session, Rotation.objects.get(), target, options)
    assert (verdict.survivors, verdict.apart) == (10, {})


def test_guard_that_another_process_has_installed_is_left_alone(db: Database) -> None:
    make(db)
    triggers = "SELECT array_agg(oid ORDER BY oid) FROM pg_trigger WHERE tgrelid = 'account'::regclass"
    made: list[Any] = []

    def meddle() -> None:
        assert db.run("rotate_tokens_sql", *ACCOUNT).code == 0
        made.append(db.value(triggers))

    session, target = opened("open_install", meddle)
    with closing(session):
        guard.require_guard(session, target, Options())
    assert len(made[0]) == 2
    assert db.value(triggers) == made[0]


SWAPS = {
    "table": "CREATE TABLE copy (LIKE account INCLUDING ALL); INSERT INTO copy SELECT * FROM account;"
    "ALTER TABLE account RENAME TO original; ALTER TABLE copy RENAME TO account",
    "column": "ALTER TABLE account RENAME api_key TO was; ALTER TABLE account ADD api_key uuid",
}


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
def test_table_replaced_while_the_verification_waits(rotated: Database, swap: str) -> None:
    with closing(rotated.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute("LOCK account")
        child = rotated.start("rotation", "verify", *ACCOUNT)
        until(lambda: rotated.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        cursor.execute(swap)
        other.commit()
    said = child.communicate(timeout=60)[0]
    assert (child.returncode, "renamed or replaced" in said) == (1, True), said


def test_guard_lost_while_the_verification_runs(db: Database) -> None:
    make(db)
    with closing(db.connect(autocommit=False)) as other, other.cursor() as cursor:
        child = db.start("rotate_tokens_sql", *ACCOUNT, "--window", "5", "--max-rate", "20")
        read_until(child, "phase 2")
        until(lambda: db.value("SELECT coalesce(sum(rows), 0) FROM batchprogress") == 20)
        cursor.execute("LOCK account IN ACCESS EXCLUSIVE MODE")
        until(lambda: db.value("SELECT status FROM rotation") == "verifying")
        cursor.execute("SELECT quote_ident(tgname) FROM pg_trigger WHERE tgrelid = 'account'::regclass")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name} ON account")
        other.commit()
    said = child.communicate(timeout=60)[0]
    assert (child.returncode, "can no longer be relied on" in said) == (1, True), said
    assert "guard installed" in said or rotate(db).code == 0
    is_refused(db, "INSERT INTO account VALUES (901, %s)", old(db))


def test_table_that_is_locked_when_the_verification_ends(db: Database, monkeypatch) -> None:
    """The guard is looked at again, and nothing is compared a second time."""
    make(db)
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
    with closing(db.connect(autocommit=False)) as holder:

        def end(*given: Any) -> Any:
            monkeypatch.setattr(phases, "verify", None)
            verdict = verify.verify(*given)
            holder.cursor().execute("LOCK account IN ACCESS EXCLUSIVE MODE")
            other.start()
            return verdict

        def cancel() -> None:
            (pid,) = until(lambda: db.sql(waiting, db.name))[0]
            db.sql("SELECT pg_cancel_backend(%s)", pid)
            holder.commit()

        other = threading.Thread(target=cancel)
        monkeypatch.setattr(phases, "verify", end)
        rotate(db)


def test_check_of_a_finished_rotation_leaves_the_guard_strict(db: Database) -> None:
    """One survivor that it finds lets no other revoked token into a partition."""
    parts(db)
    rotate(db)
    db.sql("SET session_replication_role = replica; ALTER TABLE account DISABLE TRIGGER USER;"
           f"UPDATE account SET api_key = '{old(db, 5)}' WHERE id = 5;"
           "ALTER TABLE account ENABLE TRIGGER USER")  # fmt: skip
    assert db.call("rotation", "verify", *ACCOUNT).code == 4
    db.sql("DO $$DECLARE t record; BEGIN FOR t IN SELECT tgname, tgrelid::regclass AS r FROM pg_trigger"
           " WHERE tgname ~ '^rotation_guard' LOOP EXECUTE concat('ALTER TABLE ', t.r,"
           " ' ENABLE ALWAYS TRIGGER ', quote_ident(t.tgname)); END LOOP; END$$")  # fmt: skip
    is_refused(db, "INSERT INTO account VALUES (901, %s)", old(db))
    rotate(db)
    assert left(db) == 0


def test_partitions_are_strict_from_the_end_without_a_verification(db: Database) -> None:
    """Who has inserted before is waited for; whose snapshot is older must begin again."""
    parts(db)
    db.sql("ALTER TABLE account ADD CONSTRAINT stop CHECK (halts(id <> 8)) NOT VALID")
    rotate(db, "--window", "5", code=1)
    db.sql("ALTER TABLE account DROP CONSTRAINT stop")
    with (
        closing(db.connect(autocommit=False)) as early,
        closing(db.connect(autocommit=False)) as reader,
        early.cursor() as writes,
        reader.cursor() as reads,
    ):
        reads.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1")
        writes.execute("INSERT INTO account VALUES (905, %s)", [old(db, 5)])
        child = db.start("rotate_tokens_sql", *ACCOUNT, "--no-verify")
        read_until(child, "the barrier waits")
        early.rollback()
        said = child.communicate(timeout=60)[0]
        assert child.returncode == 0, said
        with pytest.raises(psycopg2.errors.SerializationFailure):
            reads.execute("INSERT INTO account VALUES (906, %s)", [old(db, 6)])
    with pytest.raises(psycopg2.IntegrityError, match=REVOKED):
        db.sql("INSERT INTO account VALUES (906, %s)", old(db, 6))


@pytest.mark.parametrize(
    ("rename", "name"),
    [
        ("ALTER TABLE high RENAME TO high_old; CREATE TABLE high (LIKE high_old)", "public.high_old"),
        ("ALTER TABLE high RENAME api_key TO was; ALTER TABLE high ADD api_key uuid", "public.high"),
    ],
    ids=["table", "column"],
)
def test_detached_partition_renamed_while_it_is_compared(db: Database, rename: str, name: str) -> None:
    """Another table, or another column, has its name by then."""
    parts(db)
    assert rotate_around(db, "ALTER TABLE account DETACH PARTITION high").code == 4
    verdict = verified("list_detached", lambda: db.sql(rename))
    assert verdict.apart == {name: 10}


@pytest.mark.parametrize("change", ["verifying_at = now()", "leaked = leaked + 1"])
def test_older_verdict_finishes_nothing(db: Database, change: str) -> None:
    """Another process has lowered the guard of the partitions in between, or has added a list."""
    parts(db)
    rotate(db)
    db.sql("ALTER TABLE rotation DISABLE TRIGGER USER;"
           "UPDATE rotation SET status = 'verifying', finished_at = NULL;"
           "ALTER TABLE rotation ENABLE TRIGGER USER")  # fmt: skip
    session, target = opened("", lambda: None)
    rotation = Rotation.objects.get()
    verdict = verify.verify(session, rotation, target, Options())
    db.sql(f"UPDATE rotation SET {change}")
    assert not transitions.finish(session, rotation, verdict)
    session.close()


def test_child_by_inheritance_that_leaves_while_the_verification_waits(db: Database) -> None:
    """What the snapshot of the verification calls a child may have been read by nobody."""
    make(db)
    assert start_with_a_child(db).wait(60) == 0
    db.sql("UPDATE child SET api_key = (SELECT token::uuid FROM before WHERE id = '3')")
    with closing(db.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute("LOCK account")
        verifying = db.start("rotation", "verify", *ACCOUNT)
        until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        cursor.execute("ALTER TABLE child NO INHERIT account")
        other.commit()
    said = verifying.communicate(timeout=60)[0]
    assert (verifying.returncode, "1 row of public.child, detached" in said) == (4, True), said


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
