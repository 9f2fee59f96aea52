"""--throttle-sql: windows wait for what a query says, and it can't write."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from app.rotation.engine.db.session import Session
from app.rotation.engine.errors import RotationError
from app.rotation.engine.throttle.probes import ask
from tests.conftest import Database, Done, read_until, until
from tests.throttle.small_windows import status, windows


@pytest.mark.long
def test_query_of_a_user(db: Database) -> None:
    """True makes windows wait, false lets them go; an error makes them wait and is shown."""
    db.tickets(3000)
    db.sql("CREATE TABLE busy (percent numeric); INSERT INTO busy VALUES (70)")
    query = "SELECT percent > 50 FROM busy -- 100 % of the time"
    child = db.start("rotate_tokens_sql", "--window", "5", "--progress", "lines",
                     "--throttle-sql", query, "--nice", "0.5")  # fmt: skip
    read_until(child, "throttled: --throttle-sql returned true")
    assert windows(db) == 0
    db.sql("UPDATE busy SET percent = 10")
    until(lambda: windows(db) > 3)
    db.sql("ALTER TABLE busy RENAME TO idle")
    until(lambda: status(db)["throttle"] ==
          "--throttle-sql could not be measured (running the query: PostgreSQL answered"
          " undefined table (SQLSTATE 42P01))")  # fmt: skip
    db.sql("ALTER TABLE idle RENAME TO busy; UPDATE busy SET percent = 0")
    assert child.wait(60) == 0
    db.each_once(3000)


ANSWERS = {
    "SELECT true": True,
    "SELECT false -- and 100 % more": False,
    "SELECT 7": 7.0,
    "VALUES (0)": 0.0,
    'SELECT 0.5::float4 AS "a\'b<{x}%s"': 0.5,
    "SELECT -1e400::numeric": float("-inf"),
    "SELECT 'Infinity'::float8;": float("inf"),
    "WITH one AS (SELECT '12'::text) TABLE one": 12.0,
    "SELECT count(*) FROM generate_series(1, 3000)": 3000.0,
}


@pytest.mark.parametrize(("query", "answer"), ANSWERS.items())
def test_answers_of_a_query(db: Database, query: str, answer: float | bool) -> None:
    found = ask(Session("default"), query)
    assert found == answer
    assert type(found) is type(answer)


#: What writes, or ends the transaction that keeps a query from it, or lets it write.
ATTACKS = [
    "commit; delete from ticket where id <= 10; select false",
    "rollback; delete from ticket; select false",
    "COMMIT AND CHAIN",
    "END; BEGIN; DELETE FROM ticket; COMMIT; SELECT false",
    "select false; commit; delete from ticket",
    "SAVEPOINT one; DELETE FROM ticket; SELECT false",
    "PREPARE TRANSACTION 'one'",
    "SET TRANSACTION READ WRITE; DELETE FROM ticket; SELECT false",
    "SET TRANSACTION READ WRITE",
    "SET transaction_read_only = off; DELETE FROM ticket; SELECT false",
    "SELECT set_config('transaction_read_only', 'off', false) = 'x'",
    "SELECT set_config('transaction_read_only', 'off', true) = 'x' OR writes()",
    "DO $$ BEGIN COMMIT; DELETE FROM ticket; END $$",
    "DO $$ BEGIN DELETE FROM ticket; END $$; SELECT false",
    "CALL commits()",
    "CALL returns(false)",
    "SELECT writes()",
    "SELECT opens()",
    "SELECT nextval('counted') > 0",
    "SELECT setval('counted', 99) > 0",
    "SELECT lo_create(4711) = 0",
    "COPY ticket TO PROGRAM 'touch {file}'",
    "COPY (SELECT 1) TO '{file}'",
    "COPY ticket FROM PROGRAM 'touch {file}'",
    "EXPLAIN ANALYZE DELETE FROM ticket",
    "EXPLAIN (ANALYZE, FORMAT JSON) UPDATE ticket SET title = 'y'",
    "DELETE FROM ticket RETURNING false",
    "UPDATE ticket SET title = 'y'",
    "WITH gone AS (DELETE FROM ticket RETURNING id) SELECT count(*) FROM gone",
    "SELECT count(*) FROM (SELECT 1 FROM ticket FOR UPDATE) AS t",
    "SELECT false INTO made",
    "CREATE TABLE made AS SELECT false",
    "CREATE TEMPORARY TABLE made (id int)",
    "CREATE FUNCTION pg_temp.f() RETURNS bool LANGUAGE sql AS 'SELECT true'; SELECT pg_temp.f()",
    "TRUNCATE ticket",
    "DROP TABLE ticket; SELECT false",
    "LOCK TABLE ticket",
    "NOTIFY somebody",
    "VACUUM ticket",
    "ALTER SYSTEM SET log_min_messages = 'panic'",
    "DECLARE one CURSOR WITH HOLD FOR SELECT false",
    "PREPARE one AS DELETE FROM ticket; EXECUTE one",
    "EXECUTE one",
    "SELECT query_to_xml('DELETE FROM ticket', true, false, '') IS NULL",
    "SELECT ts_stat('commit') IS NULL",
    "$ask$; DELETE FROM ticket; DO $ask$ BEGIN END",
    "' ; COMMIT; DELETE FROM ticket; SELECT '",
    "SELECT 1; DELETE FROM ticket; --",
    "SELECT set_config('rotation.query', 'DELETE FROM ticket', false) IS NULL",
    "SELECT set_config('default_transaction_read_only', 'on', false) IS NULL",
    "SELECT set_config('search_path', 'nowhere', false) IS NULL",
    "SELECT set_config('role', 'nobody', false) IS NULL",
]
KNOWN = """
    SELECT
        (SELECT pg_catalog.sum(pg_catalog.hashtext(ticket::text)) FROM public.ticket),
        (SELECT last_value FROM public.counted),
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class),
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_proc),
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata),
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_xacts)
"""
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name <> 'application_name' ORDER BY 1"


def attack(db: Database, query: str, file: Path, ask: Callable[[str], None]) -> None:
    """Nothing is written by a query, whatever became of it."""
    db.tickets(20)
    db.sql(
        "CREATE SEQUENCE counted;"
        "CREATE PROCEDURE commits() LANGUAGE plpgsql AS"
        " 'BEGIN COMMIT; DELETE FROM ticket; COMMIT; END';"
        "CREATE PROCEDURE returns(INOUT one bool) LANGUAGE plpgsql AS"
        " 'BEGIN COMMIT; DELETE FROM ticket; one := false; END';"
        "CREATE FUNCTION writes() RETURNS bool LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM ticket; RETURN false; END';"
        "CREATE FUNCTION opens() RETURNS bool LANGUAGE plpgsql AS"
        " 'BEGIN SET TRANSACTION READ WRITE; DELETE FROM ticket; RETURN false; END'"
    )
    before = db.sql(KNOWN)
    ask(query.replace("{file}", str(file)))
    assert db.sql(KNOWN) == before
    assert not file.exists()


@pytest.mark.parametrize("query", ATTACKS)
def test_query_that_would_write(db: Database, query: str, tmp_path: Path) -> None:
    """It is refused or has no effect, and nothing of it stays in the monitor's session."""
    session = Session("default")

    def once(asked: str) -> None:
        ask(session, "SELECT true")  # PL/pgSQL, once loaded, has settings of its own
        cursor = connection.cursor()
        cursor.execute(SETTINGS)
        settings = cursor.fetchall()
        with contextlib.suppress(RotationError):
            assert ask(session, asked) is False
        cursor.execute(SETTINGS)
        assert cursor.fetchall() == settings
        assert connection.connection.info.transaction_status == TRANSACTION_STATUS_IDLE

    attack(db, query, tmp_path / "made", once)


@pytest.mark.parametrize("query", ATTACKS[:3])
def test_query_that_would_write_in_a_dry_run(db: Database, query: str, tmp_path: Path) -> None:
    def once(asked: str) -> None:
        done = db.call("rotate_tokens_sql", "--dry-run", "--throttle-sql", asked)
        assert done.code == 2
        assert "--throttle-sql: running the query: PostgreSQL answered read only" in done.err
        assert len(done.err.splitlines()) == 1

    attack(db, query, tmp_path / "made", once)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELEC 1", "--throttle-sql: running the query: PostgreSQL answered syntax error"),
        ("SELECT 'many'", "--throttle-sql: the query must return one boolean or one number"),
        ("SELECT 1 WHERE false", "--throttle-sql: the query must return one boolean"),
        ("", "--throttle-sql: "),
        ("DELETE FROM ticket", "--throttle-sql: running the query: PostgreSQL answered read only"),
        ("SELECT token FROM ticket", "--throttle-sql: the query must return one boolean"),
        ("SELECT true, true", "--throttle-sql: the query must return one boolean"),
        ("SELECT true FROM ticket", "--throttle-sql: the query must return one boolean"),
        ("SELECT NULL::boolean", "--throttle-sql: the query must return one boolean"),
        ("SELECT ARRAY[1]", "--throttle-sql: the query must return one boolean"),
        ("SELECT repeat('1', 2000)", "--throttle-sql: the query must return one boolean"),
        ("SELECT true; SELECT false", ": give one query that reads, and nothing else"),
    ],
)
def test_query_that_is_none(db: Database, query: str, says: str) -> None:
    db.tickets(5)
    done = db.run("rotate_tokens_sql", "--throttle-sql", query)
    assert done.code == 2
    assert len(done.out.splitlines()) == 1  # where it is
    assert says in done.err
    assert len(done.err.splitlines()) == 1
    assert db.value("SELECT count(*) FROM rotation") == 0


def wait_by_a_tuned_query(db: Database, query: str, key: str = "k" * 50) -> Done:
    return db.run("rotation", "tune", f"throttle_sql={query}", env=db.environment(SECRET_KEY=key))


@pytest.mark.long
def test_query_that_is_tuned(db: Database) -> None:
    """It is signed by who tunes it: what stands in the state otherwise is not run."""
    db.tickets(3000)
    child = db.start("rotate_tokens_sql", "--window", "5", "--progress", "lines", "--nice", "0.5",
                     env=db.environment(SECRET_KEY="k" * 50))  # fmt: skip
    until(lambda: windows(db) > 3)
    done = wait_by_a_tuned_query(db, "SELECT true")
    assert (done.code, "throttle_sql=SELECT true, effective from" in done.out) == (0, True), done.err
    until(lambda: status(db)["throttle"] == "--throttle-sql returned true")
    done = wait_by_a_tuned_query(db, "DELETE FROM ticket")
    assert (done.code, "throttle_sql: running the query: PostgreSQL answered read only" in done.err) == (
        2,
        True,
    )
    for forged in (
        lambda: wait_by_a_tuned_query(db, "SELECT false", "x" * 50),
        lambda: db.sql("""UPDATE rotation SET tuned = '{"throttle_sql": "SELECT false"}'"""),
        lambda: db.sql("UPDATE rotation SET tuned = jsonb_set(tuned, '{throttle_sql}', '\"a:b\"')"),
    ):
        forged()
        until(lambda: (status(db)["throttle"] or "").startswith("throttle_sql was tuned with another"))
        reached = windows(db)
        # It takes its time: until it has answered, the windows wait as they did.
        assert wait_by_a_tuned_query(db, "SELECT 1 FROM pg_sleep(0.5)").code == 0
        until(lambda: status(db)["throttle"] == "--throttle-sql returned 1")
        assert windows(db) == reached
    done = db.run("rotation", "tune", "nice=0.1", env=db.environment(SECRET_KEY="k" * 50))
    assert "throttle_sql=SELECT 1 FROM pg_sleep(0.5)" in done.out
    done = db.run("rotation", "tune", "nice=0.2", env=db.environment(SECRET_KEY="x" * 50))
    assert "throttle_sql=(another site's query)" in done.out
    assert db.run("rotation", "tune", "throttle_sql=default", "nice=0").code == 0
    assert child.wait(60) == 0
    db.each_once(3000)
