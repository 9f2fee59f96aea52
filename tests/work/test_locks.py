"""Rows that somebody else holds: retry smaller, name the blocker, give up in bounded time."""

import json
import re
import threading
import time
from contextlib import closing

import pytest

from app.rotation.engine.events import Blocked
from app.rotation.schema import GRANTED
from tests.conftest import Database, read_until, until
from tests.proof.account import ACCOUNT, parts, rotate

RUN = ("rotate_tokens_sql", "--window", "100", "--progress", "lines", "--lock-timeout", "50")


def test_locked_table_is_not_taken_for_a_row() -> None:
    assert str(Blocked(None, None, "pid 1", 5)) == "the table is locked by pid 1; retrying"


def test_blocked_window_is_halved_retried_and_the_blocker_named(db: Database) -> None:
    db.tickets(250)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SET application_name = 'billing'")
        cursor.execute("SELECT title, pg_backend_pid() FROM ticket WHERE id = 30 FOR UPDATE")
        pid = cursor.fetchall()[0][1]
        child = db.start(*RUN)
        output = read_until(child, "are locked by")
        told = re.search(
            r"rows 1\.\.\d+ are locked by (.*); retrying with (\d+) rows? per window", output
        )
        assert told
        assert re.fullmatch(
            rf"pid {pid} \(billing, idle in transaction, query since \d\d:\d\d:\d\d, \d+ s\)", told[1]
        )
        assert int(told[2]) < 100
        # In small steps it comes up to the locked row, and no farther.
        until(lambda: db.value("SELECT max(last_id::bigint) FROM batchprogress") == 29)
        assert child.poll() is None
        # However long that lasts, it is seen to be at work.
        moved = "SELECT now() - touched_at < interval '2 s' FROM rotation"
        assert db.value(moved) or until(lambda: db.value(moved), 10)
    assert child.wait(60) == 0
    db.each_once(250)


def test_windows_grow_back_after_a_conflict(db: Database) -> None:
    db.tickets(3000)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT title FROM ticket WHERE id = 30 FOR UPDATE")
        child = db.start(*RUN)
        read_until(child, "are locked by")
    assert child.wait(60) == 0
    sizes = [rows for (rows,) in db.sql("SELECT rows FROM rotation_window ORDER BY id")]
    assert min(sizes) < 100
    assert sizes[-2] == 100
    assert max(sizes) == 100
    db.each_once(3000)


def test_patience_runs_out(db: Database) -> None:
    db.tickets(50)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT title, pg_backend_pid() FROM ticket WHERE id = 1 FOR UPDATE")
        pid = cursor.fetchall()[0][1]
        done = db.run(*RUN, "--lock-patience", "1")
        assert done.code == 4
        assert re.search(
            r"^Unproven: every other row is rotated, but 1 row stayed locked for 1 s by"
            rf" pid {pid} \(.*\) and holds its old token:"
            r" end that session, then run the same command again$",
            done.err,
        )
        assert db.value("SELECT status FROM rotation") == "failed"
        assert "1 row stayed locked by other sessions" in db.call("rotation", "status").out
        assert db.changes() == {0: 1, 1: 49}
    assert db.run(*RUN).code == 0
    db.each_once(50)


def test_patience_is_shorter_than_one_try(db: Database) -> None:
    """However slow each try is, other rows are tried before the run gives up."""
    db.tickets(50)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT title FROM ticket WHERE id = 1 FOR UPDATE")
        done = db.run(*RUN[:-1], "700", "--lock-patience", "0.5")
        assert (done.code, db.changes()) == (4, {0: 1, 1: 49}), done.out + done.err
    assert db.run(*RUN).code == 0
    db.each_once(50)


def test_prepared_transaction_is_named(db: Database) -> None:
    db.tickets(10)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        holder.tpc_begin("billing-7")
        cursor.execute("SELECT title FROM ticket WHERE id = 1 FOR UPDATE")
        holder.tpc_prepare()
    try:
        done = db.run(*RUN, "--lock-patience", "1")
        assert done.code == 4
        assert "a prepared transaction" in done.err
    finally:
        db.sql("ROLLBACK PREPARED 'billing-7'")


@pytest.mark.long
def test_table_lock_during_the_run(db: Database) -> None:
    """Not a row but the table is locked, as by a migration."""
    db.tickets(4000)
    child = db.start(*RUN[:2], "4", *RUN[3:])
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE ticket IN SHARE MODE")
        read_until(child, "are locked by")
    assert child.wait(60) == 0
    db.each_once(4000)


@pytest.mark.parametrize("table", ["batchprogress", "ticket"])
def test_lock_that_stays_during_the_run(db: Database, table: str) -> None:
    """Not of rows that could be left for later: the patience is over all the same."""
    db.tickets(600)
    child = db.start(*RUN[:2], "4", *RUN[3:], "--max-rate", "200", "--lock-patience", "1")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        said = child.communicate(timeout=60)[0]
    assert (child.returncode, "no window got its locks for 1 s" in said) == (3, True), said
    assert db.run(*RUN).code == 0
    db.each_once(600)


def test_table_lock_before_the_run(db: Database) -> None:
    db.tickets(100)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE ticket IN SHARE MODE")
        done = db.call("rotate_tokens_sql")
    assert done.code == 1
    assert "another session holds a lock on public.ticket" in done.err
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_connection_for_the_blockers_name_is_not_needed(db: Database) -> None:
    """If no further connection is available, the blocker goes unnamed, and the run continues."""
    db.tickets(50)
    db.sql("CREATE ROLE narrow LOGIN CONNECTION LIMIT 4")
    db.sql(
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO narrow; GRANT ALL ON DATABASE {db.name} TO narrow;"
        f"GRANT EXECUTE ON FUNCTION {', '.join(GRANTED)} TO narrow"
    )
    try:
        url = db.url.replace("postgres@", "narrow@")
        with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
            cursor.execute("SELECT title FROM ticket WHERE id = 1 FOR UPDATE")
            child = db.start(*RUN, "--lock-patience", "1", env=db.environment(DATABASE_URL=url))
            out = child.communicate(timeout=60)[0]
        assert child.returncode == 4, out
        assert "a session that could not be named" in out
    finally:
        db.sql("DROP OWNED BY narrow; DROP ROLE narrow")


@pytest.mark.parametrize(("workers", "seconds"), [(1, 0), (4, 10)])
def test_application_is_never_the_deadlock_victim(db: Database, workers: int, seconds: int) -> None:
    """Traffic that locks rows of each lane in the opposite order, waiting first: it always wins."""
    db.tickets(400)
    errors: list[Exception] = []
    commits = [0] * workers
    over = threading.Event()

    def traffic(lane: int) -> None:
        last = 400 * (lane + 1) // workers
        first = last - 80
        with closing(db.connect(autocommit=False)) as connection, connection.cursor() as cursor:
            while not over.is_set():
                try:
                    cursor.execute("UPDATE ticket SET title = 'a' WHERE id = %s", [last])
                    time.sleep(0.01)
                    cursor.execute("UPDATE ticket SET title = 'b' WHERE id = %s", [first])
                    connection.commit()
                    commits[lane] += 1
                except Exception as error:
                    errors.append(error)
                    connection.rollback()

    threads = [threading.Thread(target=traffic, args=(lane,)) for lane in range(workers)]
    for thread in threads:
        thread.start()
    began, runs = time.monotonic(), 0
    flags = ("--workers", str(workers), "--lanes", str(workers), "--window", "400", "--progress", "json")
    try:
        while not runs or time.monotonic() - began < seconds:
            runs += 1
            done = db.run("rotate_tokens_sql", *flags, *(["--new"] if runs > 1 else []))
            assert done.code == 0, done.err
            assert db.unchanged() == 0
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert min(commits) > 0
    assert json.loads(done.out.splitlines()[-1])["event"] == "ended"
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert db.value(deadlocks) == 0


def test_window_that_outlives_deadlock_timeout(db: Database) -> None:
    """It is told, once, and what to do: only windows that are sized by time stay below it."""
    db.tickets(100)
    db.sql(f"ALTER DATABASE {db.name} SET deadlock_timeout = '200ms'")
    db.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.012); RETURN NEW; END';"
        "CREATE TRIGGER slow BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    flags = ("--ack-triggers", "--workers", "2", "--lanes", "2", "--progress", "lines")
    done = db.run("rotate_tokens_sql", "--window", "20", *flags)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("warn: windows of 20 rows take longer than deadlock_timeout (0.2 s)") == 1
    assert "windows of" not in db.run("rotate_tokens_sql", "--new", "--window", "1", *flags).out


def test_cancelled_by_the_administrator_is_tried_again(db: Database) -> None:
    db.tickets(100)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT title FROM ticket WHERE id = 1 FOR UPDATE")
        child = db.start(*RUN[:-1], "600000")
        find = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
        pid = until(lambda: db.sql(find, db.name))[0][0]
        db.sql("SELECT pg_cancel_backend(%s)", pid)
        until(lambda: db.sql(find, db.name))
    assert child.wait(60) == 0
    db.each_once(100)


@pytest.mark.long
def test_first_row_that_is_locked_has_an_empty_key(db: Database) -> None:
    """The canary tries other rows than one that somebody holds, whatever its key."""
    db.sql("CREATE TABLE account (id text PRIMARY KEY, token uuid);"
           "INSERT INTO account SELECT 'k' || g, gen_random_uuid() FROM generate_series(1, 30) AS g;"
           "INSERT INTO account VALUES ('', gen_random_uuid())")  # fmt: skip
    with closing(db.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM account WHERE id = '' FOR UPDATE")
        done = db.run("rotate_tokens_sql", "--table", "account", "--lock-patience", "3")
    assert (done.code, "phase 2 of 4" in done.out) == (4, True), done.out + done.err
    assert "every other row is rotated" in done.err


@pytest.mark.long
def test_locked_row_with_a_long_key(db: Database) -> None:
    """What the primary key's index has room for, the list of rows left over has too."""
    db.sql("CREATE TABLE page (id text PRIMARY KEY, token uuid);"
           "INSERT INTO page SELECT lpad(n::text, 5, '0'), gen_random_uuid()"
           " FROM generate_series(1, 300) AS n;"
           "INSERT INTO page SELECT '00100' || left(string_agg(md5(n::text || random()), ''), 2683),"
           " gen_random_uuid() FROM generate_series(1, 90) AS n")  # fmt: skip
    db.remember("page", "id", "token")
    its = ("rotate_tokens_sql", "--table", "page", "--window", "50", "--lock-patience", "6")
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM page WHERE length(id) > 100 FOR UPDATE")
        done = db.run(*its)
    assert (done.code, db.unchanged("page", "token")) == (4, 1), done.out + done.err
    assert db.run(*its).code == 0
    assert db.unchanged("page", "token") == 0


@pytest.mark.long
def test_no_command_waits_forever_for_a_table(db: Database) -> None:
    """Such as one with a partition that a migration rewrites."""
    parts(db)
    rotate(db)
    commands = ("rotate_tokens_sql --dry-run", "rotate_tokens_sql --new", "rotation verify",
                "rotation guard status", "rotation guard drop")  # fmt: skip
    with closing(db.connect(autocommit=False)) as holder:
        holder.cursor().execute("LOCK TABLE high IN ACCESS EXCLUSIVE MODE")
        children = [db.start(*command.split(), *ACCOUNT) for command in commands]
        said = [child.communicate(timeout=60)[0] for child in children]
    assert [child.returncode for child in children] == [0, 1, 3, 3, 3], said
    for text in said[1:]:  # the dry run needs no lock on the partition
        assert re.search(r"no answer for \d+ s \(.*\): waits for pid", text), text
        assert re.search(r"run the (same )?command again", text.splitlines()[-1]), text
