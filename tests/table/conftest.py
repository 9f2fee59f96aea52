"""A Citus cluster's databases, where there is one."""

import fcntl
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.citus_cluster import execute
from tests.conftest import Database, kill
from tests.table.citus import Cluster, Coordinator

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    """A database with the project's tables, from before Citus was added."""
    name = f"rotation_template_{os.getpid()}"
    postgres = Coordinator().address("postgres")
    execute(postgres, f"CREATE DATABASE {name}")
    migrated = Database(Coordinator(), name)  # type: ignore[arg-type]
    assert migrated.run("migrate", "-v", "0").code == 0
    yield name
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def citus(template: str) -> Iterator[Cluster]:
    # Some tests crash a node: one at a time.
    with (Path(tempfile.gettempdir()) / "rotation-citus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        database = Cluster(f"rotation_{os.getpid()}_{next(numbers)}")
        database.create(template)
        yield database
        for child in database.children:
            if child.poll() is None:
                kill(child)
            if child.stdout:
                child.stdout.close()
        database.drop()
