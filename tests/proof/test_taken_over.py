"""A column that takes the place of one that was rotated: what was revoked there stays revoked."""

from contextlib import closing

import pytest

from tests.conftest import Database, until
from tests.proof.account import ACCOUNT, is_refused, left, make, old, rotate

COPY = "CREATE TABLE fresh (LIKE account INCLUDING ALL); INSERT INTO fresh SELECT * FROM account;"
WAYS = {
    "attached as a partition": "ALTER TABLE account RENAME TO former;"
    "CREATE TABLE account (id bigint PRIMARY KEY, api_key uuid, note text) PARTITION BY RANGE (id);"
    "ALTER TABLE account ATTACH PARTITION former FOR VALUES FROM (0) TO (1000);"
    "CREATE TABLE account_2 PARTITION OF account FOR VALUES FROM (1000) TO (100000)",
    "the old one kept": f"{COPY} ALTER TABLE account RENAME TO former;"
    "ALTER TABLE fresh RENAME TO account",
    "the old one dropped": f"{COPY} DROP TABLE account; ALTER TABLE fresh RENAME TO account",
    "another column": "ALTER TABLE account ADD api_key_2 uuid; UPDATE account SET api_key_2 = api_key;"
    "ALTER TABLE account DROP api_key CASCADE; ALTER TABLE account RENAME api_key_2 TO api_key",
}
GUARD = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'account'::regclass AND tgname ~ '_insert$'"
BACK = "INSERT INTO account (id, api_key) VALUES (5000, %s)"


def stop_before_the_snapshot(db: Database, table: str = "account") -> None:
    """A run that ends, and can go on, when its set is about to be complete."""
    db.sql("ALTER TABLE rotation ADD CONSTRAINT stop CHECK (id = 1 OR revoked IS NULL) NOT VALID")
    done = db.call("rotate_tokens_sql", "--table", table, "--column", "api_key", "--new")
    assert (done.code, "check violation of constraint stop" in done.err) == (1, True), done
    db.sql("ALTER TABLE rotation DROP CONSTRAINT stop")


@pytest.mark.parametrize("way", WAYS)
def test_history_goes_along(db: Database, way: str) -> None:
    make(db)
    rotate(db)
    db.sql(WAYS[way])
    told = db.call("rotation", "guard", "status", *ACCOUNT)
    assert told.code == 1, told
    assert "has no guard: 20 revoked tokens can be written to it" in told.err
    rotate(db)
    is_refused(db, BACK, old(db))
    assert db.sql("SELECT DISTINCT set_id FROM rotation") == [(1,)]
    assert db.value("SELECT max(revoked) FROM rotation") == 40
    assert db.call("rotation", "guard", "status", *ACCOUNT).code == 0
    assert db.call("rotation", "verify", *ACCOUNT).code == 0


@pytest.mark.parametrize("way", WAYS)
def test_rotation_that_is_cancelled_before_its_snapshot(db: Database, way: str) -> None:
    """What was revoked before the column took that place is still known, guarded and verified."""
    make(db)
    rotate(db)
    db.sql(WAYS[way])
    stop_before_the_snapshot(db)
    assert db.call("rotation", "cancel", *ACCOUNT).code == 0
    is_refused(db, BACK, old(db))
    assert db.call("rotation", "guard", "status", *ACCOUNT).code == 0
    done = db.call("rotation", "verify", *ACCOUNT)
    assert (done.code, done.err) == (0, "")
    assert "0 of 20 revoked tokens survive in public.account.api_key" in done.out
    db.sql(f"DROP TRIGGER {db.value(GUARD)} ON account")
    told = db.call("rotation", "guard", "status", *ACCOUNT)
    assert "one of its two triggers is missing" in told.err


@pytest.mark.parametrize("first", ["account", "former"])
def test_one_after_the_other(db: Database, first: str) -> None:
    """Two tables that are both in use share a set: what it must hold is known at each moment."""
    make(db)
    rotate(db)
    db.sql(WAYS["the old one kept"])
    other = "former" if first == "account" else "account"
    stop_before_the_snapshot(db, first)
    done = db.call("rotate_tokens_sql", "--table", other, "--column", "api_key", "--new")
    assert done.code == 1
    assert f"rotation 2 of public.{first}.api_key is unfinished, and one of the two columns" in done.err
    assert db.call("rotate_tokens_sql", "--table", first, "--column", "api_key").code == 0
    done = db.call("rotate_tokens_sql", "--table", other, "--column", "api_key", "--new")
    assert (done.code, done.err) == (0, "")
    for table in (first, other):
        assert db.call("rotation", "verify", "--table", table, "--column", "api_key").code == 0


def test_two_that_share_a_set_start_at_once(db: Database) -> None:
    """One of them finds the other when it writes."""
    make(db)
    rotate(db)
    db.sql(WAYS["the old one kept"])
    with closing(db.connect(autocommit=False)) as gate, gate.cursor() as cursor:
        cursor.execute("LOCK TABLE rotation IN SHARE ROW EXCLUSIVE MODE")
        runs = [
            db.start("rotate_tokens_sql", "--table", table, "--column", "api_key", "--new")
            for table in ("account", "former")
        ]
        until(lambda: db.value("SELECT count(*) = 2 FROM pg_locks WHERE NOT granted"))
        gate.commit()
    said = [run.communicate(timeout=60)[0] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1], said
    assert "one of the two columns took the place of the other" in "".join(said)


@pytest.mark.parametrize("way", ["attached as a partition", "the old one kept", "the old one dropped"])
def test_what_came_back_is_rotated_by_the_command_that_is_named(db: Database, way: str) -> None:
    make(db)
    rotate(db)
    db.sql(WAYS[way])
    db.sql(BACK, old(db))
    done = db.call("rotation", "verify", *ACCOUNT)
    assert done.code == 4
    assert "1 of 20 revoked tokens survive" in done.err
    assert "then run python manage.py rotate_tokens_sql" in done.err
    assert db.value("SELECT status FROM rotation") == "succeeded"
    rotate(db)
    assert left(db) == 0


def test_a_history_of_its_own_comes_first(db: Database) -> None:
    """Two rotated tables exchange names: each keeps what was revoked in it."""
    make(db)
    rotate(db)
    db.sql("CREATE TABLE other (LIKE account INCLUDING ALL);"
           "INSERT INTO other SELECT id, gen_random_uuid(), note FROM account")  # fmt: skip
    theirs = db.value("SELECT api_key::text FROM other WHERE id = 3")
    other = ("--table", "other", "--column", "api_key")
    assert db.call("rotate_tokens_sql", *other).code == 0
    db.sql("ALTER TABLE account RENAME TO third; ALTER TABLE other RENAME TO account;"
           "ALTER TABLE third RENAME TO other")  # fmt: skip
    is_refused(db, BACK, theirs)
    is_refused(db, BACK.replace("account", "other"), old(db))
    for target in (ACCOUNT, other):
        assert db.call("rotation", "guard", "status", *target).code == 0
        assert db.call("rotate_tokens_sql", *target, "--new").code == 0
    is_refused(db, BACK, theirs)
    is_refused(db, BACK.replace("account", "other"), old(db))
