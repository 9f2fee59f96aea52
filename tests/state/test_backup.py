"""What docs/upgrade.md says of dumps, of old backups, and of removing it all."""

import subprocess
from pathlib import Path

from tests.conftest import Database
from tests.proof.account import ACCOUNT, left, make, old, rotate, still_guards


def tool(db: Database, name: str, *arguments: str) -> str:
    """Run pg_dump or pg_restore; what it complained of."""
    address = ("-h", str(db.server.sockets), "-U", "postgres")
    command = [str(db.server.binaries / name), *address, *arguments]
    return subprocess.run(command, capture_output=True, text=True).stderr


def test_an_unfinished_rotation_is_restored_elsewhere(db: Database, tmp_path: Path) -> None:
    """It can't be continued there: cancelled, and done again, with all that was revoked before."""
    make(db)
    stopped = db.run("rotate_tokens_sql", *ACCOUNT, "--window", "5", "--stop-after", "5")
    assert stopped.code == 3, stopped.err
    there = Database(db.server, f"{db.name}_copy")
    db.sql(f"CREATE DATABASE {there.name} TEMPLATE template0")
    try:
        dump = str(tmp_path / "dump")
        assert tool(db, "pg_dump", "-Fc", "-f", dump, db.name) == ""
        assert tool(db, "pg_restore", "--exit-on-error", "-d", there.name, dump) == ""
        done = there.run("rotate_tokens_sql", *ACCOUNT)
        assert (done.code, "another table has taken that name" in done.err) == (1, True), done.err
        assert there.run("rotation", "cancel").code == 0
        done = there.run("rotate_tokens_sql", *ACCOUNT)
        assert "0 of 40 revoked tokens survive" in done.out, done.err
        still_guards(there)
        assert there.run("rotation", "guard", "status", *ACCOUNT).code == 0
    finally:
        db.sql(f"DROP DATABASE {there.name} WITH (FORCE)")


def test_an_old_backup_of_the_table_comes_back(db: Database, tmp_path: Path) -> None:
    """Row by row the guard refuses it; as a whole it is another table, which the next run rotates."""
    make(db)
    dump = str(tmp_path / "dump")
    assert tool(db, "pg_dump", "-Fc", "-t", "account", "-f", dump, db.name) == ""
    rotate(db)
    db.sql("TRUNCATE account")
    assert "this token was revoked" in tool(db, "pg_restore", "--data-only", "-d", db.name, dump)
    assert db.value("SELECT count(*) FROM account") == 0
    assert tool(db, "pg_restore", "--clean", "-d", db.name, dump) == ""
    assert left(db) == 20
    status = db.run("rotation", "guard", "status", *ACCOUNT)
    assert (status.code, "revoked tokens can be written to it" in status.err) == (1, True), status.err
    verified = db.run("rotation", "verify", *ACCOUNT)
    assert (verified.code, "20 of 20 revoked tokens survive" in verified.err) == (4, True), verified
    rotate(db)
    assert left(db) == 0
    still_guards(db)


def test_removed(db: Database) -> None:
    """With the guard that the run has installed; the tokens stay, and the old ones are let in again."""
    make(db)
    rotate(db)
    assert db.run("migrate", "rotation", "zero", "-v", "0").code == 0
    assert db.sql("SELECT tgname FROM pg_trigger WHERE tgrelid = 'account'::regclass") == []
    assert db.sql("SELECT relname FROM pg_class WHERE relname ~ '^(rotation|batchprogress)'") == []
    assert left(db) == 0
    db.sql("UPDATE account SET api_key = %s WHERE id = 3", old(db))
    assert left(db) == 1
