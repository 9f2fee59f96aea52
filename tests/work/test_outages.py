"""What is no outage, or never ends: a time limit, a server that accepts no writes, a pooler's mode."""

import subprocess
from contextlib import closing
from functools import partial

import pytest
from django.db import connection

from app.rotation.engine.options import Options
from app.rotation.management.commands import rotate_tokens_sql
from tests.conftest import Database, until
from tests.work.gates import RUN, gate
from tests.work.pooler import PGBOUNCER, pooler

needs_pgbouncer = pytest.mark.skipif(not PGBOUNCER, reason="PgBouncer is not installed")


@needs_pgbouncer
@pytest.mark.long
def test_a_poolers_time_limit_is_no_outage(db: Database) -> None:
    """It cuts each window, however often that is repeated; the database answers all the time."""
    db.tickets(250)
    with pooler(db, query_timeout=1) as limited, gate(db, "ticket", "BEFORE UPDATE"):
        done = db.run(*RUN, env=db.environment(DATABASE_URL=limited.url))
    assert done.code == 3
    assert "the connection was cut 5 times in a row" in done.err
    assert "a time limit of a proxy or pooler (query_timeout)? raise it" in done.err
    db.agrees()
    assert db.run(*RUN).code == 0
    db.each_once(250)


@pytest.mark.long
@needs_pgbouncer
@pytest.mark.parametrize(
    "command", [("rotate_tokens_sql", "--dry-run"), ("rotation", "verify")], ids=" ".join
)
def test_pooler_that_allows_no_transactions(db: Database, command: tuple[str, ...]) -> None:
    db.tickets(10)
    with pooler(db, "statement") as statements:
        done = db.run(*command, env=db.environment(DATABASE_URL=statements.url))
    assert done.code == 3
    assert "a pooler" in done.err or "of the pooler before it" in done.err
    assert len(done.err.splitlines()) == 1


@needs_pgbouncer
def test_a_run_waits_for_a_pooler_that_allows_transactions(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.tickets(10)
    # It waits for a minute.
    monkeypatch.setattr(rotate_tokens_sql, "Options", partial(Options, outage_seconds=5))
    with pooler(db, "statement") as statements:
        monkeypatch.setitem(connection.settings_dict, "HOST", str(statements.home))
        monkeypatch.setitem(connection.settings_dict, "PORT", "6432")
        done = db.call("rotate_tokens_sql")
        connection.close()
    assert done.code == 3
    assert "no database for 5 s" in done.err
    assert "pool_mode=statement" in done.err
    assert len(done.err.splitlines()) == 1


def test_server_that_accepts_no_more_writes(db: Database) -> None:
    """As an old primary after a failover; then it is one again."""
    db.tickets(250)
    with gate(db, "ticket", "BEFORE UPDATE"):
        child = db.start(*RUN)
        until(lambda: db.value("SELECT count(*) FROM rotation_window"))
        db.sql(f"ALTER DATABASE {db.name} SET default_transaction_read_only = on")
        db.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'rotate_tokens%%'"
        )
    said = wait_for(child, "still no database: the server accepts no writes")
    assert "point DATABASE_URL at the primary" in said
    with closing(db.connect(options="-c default_transaction_read_only=off")) as admin:
        admin.cursor().execute(f"ALTER DATABASE {db.name} RESET ALL")
    assert child.wait(60) == 0
    db.each_once(250)


def wait_for(child: "subprocess.Popen[str]", text: str) -> str:
    said = ""
    for line in child.stdout or []:
        said += line
        if text in line:
            return said
    raise AssertionError(said)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        ([5.0, 5.1, 5.0, 5.3, 5.1], "a time limit"),
        ([1.0, 1.01, 1.02, 1.0, 1.1], "a time limit"),
        ([9.0, 5.0, 5.1, 5.0, 5.3, 5.1], "a time limit"),
        ([5.0, 5.1, 5.0, 5.3], ""),
        ([5.0, 9.0, 5.0, 5.3, 5.1], ""),
        ([0.1, 0.1, 0.1, 0.1, 0.1], ""),  # a pooler accepts connections for a server that is down
        (
            [float(n % 7) for n in range(61)],
            "lost 61 times, and nothing was done",
        ),
        ([float(n % 7) for n in range(60)], ""),
        ([], ""),
    ],
)
def test_what_no_outage_explains(seconds: list[float], says: str) -> None:
    from app.rotation.engine.db.losses import Losses

    losses = Losses()
    for one in seconds:
        losses.note(one)
    assert says in losses.hopeless
    assert bool(says) == bool(losses.hopeless)
    losses.answered(worked=False)
    assert bool(says) == bool(losses.hopeless)
    losses.answered(worked=True)
    assert not losses.hopeless
