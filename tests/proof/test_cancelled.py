"""What a cancelled rotation revoked, and what it did not."""

import uuid
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from tests.conftest import Database, until
from tests.proof.account import ACCOUNT, is_refused, make, old, parts, rotate, rotate_around
from tests.proof.tickets import INSERT, old_token, raw_update
from tests.work.gates import RUN, gate, waiting_at_gate


def test_cancelled_rotation_revokes_nothing(db: Database) -> None:
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "50").code == 1
    with pytest.raises(psycopg2.IntegrityError):
        db.sql(INSERT.format(id=45), old_token(db, 90))
    assert db.call("rotation", "cancel").code == 0
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop; DELETE FROM ticket WHERE id = 90")
    db.sql(INSERT.format(id=90), old_token(db, 90))


def test_rotation_after_a_cancelled_one_revokes_what_that_one_replaced(db: Database) -> None:
    """The first rotation replaced half of the leaked tokens; the second one never saw those."""
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")
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
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")
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


def test_cancelled_rotation_before_one_of_a_partitioned_table(db: Database) -> None:
    """What it revoked is refused in partitions, too, when the later one has succeeded."""
    parts(db)
    rotate_around(
        db, "SELECT 1; ALTER TABLE account ADD CONSTRAINT stop CHECK (halts(id <> 8)) NOT VALID"
    )
    first = old(db)
    assert db.call("rotation", "cancel").code == 0
    status = db.call("rotation", "guard", "status", *ACCOUNT)
    assert (status.code, "was cancelled" in status.err) == (1, True), status.err
    db.sql("ALTER TABLE account DROP CONSTRAINT stop")
    rotate(db)
    is_refused(db, "INSERT INTO account VALUES (901, %s)", first)
    assert db.call("rotation", "guard", "status", *ACCOUNT).code == 0


def test_token_listed_in_a_rotation_that_was_cancelled_before_its_snapshot(
    db: Database, tmp_path: Path
) -> None:
    make(db)
    listed = str(uuid.uuid4())
    (tmp_path / "list").write_text(listed)
    with closing(db.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute("INSERT INTO account VALUES (900, gen_random_uuid())")
        rotate(db, "--leaked", str(tmp_path / "list"), "--lock-patience", "1", code=3)
        assert db.call("rotation", "cancel").code == 0
    rotate(db)
    is_refused(db, "INSERT INTO account VALUES (901, %s)", listed)
