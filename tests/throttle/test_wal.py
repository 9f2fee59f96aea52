"""Windows wait while slots or an archiver hold back WAL."""

import time
from collections.abc import Iterator

import pytest

from tests.conftest import Database, migrated, read_until, until
from tests.servers import make_server, running
from tests.throttle.small_windows import RUN, windows


@pytest.fixture
def slot(db: Database) -> Iterator[str]:
    """A replication slot that nobody reads."""
    db.tickets(1000)
    db.sql("SELECT pg_create_physical_replication_slot('dead', true)")
    yield "dead"
    if db.value("SELECT count(*) FROM pg_replication_slots"):
        db.sql("SELECT pg_drop_replication_slot('dead')")


def test_dead_slot(db: Database, slot: str) -> None:
    child = db.start(*RUN, "--max-wal", "1kB")
    output = read_until(child, "throttled: ")
    assert "throttled: the replication slot dead (inactive) holds back " in output
    assert " of WAL (limit 1 kB)" in output
    db.sql("SELECT pg_drop_replication_slot('dead')")
    assert child.wait(60) == 0
    db.each_once(1000)


def test_slot_that_holds_back_too_much_ends_the_run(db: Database, slot: str) -> None:
    done = db.run(*RUN, "--critical-wal", "1kB")
    assert done.code == 3
    assert "more than --critical-wal 1 kB: fix that, then run the same command again" in done.err


@pytest.mark.long
def test_archiver_that_never_succeeds(db: Database) -> None:
    """What it fails at first is the oldest WAL that waits for it."""
    server = make_server(db.server.binaries, archive_mode="on", archive_command="false")
    with running(server):
        mine = migrated(server)
        mine.tickets(1000)
        mine.sql("SELECT pg_switch_wal()")
        until(lambda: mine.value("SELECT failed_count FROM pg_stat_archiver"))
        child = mine.start(*RUN, "--max-wal", "1kB")
        assert "the archiver holds back" in read_until(child, "throttled: the archiver")
        assert mine.run("rotation", "tune", "max_wal=off").code == 0
        child.communicate(timeout=60)
        assert child.returncode == 0


@pytest.mark.long
def test_rate_of_wal_of_everybody(db: Database) -> None:
    db.tickets(30_000)
    child = db.start(*RUN, "--max-wal-rate", "100kB/s")
    output = read_until(child, "throttled: ")
    assert "throttled: WAL rate (limit 100 kB/s)" in output
    at = windows(db)
    time.sleep(2)
    assert windows(db) - at < 20  # 5 MB of WAL are paid for at 100 kB/s
    done = db.run("rotation", "tune", "max_wal_rate=off")
    assert (done.code, "max_wal_rate=off" in done.out) == (0, True), done.err
    assert child.wait(60) == 0
    db.each_once(30_000)


@pytest.mark.parametrize("text", ["fast", "0", "-1MB/s", "5MB/m", "5MB/s/s"])
def test_rates_that_are_none(db: Database, text: str) -> None:
    done = db.run(*RUN, f"--max-wal-rate={text}")
    assert (done.code, "--max-wal-rate" in done.err) == (2, True), done.err
