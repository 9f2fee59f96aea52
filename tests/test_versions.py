"""The main job on the PostgreSQL that Debian ships, where it is installed."""

from collections.abc import Iterator

import psycopg2
import pytest

from tests.conftest import MIGRATED, Database, databases, kill, until
from tests.servers import DEBIAN_BINARIES, make_server, running
from tests.work.gates import RUN, gate, waiting_at_gate


@pytest.fixture(scope="module")
def fifteen() -> Iterator[Database]:
    if not DEBIAN_BINARIES.exists():
        pytest.skip("PostgreSQL 15 of Debian is not installed")
    with running(make_server(DEBIAN_BINARIES)) as server:
        server.ensure(MIGRATED)
        migrated = Database(server, MIGRATED)
        assert migrated.run("migrate", "-v", "0").code == 0
        yield from databases(server)


def test_killed_and_resumed(fifteen: Database) -> None:
    assert fifteen.connect().server_version // 10_000 == 15
    fifteen.tickets(250)
    assert fifteen.run("rotate_tokens_sql", "--dry-run", "--window", "100").code == 0
    with gate(fifteen, "batchprogress", "BEFORE UPDATE"):
        child = fifteen.start(*RUN)
        until(lambda: waiting_at_gate(fifteen))
        kill(child)
        until(lambda: not waiting_at_gate(fifteen), 5)
    fifteen.agrees()
    assert fifteen.run(*RUN).code == 0
    fifteen.each_once(250)
    with pytest.raises(psycopg2.Error, match="Cannot update or delete"):
        fifteen.sql("DELETE FROM rotation_window")
