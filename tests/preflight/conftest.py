"""Databases on Debian's PostgreSQL, whose collations are ICU's."""

from collections.abc import Iterator

import pytest

from tests.conftest import Database, databases, migrated
from tests.servers import DEBIAN_BINARIES, make_server, running


@pytest.fixture(scope="module")
def fifteen_server() -> Iterator[Database]:
    if not DEBIAN_BINARIES.exists():
        pytest.skip("PostgreSQL 15 of Debian, which knows ICU, is not installed")
    with running(make_server(DEBIAN_BINARIES)) as server:
        yield migrated(server)


@pytest.fixture
def fifteen(fifteen_server: Database) -> Iterator[Database]:
    """A migrated database on Debian's server."""
    yield from databases(fifteen_server.server)


@pytest.fixture(params=["db", "fifteen"])
def either(request: pytest.FixtureRequest) -> Database:
    """A database on the server of this run, and one on Debian's."""
    return request.getfixturevalue(request.param)
