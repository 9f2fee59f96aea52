"""Free disk: the run waits before the disk is full, where the server's disk can be looked at."""

from collections.abc import Iterator

import pytest

from app.rotation.engine.table.disk import find_free
from tests.conftest import Database, read_until
from tests.throttle.tablespace import may_mount, small_tablespace

RUN = ("rotate_tokens_sql", "--window", "50", "--progress", "lines")
MB = 1024 * 1024


@pytest.fixture
def small_disk(db: Database) -> Iterator[str]:
    if not may_mount():
        pytest.skip("no right to mount a small file system")
    with small_tablespace(db, 64):
        yield db.name


def files(db: Database) -> dict:
    return {
        "data_directory": db.value("SHOW data_directory"),
        "port": db.value("SHOW port"),
        "started": float(db.value("SELECT extract(EPOCH FROM pg_postmaster_start_time())")),
        "places": [db.value("SHOW data_directory")],
    }


def readable(db: Database) -> bool:
    return find_free(files(db)) is not None


def test_waits_for_free_disk_and_says_so(db: Database) -> None:
    if not readable(db):
        pytest.skip("the server's directory may not be read by this user")
    db.tickets(300)
    child = db.start(*RUN, "--min-free", "900TB")
    read_until(child, "throttled: ")
    assert "(limit 900.0 TB)" in read_until(child, "limit")
    assert db.value("SELECT sum(rows) FROM batchprogress") == 0
    assert "of disk free" in db.run("rotation", "status").out
    assert db.run("rotation", "tune", "min_free=off").code == 0
    assert child.wait(60) == 0
    db.each_once(300)


def test_warns_of_a_disk_that_is_too_small(db: Database, small_disk: str) -> None:
    db.tickets(1000)
    db.sql(f"ALTER TABLE ticket SET TABLESPACE {small_disk}")
    done = db.run(*RUN, "--dry-run", "--min-free", "60MB")
    assert "of disk free in /tmp/rt-" not in done.out
    done = db.run(*RUN, "--dry-run", "--min-free", "67MB")
    assert "warn       67 MB of disk free in /tmp/rt-" in done.out
    assert "without vacuum the table grows by" in done.out


def test_another_server_of_the_same_directory_is_not_taken_for_ours(db: Database) -> None:
    if not readable(db):
        pytest.skip("the server's directory may not be read by this user")
    here = files(db)
    assert find_free(here | {"started": here["started"] - 1000}) is None
    assert find_free(here | {"port": "1"}) is None
    assert find_free(here | {"data_directory": None}) is None
    assert find_free(here | {"data_directory": "/nowhere"}) is None


def test_a_role_that_may_not_know(db: Database) -> None:
    """Without --min-free nothing is said of what can't be known; with it the run is refused."""
    db.tickets(10)
    name = db.name
    db.sql(f"CREATE ROLE {name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name};"
           f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {name}")  # fmt: skip
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{name}@"))
    try:
        refused = db.run(*RUN, "--min-free", "2GB", env=environment)
        assert refused.code == 1
        assert "--min-free: free disk can't be seen from here" in refused.err
        done = db.run(*RUN, env=environment)
        assert (done.code, done.err) == (0, "")
        assert "disk" not in done.out
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")
