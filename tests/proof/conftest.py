"""A rotated table without a model, and roles that are no superuser."""

from collections.abc import Iterator

import pytest

from tests.conftest import Database, until
from tests.proof.account import make, rotate


@pytest.fixture
def rotated(db: Database) -> Database:
    make(db)
    rotate(db)
    return db


@pytest.fixture
def runner(db: Database) -> Iterator[str]:
    """A role without any right."""
    name = f"runner_{db.name}"
    db.sql(f"CREATE ROLE {name} LOGIN")
    yield name
    # A session that ends drops its temporary objects, which must not happen at the same time.
    until(lambda: not db.sql("SELECT 1 FROM pg_stat_activity WHERE usename = %s", name))
    db.sql(f"REASSIGN OWNED BY {name} TO postgres; DROP OWNED BY {name}; DROP ROLE {name}")
