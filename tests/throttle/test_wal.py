"""Windows wait while slots or an archiver hold back WAL."""

from collections.abc import Iterator

import pytest

from tests.conftest import Database, migrated, read_until, until
from tests.servers import make_server, running
from tests.throttle.small_windows import RUN


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
