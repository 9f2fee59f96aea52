"""A role that owns its table and nothing more, on managed servers that let it measure little."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import Database, Done, read_until

TABLE = ("--table", "account", "--column", "api_key", "--window", "5")
#: What Aurora and others don't let a role do, or can't.
WITHOUT = (
    "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_current_wal_lsn() FROM PUBLIC;"
    "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC"
)
METRICS = "from app.rotation.operations.metrics import collect; print(collect(['default']).decode())"
AURORA = """
    CREATE FUNCTION pg_catalog.aurora_replica_status(
        OUT server_id text, OUT session_id text, OUT replica_lag_in_msec float8
    ) RETURNS SETOF record LANGUAGE sql AS $$
        VALUES ('writer', 'MASTER_SESSION_ID', NULL), ('reader', 'a uuid', {}::float8)
    $$
"""


@dataclass
class Owner:
    """Runs commands as a role that has run `migrate`, and owns a table."""

    db: Database
    environment: dict[str, str]

    def __call__(self, *command: str) -> Done:
        return self.db.run(*command, env=self.environment)

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return self.db.start(*command, env=self.environment)


@pytest.fixture
def owner(db: Database) -> Iterator[Owner]:
    """In a database that was empty."""
    role = f"{db.name}_owner"
    db.sql(
        f"CREATE ROLE {role} LOGIN;DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION {role}"
    )
    its = Owner(db, db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@")))
    assert its("migrate", "-v", "0").code == 0
    db.sql(
        f"SET ROLE {role}; CREATE TABLE account (id bigint PRIMARY KEY, api_key uuid UNIQUE);"
        "INSERT INTO account SELECT n, gen_random_uuid() FROM generate_series(1, 20) AS n; RESET ROLE"
    )
    db.remember("account", "id", "api_key")
    yield its
    db.sql(f"DROP TABLE before; DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_owner_of_a_table_and_nothing_more(db: Database, owner: Owner) -> None:
    """With the default limits it rotates, proves and guards, and says what it could not see."""
    db.sql(WITHOUT)
    done = owner("rotate_tokens_sql", *TABLE)
    read = owner("shell", "-c", METRICS)
    assert 'rotation_database_up{database="default"} 1.0' in read.out
    assert done.code == 0, done.err
    assert done.out.count("can't see how far standbys are behind (insufficient privilege") == 1
    assert "windows don't wait for standbys, nor does the end" in done.out
    assert "GRANT pg_monitor, and EXECUTE ON FUNCTION pg_current_wal_lsn()" in done.out
    assert "0 of 20 revoked tokens survive" in done.out
    assert db.unchanged("account", "api_key") == 0
    old = db.value("SELECT token FROM before WHERE id = '3'")
    db.sql("UPDATE account SET api_key = %s WHERE id = 3", old)
    assert db.unchanged("account", "api_key") == 0
    assert owner("rotate_tokens_sql", *TABLE, "--new").code == 0
    assert owner("rotation", "verify").code == 0
    assert owner("rotation", "report", "--json").code == 0


@pytest.mark.parametrize(
    ("flag", "given", "what"),
    [
        ("--max-lag", "5", "how far standbys are behind"),
        ("--max-lag-bytes", "1MB", "how far standbys are behind"),
        ("--critical-lag", "60", "how far standbys are behind"),
        ("--max-wal", "1GB", "how much WAL is retained"),
        ("--critical-wal", "1GB", "how much WAL is retained"),
        ("--max-wal-rate", "1GB/s", "how much WAL is written"),
    ],
)
def test_a_limit_that_was_asked_for(
    db: Database, owner: Owner, flag: str, given: str, what: str
) -> None:
    db.sql(WITHOUT)
    done = owner("rotate_tokens_sql", *TABLE, flag, given)
    assert done.code == 1
    assert f"this role can't see {what}" in done.err
    assert f"or run with {flag} off" in done.err
    assert len(done.err.splitlines()) == 1
    assert owner("rotate_tokens_sql", *TABLE, flag, "off").code == 0


def test_a_standby_that_was_asked_for(db: Database, owner: Owner) -> None:
    db.sql(WITHOUT)
    done = owner("rotate_tokens_sql", *TABLE, "--standby", "one")
    assert done.code == 1
    assert "or run without --standby" in done.err


def test_a_limit_tuned_meanwhile_holds_windows_back(db: Database, owner: Owner) -> None:
    db.sql(WITHOUT)
    child = owner.start("rotate_tokens_sql", *TABLE, "--max-rate", "4")
    read_until(child, "completed: ")
    assert owner("rotation", "tune", "max_lag=5").code == 0
    assert "replica lag could not be measured" in read_until(child, "throttled: replica lag")
    assert owner("rotation", "tune", "max_lag=default", "max_rate=off").code == 0
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out


def test_readers_of_aurora(db: Database, owner: Owner) -> None:
    db.sql(WITHOUT)
    db.sql(AURORA.format(12.5))
    done = owner("rotate_tokens_sql", *TABLE, "--max-lag", "5", "--standby", "reader")
    assert done.code == 0, done.err
    assert "; replayed by reader" in done.out
    assert "can't see how far" not in done.out


def test_a_reader_of_aurora_that_is_behind(db: Database, owner: Owner) -> None:
    db.sql(WITHOUT)
    db.sql(AURORA.format(20_000))
    child = owner.start("rotate_tokens_sql", *TABLE)
    assert "replica lag 20 s on reader (limit 10 s)" in read_until(child, "throttled: replica lag")
    db.sql(AURORA.format(1).replace("CREATE", "CREATE OR REPLACE"))
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out


@pytest.mark.parametrize("view", ["pg_prepared_xacts", "pg_replication_slots", "pg_stat_replication"])
def test_views_that_only_tell_what_holds_vacuum_back(db: Database, owner: Owner, view: str) -> None:
    db.sql(f"REVOKE SELECT ON pg_catalog.{view} FROM PUBLIC")
    done = owner("rotate_tokens_sql", *TABLE)
    assert done.code == 0, done.err
    assert done.out.count(f"this role may not read {view}: what holds vacuum back is not named") == 1
    assert f"GRANT SELECT ON {view} to change that" in done.out
    assert "vacuum skipped" not in done.out
    assert db.unchanged("account", "api_key") == 0


@pytest.mark.parametrize("view", ["pg_locks", "pg_stat_activity"])
def test_views_that_the_proof_needs(db: Database, owner: Owner, view: str) -> None:
    """Before anything is written, and by its name when it is revoked meanwhile."""
    db.sql(f"REVOKE SELECT ON pg_catalog.{view} FROM PUBLIC")
    done = owner("rotate_tokens_sql", *TABLE)
    assert done.code == 1
    assert f"may not read {view}, which tells who else writes to the table: GRANT SELECT" in done.err
    assert len(done.err.splitlines()) == 1
    assert db.value("SELECT count(*) FROM rotation") == 0


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("FUNCTION pg_catalog.pg_get_replication_slots()", "pg_get_replication_slots"),
        ("FUNCTION pg_catalog.pg_prepared_xact()", "pg_prepared_xact"),
        ("FUNCTION pg_catalog.pg_lock_status()", "pg_lock_status"),
        ("TABLE pg_catalog.pg_roles", "pg_roles"),
    ],
)
def test_others_are_named(db: Database, owner: Owner, what: str, name: str) -> None:
    """PostgreSQL's error says what the role may not use, without PostgreSQL's text."""
    db.sql(f"REVOKE ALL ON {what} FROM PUBLIC")
    done = owner("rotate_tokens_sql", *TABLE)
    assert done.code == 1
    assert f"insufficient privilege for {name} (SQLSTATE 42501)" in done.err
    assert len(done.err.splitlines()) == 1
    assert db.unchanged("account", "api_key") == 20
