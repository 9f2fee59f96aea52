"""Partitions that are detached, changed, dropped, and come back, and children by inheritance."""

import contextlib

import psycopg2
import pytest

from tests.conftest import Database, until
from tests.proof.account import (
    ACCOUNT,
    is_refused,
    left,
    make,
    old,
    parts,
    rotate,
    rotate_around,
    start_with_a_child,
)
from tests.proof.mallory import acting
from tests.proof.roles import as_role
from tests.proof.test_trespass import granted
from tests.work.gates import gate, waiting_at_gate


def test_partition_that_is_detached_meanwhile(db: Database) -> None:
    """Its rows hold revoked tokens: it is named, until it is back."""
    parts(db)
    done = rotate_around(db, "ALTER TABLE account DETACH PARTITION high")
    assert done.code == 4, done.out + done.err
    assert "10 rows of public.high, detached from public.account since the start, hold" in done.err
    db.sql("ALTER TABLE account ATTACH PARTITION high FOR VALUES FROM (11) TO (1000)")
    rotate(db)
    assert left(db) == 0


def test_partition_that_is_detached_and_rotated_by_itself(db: Database) -> None:
    parts(db)
    assert rotate_around(db, "ALTER TABLE account DETACH PARTITION high").code == 4
    done = db.run("rotate_tokens_sql", "--table", "public.high", "--column", "api_key")
    assert done.code == 0, done.out + done.err
    assert "public.high, detached since the start, holds no revoked token" in rotate(db).out


@pytest.mark.parametrize(
    "change",
    ["RENAME api_key TO was", "RENAME api_key TO was; ALTER TABLE high ADD api_key uuid",
     "ALTER api_key TYPE text USING 'sk_' || api_key", "ALTER api_key TYPE text",
     "ADD other uuid; UPDATE high SET other = api_key; ALTER TABLE high DROP api_key;"
     "ALTER TABLE high RENAME other TO api_key",
     "ALTER api_key TYPE own USING row(api_key)::own"],
)  # fmt: skip
def test_partition_that_is_detached_and_changed(db: Database, change: str) -> None:
    """Its tokens are found whatever their column is called, and are in no log if they are none now."""
    parts(db)
    db.sql("CREATE TYPE own AS (its uuid)")
    done = rotate_around(db, f"ALTER TABLE account DETACH PARTITION high; ALTER TABLE high {change}")
    if "own" in change or "DROP" in change:
        says = "public.high, detached since the start, no longer has its token column"
        assert (done.code, says in done.err) == (4, True), done.out + done.err
        return
    if "sk_" in change:
        assert (done.code, "public.high, detached since the start, holds no revoked" in done.out) == (
            0,
            True,
        )
    else:
        assert (done.code, "10 rows of public.high, detached" in done.err) == (4, True), done.out
        verified = db.call("rotation", "verify", *ACCOUNT)
        assert (verified.code, "10 rows of public.high" in verified.err) == (4, True)


def test_detached_partition_with_a_domain_over_a_domain(db: Database) -> None:
    db.sql("CREATE DOMAIN inner_ AS uuid; CREATE DOMAIN outer_ AS inner_")
    parts(db, "outer_")
    done = rotate_around(db, "ALTER TABLE account DETACH PARTITION high")
    assert (done.code, "10 rows of public.high, detached" in done.err) == (4, True), done.err


@pytest.mark.parametrize(
    ("change", "allow"),
    [
        ("", "GRANT SELECT ON high TO {0}"),
        (
            "; ALTER TABLE high ENABLE ROW LEVEL SECURITY; GRANT SELECT ON high TO {0}",
            "ALTER TABLE high DISABLE ROW LEVEL SECURITY",
        ),
    ],
)
def test_detached_partition_that_may_not_be_read(
    db: Database, runner: str, change: str, allow: str
) -> None:
    parts(db)
    rotate(db)
    granted(db, runner)
    db.sql("ALTER TABLE account DETACH PARTITION high" + change.format(runner))
    done = as_role(db, runner, "rotation", "verify", *ACCOUNT)
    assert done.code == 4, done
    assert "public.high, detached since the start, can't be read by this role: GRANT SELECT" in done.err
    db.sql(allow.format(runner))
    assert as_role(db, runner, "rotation", "verify", *ACCOUNT).code == 0


def test_child_by_inheritance_that_comes_and_goes(db: Database) -> None:
    """Its tokens were revoked while it was one, and it may be one again."""
    make(db)
    with gate(db, "batchprogress", "BEFORE INSERT", passes="false"):
        child = start_with_a_child(db)
        until(lambda: waiting_at_gate(db))
        db.sql("ALTER TABLE child NO INHERIT account")
    out = child.communicate(timeout=60)[0]
    assert (child.returncode, "1 row of public.child, detached" in out) == (4, True), out


def test_partition_that_is_dropped_meanwhile(db: Database) -> None:
    parts(db)
    done = rotate_around(db, "DROP TABLE high")
    assert done.code == 0, done.out + done.err
    assert "a partition present at the start is gone: public.high" in done.out


def test_partition_that_was_rotated_by_itself_comes_back(db: Database) -> None:
    parts(db)
    assert rotate_around(db, "ALTER TABLE account DETACH PARTITION high").code == 4
    assert db.run("rotate_tokens_sql", "--table", "high", "--column", "api_key").code == 0
    db.sql("ALTER TABLE account ATTACH PARTITION high FOR VALUES FROM (11) TO (1000)")
    db.sql("UPDATE account SET id = 5000 - id WHERE id < 0")
    rotate(db)
    assert left(db) == 0


def test_row_that_moves_after_a_failed_verification(db: Database) -> None:
    """A verification found its token: it moves once it has a new one."""
    parts(db)
    assert rotate_around(db, "ALTER TABLE account DETACH PARTITION high").code == 4
    db.sql("ALTER TABLE account ATTACH PARTITION high FOR VALUES FROM (11) TO (1000)")
    move = "UPDATE account SET id = 0 WHERE id = 15"
    is_refused(db, move)
    rotate(db)
    db.sql(move)
    assert left(db) == 0


def test_revoked_tokens_inserted_again_and_again(db: Database, runner: str) -> None:
    """A repair does not let in what the next verification would find."""
    parts(db)
    db.sql(f"GRANT INSERT ON account TO {runner}; CREATE TABLE rest PARTITION OF account DEFAULT")
    run = db.start("rotate_tokens_sql", *ACCOUNT)
    key = 1000
    with acting(db, runner) as (_, stranger):
        while run.poll() is None:
            key += 1
            with contextlib.suppress(psycopg2.IntegrityError):
                stranger.execute("INSERT INTO account VALUES (%s, %s)", (key, old(db)))
    out = run.communicate()[0]
    assert (run.returncode, left(db)) == (0, 0), out
