"""The table is vacuumed while it is rotated, and sessions that hold it back are named."""

from contextlib import closing

import psycopg2
import pytest

from tests.conftest import MIGRATED, Database, read_until, until
from tests.maintenance.unvacuumed import make, size
from tests.servers import make_server, running, standby_of

#: Slow enough for several vacuums.
RUN = ("rotate_tokens_sql", "--max-rate", "8000", "--progress", "lines")
VACUUMING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query ~ '^VACUUM .SKIP'"


@pytest.mark.long
def test_table_does_not_double(db: Database) -> None:
    fresh = make(db)
    done = db.run(*RUN, "--vacuum", "10")
    assert (done.code, done.err) == (0, "")
    kept = size(db)
    assert db.value("SELECT vacuumed FROM rotation") >= 12_000
    assert db.unchanged() == 0
    done = db.run(*RUN, "--new", "--vacuum", "off")
    assert done.code == 0
    assert db.value("SELECT vacuumed FROM rotation WHERE id = 2") == 0
    assert kept < 1.6 * fresh
    assert size(db) > kept


def test_vacuums_as_often_as_asked(db: Database) -> None:
    """However many processes look whether it is due."""
    make(db)
    count = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'ticket'"
    until(lambda: db.value(count))
    before = db.value(count)
    children = [db.start(*RUN, "--vacuum", "25") for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    until(lambda: db.value(count) >= before + 2)
    assert db.value(count) <= before + 4


def test_old_snapshot_is_named(db: Database) -> None:
    make(db)
    # A worker's is older, but ends with its window.
    with (
        closing(db.connect(autocommit=False)) as worker,
        worker.cursor() as window,
        closing(db.connect(autocommit=False)) as holder,
        holder.cursor() as cursor,
    ):
        worker.set_session("REPEATABLE READ")
        window.execute("SET application_name = 'rotate_tokens 1/1 a@b'; SELECT count(*) FROM ticket")
        db.sql("SELECT txid_current()")
        holder.set_session("REPEATABLE READ")
        cursor.execute("SELECT pg_backend_pid(), (SELECT count(*) FROM ticket)")
        pid = cursor.fetchone()[0]
        child = db.start(*RUN)
        output = read_until(child, "vacuum cannot remove dead rows")
        assert f"vacuum cannot remove dead rows: the session pid {pid}" in output
        assert "holds an old snapshot; end it, or the table grows to twice" in output
    assert child.wait(60) == 0


def test_prepared_transaction_is_named(db: Database) -> None:
    make(db)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("CREATE TABLE other (id int); PREPARE TRANSACTION 'forgotten'")
    try:
        child = db.start(*RUN)
        read_until(child, "vacuum cannot remove dead rows: the prepared transaction forgotten")
    finally:
        db.sql("ROLLBACK PREPARED 'forgotten'")
    assert child.wait(60) == 0


def test_another_vacuum_is_not_waited_for(db: Database) -> None:
    make(db)
    child = db.start(*RUN)
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE ticket IN SHARE UPDATE EXCLUSIVE MODE")
        out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert "vacuum skipped: another vacuum of the table is running" in out


def test_role_that_may_not_vacuum(db: Database) -> None:
    make(db)
    name = db.name
    db.sql(f"CREATE ROLE {name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name};"
           f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {name}")  # fmt: skip
    if db.connect().server_version >= 170000:
        db.sql(f"REVOKE MAINTAIN ON ticket FROM {name}")
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{name}@"))
    try:
        done = db.run(*RUN, env=environment)
        assert (done.code, done.err) == (0, "")
        assert "note: this role may not vacuum public.ticket: unless autovacuum keeps up" in done.out
        assert "vacuum skipped" not in done.out
        assert db.value("SELECT vacuumed FROM rotation") == 0
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.long
def test_vacuum_ends_with_the_run(db: Database) -> None:
    """A signal lets the window finish and cancels the vacuum, however long that would take."""
    make(db)
    db.sql(f"ALTER DATABASE {db.name} SET vacuum_cost_delay = 100")
    db.sql(f"ALTER DATABASE {db.name} SET vacuum_cost_limit = 1")
    child = db.start(*RUN)
    until(lambda: db.value(VACUUMING))
    child.terminate()
    assert child.wait(20) == 3
    until(lambda: not db.value(VACUUMING), 5)
    db.sql(f"ALTER DATABASE {db.name} RESET ALL")
    assert db.run("rotate_tokens_sql").code == 0
    assert db.unchanged() == 0


@pytest.mark.long
def test_critical_limit_does_not_wait_for_a_vacuum(db: Database) -> None:
    """The run ends at once, with its reason, although a vacuum is under way."""
    make(db)
    db.sql(f"ALTER DATABASE {db.name} SET vacuum_cost_delay = 100")
    db.sql(f"ALTER DATABASE {db.name} SET vacuum_cost_limit = 1")
    db.sql("SELECT pg_create_physical_replication_slot('dead', true)")
    try:
        child = db.start(*RUN, "--critical-wal", "60MB")
        until(lambda: db.value(VACUUMING))
        db.sql("CREATE TABLE much AS SELECT repeat('x', 1000) FROM generate_series(1, 80000)")
        out = child.communicate(timeout=30)[0]
    finally:
        db.sql("SELECT pg_drop_replication_slot('dead')")
    assert child.returncode == 3, out
    assert "the replication slot dead (inactive) holds back" in out.splitlines()[-1]
    until(lambda: not db.value(VACUUMING), 5)


def test_timeouts_of_the_role_do_not_cancel_it(db: Database) -> None:
    make(db)
    for timeout in ("statement_timeout = '250ms'", "lock_timeout = '1ms'"):
        db.sql(f"ALTER DATABASE {db.name} SET {timeout}")
    db.sql(f"ALTER DATABASE {db.name} SET vacuum_cost_delay = 20")
    db.sql(f"ALTER DATABASE {db.name} SET vacuum_cost_limit = 200")
    count = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'ticket'"
    until(lambda: db.value(count))
    before = db.value(count)
    done = db.run(*RUN, "--reindex")
    assert (done.code, done.err) == (0, "")
    assert "vacuum skipped" not in done.out
    until(lambda: db.value(count) > before)


@pytest.mark.long
def test_holders_are_named_after_a_wraparound(db: Database) -> None:
    """Past the first four billion transactions their numbers no longer fit into the old type."""
    server = make_server(db.server.binaries)
    with running(server):
        server.ensure()
        server.stop("fast")
        assert server._run("pg_resetwal", "-e", "1", "-D", str(server.data)).returncode == 0
        server.ensure(MIGRATED)
        mine = Database(server, MIGRATED)
        assert mine.value("SELECT pg_current_xact_id() > '4294967296'")
        assert mine.run("migrate", "-v", "0").code == 0
        make(mine)
        with closing(mine.connect(autocommit=False)) as holder, holder.cursor() as cursor:
            holder.set_session("REPEATABLE READ")
            cursor.execute("SELECT count(*) FROM ticket")
            child = mine.start(*RUN)
            read_until(child, "vacuum cannot remove dead rows: the session pid")
        out = child.communicate(timeout=60)[0]
        assert child.returncode == 0, out
        assert "vacuum skipped" not in out


@pytest.mark.long
def test_slot_and_standby_are_named(db: Database) -> None:
    """A slot that a standby with feedback left behind; and the standby itself, while it is there."""
    make(db)
    db.sql("SELECT pg_create_physical_replication_slot('kept')")
    with standby_of(db.server) as standby:
        with (standby.data / "postgresql.auto.conf").open("a") as file:
            file.write("primary_slot_name = 'kept'\nhot_standby_feedback = on\n"
                       "wal_receiver_status_interval = 1\n")  # fmt: skip
        standby.stop("fast")
        standby.ensure()
        with closing(psycopg2.connect(**standby.address(db.name))) as reader, reader.cursor() as cursor:
            reader.set_session("REPEATABLE READ")
            cursor.execute("SELECT count(*) FROM ticket")
            until(lambda: db.value("SELECT xmin FROM pg_replication_slots"))
            standby_named = db.start(*RUN, "--no-wait-replicas")
            read_until(standby_named, "the replication slot kept of the standby standby1")
            assert standby_named.wait(60) == 0
            standby.stop("immediate")
        until(lambda: not db.value("SELECT active FROM pg_replication_slots"))
        child = db.start(*RUN, "--new")
        try:
            read_until(child, "vacuum cannot remove dead rows: the replication slot kept")
        finally:
            db.sql("SELECT pg_drop_replication_slot('kept')")
        assert child.wait(60) == 0
