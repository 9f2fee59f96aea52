"""What of the state is not there: a caller's temporary views are not taken for it."""

import subprocess
from contextlib import closing, suppress

import psycopg2
import pytest

from tests.conftest import Database
from tests.proof.account import old

EVIL = """
    CREATE FUNCTION pg_temp.evil() RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN
        IF current_user <> '{0}' THEN EXECUTE 'ALTER ROLE {0} SUPERUSER'; END IF;
        RETURN 0;
    END $$;
    CREATE TEMP VIEW rotation AS SELECT 1 AS id, pg_temp.evil() AS verifying_at;
    CREATE TEMP VIEW rotation_revoked AS SELECT 1 AS rotation_id, 1 AS set_id, pg_temp.evil() AS hash;
    CREATE TEMP VIEW rotation_revoked_1_since AS SELECT pg_temp.evil() AS last_value;
    CREATE TEMP VIEW rotation_revoked_system AS SELECT pg_temp.evil() AS last_value;
    GRANT SELECT ON rotation, rotation_revoked, rotation_revoked_1_since TO PUBLIC;
    GRANT SELECT ON rotation_revoked_system TO PUBLIC;
"""
GONE = {
    "parent": "DROP TABLE rotation_revoked CASCADE",
    "set": "DROP TABLE rotation_revoked_1; DROP SEQUENCE rotation_revoked_1_since",
    "sequence": "DROP SEQUENCE rotation_revoked_1_since",
    "system": "DROP SEQUENCE rotation_revoked_system CASCADE",
    "rotations": "DROP TABLE rotation CASCADE",
    "renamed": "ALTER TABLE rotation_revoked RENAME TO revoked_of_may",
    "both renamed": "ALTER TABLE rotation_revoked RENAME TO revoked_of_may;"
    "ALTER TABLE rotation_revoked_1 RENAME TO revoked_of_may_1",
    "moved": "CREATE SCHEMA kept; ALTER TABLE rotation_revoked SET SCHEMA kept;"
    "ALTER TABLE rotation_revoked_1 SET SCHEMA kept",
}


def becomes_superuser(db: Database, role: str, token: str) -> bool:
    """Whether a role that may only write to the table gains anything by views of its own."""
    db.sql(f"GRANT INSERT, UPDATE, SELECT ON account TO {role}")
    writes = [
        "INSERT INTO account VALUES (901, gen_random_uuid())",
        f"INSERT INTO account VALUES (902, '{token}')",
        "UPDATE account SET api_key = gen_random_uuid() WHERE id = 3",
        f"UPDATE account SET api_key = '{token}' WHERE id = 4",
    ]
    with closing(db.connect(user=role)) as mallory, mallory.cursor() as cursor:
        cursor.execute(EVIL.format(role))
        for isolation in ("READ COMMITTED", "REPEATABLE READ"):
            for write in writes:
                # Whatever becomes of the write: only the role's rights are asked for here.
                with suppress(psycopg2.Error):
                    cursor.execute(f"BEGIN ISOLATION LEVEL {isolation}; {write}")
                cursor.execute("COMMIT")
    return bool(db.value("SELECT rolsuper FROM pg_roles WHERE rolname = %s", role))


@pytest.mark.parametrize("gone", GONE.values(), ids=GONE)
def test_part_of_the_state_is_gone(rotated: Database, runner: str, gone: str) -> None:
    rotated.sql(gone)
    assert not becomes_superuser(rotated, runner, old(rotated))


def test_dump_without_the_set(rotated: Database, runner: str) -> None:
    """The set is large, and holds hashes only: somebody may leave it out."""
    db = rotated
    tool = ["-h", str(db.server.sockets), "-U", "postgres"]
    dump = [str(db.server.binaries / "pg_dump"), *tool, "-T", "rotation_revoked*", db.name]
    text = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    name = f"{db.name}_copy"
    db.sql(f"CREATE DATABASE {name}")
    copy = Database(db.server, name)
    try:
        load = [str(db.server.binaries / "psql"), "-q", *tool, name]
        subprocess.run(load, input=text, text=True, capture_output=True, check=True)
        assert not becomes_superuser(copy, runner, old(db))
    finally:
        copy.sql(f"DROP OWNED BY {runner}")
        db.sql(f"DROP DATABASE {name} WITH (FORCE)")
