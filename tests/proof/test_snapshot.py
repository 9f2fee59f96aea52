"""The snapshot holds every token that is revoked, and is kept as it is."""

import re

import pytest

from tests.conftest import Database, kill, until
from tests.proof.account import ACCOUNT, is_refused, left, make, old
from tests.proof.proven import succeeded
from tests.work.gates import RUN, SNAPSHOT_GATE, gate, waiting_at_gate


def test_tokens_swapped_while_the_snapshot_is_read(db: Database) -> None:
    """With a new row above all lanes, between two rows, and deleted to be written back later."""
    make(db)
    with gate(db, *SNAPSHOT_GATE):
        child = db.start(*RUN, *ACCOUNT)
        until(lambda: waiting_at_gate(db))
        db.sql(
            "INSERT INTO account VALUES (5000, gen_random_uuid());"
            "UPDATE account SET api_key = other.api_key"
            " FROM (VALUES (5000, 19), (19, 5000), (1, 20), (20, 1)) AS pair (one, two)"
            " JOIN account AS other ON other.id = pair.two WHERE account.id = pair.one;"
            "UPDATE account SET api_key = gen_random_uuid() WHERE id = 7;"
            "DELETE FROM account WHERE id = 9"
        )
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert left(db) == 0
    is_refused(db, "INSERT INTO account VALUES (9, %s)", old(db, 9))
    db.sql("UPDATE account SET api_key = %s WHERE id = 7", old(db, 7))
    assert left(db) == 0


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


@pytest.mark.long
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
        assert re.search(r"phase 2 of 4: snapshot of tokens to revoke: about 5[89]\d\d\d\b", status), (
            status
        )
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
    assert "SIGTERM received: cancelling what runs now; the next run starts it again" in out
    assert db.value("SELECT status FROM rotation") == "pending"
    assert db.run(*RUN).code == 0
    db.each_once(250)


@pytest.mark.parametrize(
    "move",
    ["UPDATE ticket SET id = 1007 WHERE id = 7", "UPDATE ticket SET id = -7 WHERE id = 7"],
    ids=["ahead", "behind"],
)
def test_key_moved_while_the_snapshot_is_read(db: Database, move: str) -> None:
    """The snapshot is one read of the table: the row is in it, wherever it is meanwhile."""
    db.tickets(20)
    with gate(db, *SNAPSHOT_GATE):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        db.sql(f"{move}; DELETE FROM changes")
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert db.sql("SELECT revoked, leaked FROM rotation") == [(20, 0)]
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
        r"whether revoked tokens survive in public\.ticket\.token is not known, checked \S+ \S+ UTC: the"
        r" set of revoked tokens had been tampered with, so nothing can be concluded from it \(it holds"
        r" \d+ of 5[01] hashes\): end the rotation with python manage\.py rotation cancel",
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
        with pytest.raises(
            psycopg2.Error,
            match=r"not allowed on rotation_revoked\w*: the set of revoked tokens is append-only",
        ):
            db.sql(statement)
