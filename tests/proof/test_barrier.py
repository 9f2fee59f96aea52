"""The barrier: whoever wrote before the guard stood is waited for, and named."""

import re
from contextlib import closing

from tests.conftest import Database, read_until, until
from tests.proof.proven import succeeded
from tests.work.gates import RUN, SNAPSHOT_GATE, gate, waiting_at_gate


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


def test_transaction_that_is_prepared_while_it_is_waited_for(db: Database) -> None:
    """The session that began it may have gone."""
    db.tickets(10)
    with closing(db.connect(autocommit=False)) as late, late.cursor() as cursor:
        cursor.execute("UPDATE ticket SET title = 'y' WHERE id = 1")
        child = db.start(*RUN, "--lock-patience", "5")
        read_until(child, "the barrier waits for")
        cursor.execute(f"PREPARE TRANSACTION 'late_{db.name}'")
    out = child.communicate(timeout=60)[0]
    db.sql(f"COMMIT PREPARED 'late_{db.name}'")
    assert child.returncode == 3
    assert "guard are still open (a prepared transaction (see" in out
