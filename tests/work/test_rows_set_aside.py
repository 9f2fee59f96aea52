"""Rows that can't be updated: named by key and by error, and every other row is rotated."""

from contextlib import closing

import pytest

from app.rotation.engine.work import canary, worker
from tests.conftest import Database, until

RUN = ("rotate_tokens_sql", "--window", "100")
BAD = (17, 500, 501, 999)

#: What keeps a few rows from being updated, the SQLSTATE, and what lets them be updated again.
OBSTACLES = {
    "a check that was never validated": (
        "ALTER TABLE ticket ADD CONSTRAINT legacy CHECK (status <> 'bad') NOT VALID",
        "check violation of constraint legacy (SQLSTATE 23514)",
        "ALTER TABLE ticket DROP CONSTRAINT legacy",
    ),
    "a trigger that raises": (
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF NEW.status = ''bad'' THEN RAISE ''never''; END IF; RETURN NEW; END';"
        "CREATE TRIGGER no BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION no()",
        "raise exception (SQLSTATE P0001)",
        "DROP TRIGGER no ON ticket",
    ),
    "a trigger that divides by zero": (
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF NEW.status = ''bad'' THEN PERFORM 1 / 0; END IF; RETURN NEW; END';"
        "CREATE TRIGGER no BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION no()",
        "division by zero (SQLSTATE 22012)",
        "DROP TRIGGER no ON ticket",
    ),
    "a deferred constraint trigger": (
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF NEW.status = ''bad'' THEN RAISE exclusion_violation; END IF; RETURN NULL; END';"
        "CREATE CONSTRAINT TRIGGER no AFTER UPDATE ON ticket DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION no()",
        "exclusion violation (SQLSTATE 23P01)",
        "DROP TRIGGER no ON ticket",
    ),
    "a row that becomes too big": (
        "ALTER TABLE ticket ADD note text; ALTER TABLE ticket ALTER note SET STORAGE PLAIN;"
        "UPDATE ticket SET note = repeat('x', 7900) WHERE status = 'bad';"
        f"ALTER TABLE ticket ADD more text DEFAULT '{'y' * 500}' NOT NULL;"
        "ALTER TABLE ticket ALTER more SET STORAGE PLAIN",
        "program limit exceeded (SQLSTATE 54000)",
        "ALTER TABLE ticket DISABLE TRIGGER note; UPDATE ticket SET note = '' WHERE status = 'bad';"
        "ALTER TABLE ticket ENABLE TRIGGER note",
    ),
}


def make(db: Database) -> None:
    db.tickets(1000)
    db.sql(
        "ALTER TABLE ticket DISABLE TRIGGER note; UPDATE ticket SET status = 'bad' WHERE id = ANY (%s);"
        "ALTER TABLE ticket ENABLE TRIGGER note",
        list(BAD),
    )


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_rows_that_cannot_be_updated(db: Database, obstacle: str, workers: str) -> None:
    prevent, error, allow = OBSTACLES[obstacle]
    make(db)
    db.sql(f"ALTER TABLE ticket DISABLE TRIGGER note; {prevent}; ALTER TABLE ticket ENABLE TRIGGER note")
    done = db.run(*RUN, "--workers", workers, "--lanes", "4")
    assert done.code == 4, done.out + done.err
    named = [f": {error}; fix that", *map(str, BAD)]
    assert "every other row is rotated, but 4 rows can't be updated and hold their old token" in done.err
    assert all(one in done.err for one in named), done.err
    assert "left for the end: at least one can't be updated" in done.out
    assert db.changes() == {0: len(BAD), 1: 1000 - len(BAD)}
    assert db.value("SELECT status FROM rotation") == "failed"
    # Again: as before, and nothing is rotated twice.
    again = db.run(*RUN)
    assert again.code == 4
    assert db.changes() == {0: len(BAD), 1: 1000 - len(BAD)}
    db.sql(allow)
    assert db.run(*RUN).code == 0
    db.each_once(1000)


def test_the_window_in_which_the_canary_is(db: Database) -> None:
    """The first rows can't be updated: it tries fewer, and finally others."""
    db.tickets(200)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT legacy CHECK (id > 3) NOT VALID")
    done = db.run(*RUN)
    assert done.code == 4, done.err
    assert "but 3 rows can't be updated" in done.err
    assert db.changes() == {0: 3, 1: 197}


@pytest.mark.long
def test_a_table_that_cannot_be_updated(db: Database) -> None:
    """No row can: that is no matter of rows, and nothing is noted for each."""
    db.tickets(1000)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT none CHECK (false) NOT VALID")
    done = db.run(*RUN)
    assert done.code == 1
    assert "the canary window failed, as every window would: rotate window" in done.err
    assert "check violation of constraint none (SQLSTATE 23514)" in done.err
    assert "nothing was replaced" in done.err
    assert db.value("SELECT count(*) FROM rotation_leftover") == 0
    db.sql("ALTER TABLE ticket DROP CONSTRAINT none")
    # After an interruption: some rows could.
    db.sql("ALTER TABLE ticket ADD CONSTRAINT none CHECK (id <= 300) NOT VALID")
    db.sql("CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS"
           " 'BEGIN IF (SELECT sum(rows) FROM public.batchprogress) >= 300"
           " THEN RAISE query_canceled; END IF; RETURN NEW; END';"
           "CREATE TRIGGER stop BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION stop()"
    )  # fmt: skip
    assert db.run(*RUN, "--lanes", "1", "--lock-patience", "0.5").code in (1, 3)
    db.sql("DROP TRIGGER stop ON ticket")
    done = db.run(*RUN)
    assert done.code == 4
    assert "every other row is rotated, but 700 rows can't be updated" in done.err
    assert db.changes() == {0: 700, 1: 300}


@pytest.mark.parametrize(
    ("bad", "lanes"), [("id <= 20", 1), ("id <= 450", 1), ("id <= 250", 2), ("id BETWEEN 21 AND 300", 1)]
)
@pytest.mark.long
def test_first_rows_that_cannot_be_updated(
    db: Database, bad: str, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many, and where the run begins again: it looks farther on, and into other lanes."""
    monkeypatch.setattr(canary, "MOST_FAILED", 150)  # not one by one
    db.tickets(500)
    db.sql(f"ALTER TABLE ticket ADD CONSTRAINT legacy CHECK (NOT ({bad})) NOT VALID")
    if "BETWEEN" in bad:
        db.sql("ALTER TABLE ticket ADD CONSTRAINT already CHECK (halts(id <> 21)) NOT VALID")
        assert db.call("rotate_tokens_sql", "--window", "20").code == 1
        db.sql("ALTER TABLE ticket DROP CONSTRAINT already")
    left = db.value(f"SELECT count(*) FROM ticket WHERE {bad}")
    done = db.call(*RUN, "--lanes", str(lanes))
    assert done.code == 4, done.out + done.err
    assert f"every other row is rotated, but {left} rows can't be updated" in done.err
    assert db.changes() == {0: left, 1: 500 - left}


def test_many_rows_that_cannot_be_updated(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those count that fail, not those that are tried apart because of them."""
    monkeypatch.setattr(worker, "MOST_FAILED", 20)
    db.tickets(1280)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT legacy CHECK (id % 64 < 62) NOT VALID")
    done = db.call("rotate_tokens_sql")
    assert (done.code, "check violation of constraint legacy (SQLSTATE 23514)" in done.err) == (1, True)
    db.sql("ALTER TABLE ticket DROP CONSTRAINT legacy;"
           "ALTER TABLE ticket ADD CONSTRAINT legacy CHECK (id % 64 <> 63) NOT VALID")  # fmt: skip
    done = db.call("rotate_tokens_sql")
    assert done.code == 4, done.out + done.err
    assert db.changes() == {0: 20, 1: 1260}


def test_failures_are_told_to_machines(db: Database) -> None:
    make(db)
    db.sql(OBSTACLES["a check that was never validated"][0])
    done = db.run(*RUN, "--progress", "json")
    assert '"event": "rows_set_aside"' in done.out
    failed = "SELECT key, failure FROM rotation_leftover WHERE failure <> '' ORDER BY key::int"
    error = "check violation of constraint legacy (SQLSTATE 23514)"
    assert db.sql(failed) == [(str(key), error) for key in BAD]


@pytest.mark.long
def test_a_hole_that_cannot_be_updated(db: Database) -> None:
    """Locked while the windows run, waited for at the end, and then refused by a check."""
    db.tickets(200)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT legacy CHECK (id <> 50) NOT VALID")
    with closing(db.connect(autocommit=False)) as session, session.cursor() as cursor:
        cursor.execute("SELECT FROM ticket WHERE id = 50 FOR UPDATE")
        run = db.start(*RUN)
        until(lambda: db.value("SELECT count(*) FROM rotation_leftover"))
        until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        session.rollback()
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 4, out
    assert "id 50: check violation of constraint legacy" in out
    assert db.changes() == {0: 1, 1: 199}
