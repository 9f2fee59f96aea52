"""What a message says to do next is right: after --new, of a failed rotation, of a list, of any year."""

from pathlib import Path

import pytest

from app.rotation.schema import GRANTED
from tests.conftest import PROJECT, Database, until
from tests.management.test_starts import shell
from tests.proof.account import ACCOUNT, make, old, rotate

PARTLY = "ALTER TABLE account ADD CONSTRAINT few CHECK (id <> 7 OR note = 'y') NOT VALID"
TIMES = ("infinity", "-infinity", "20000-01-01", "4000-01-01 BC", "9999-12-31 23:59:59+00")


def test_after_new_the_next_step_is_without_it(db: Database) -> None:
    """The same command would begin another rotation, or be refused."""
    make(db)
    rotate(db)
    db.sql(PARTLY)
    done = rotate(db, "--new", code=4)
    assert "run the same command again without --new" in done.err
    assert done.err.count("without --new") == 1
    assert db.value("SELECT count(*) FROM rotation") == 2
    db.sql("ALTER TABLE account DROP CONSTRAINT few")
    rotate(db)
    assert db.value("SELECT count(*) FROM rotation") == 2
    db.sql(PARTLY)
    assert "again without" not in rotate(db, "--new", "--leaked", "nosuch", code=2).err  # not begun


def test_stopped_after_new(slow: Database) -> None:
    slow.run("rotation", "cancel")
    child = slow.start("rotate_tokens_sql", "--new", "--window", "50", "--max-rate", "100")
    until(lambda: slow.value("SELECT count(*) FROM rotation_window WHERE rotation_id = 2"))
    child.terminate()
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 3
    assert out.count("run the same command again without --new to continue") == 1


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE rotation_window RENAME rows TO gone",
        "ALTER TABLE batchprogress RENAME updated_at TO gone",
        "DROP TABLE rotation_window",
        "ALTER TABLE rotation RENAME TO gone",
        "REVOKE SELECT ON rotation_window FROM {0}",
        "ALTER TABLE ticket OWNER TO postgres; DROP OWNED BY {0}; DROP ROLE {0}",
    ],
)
@pytest.mark.long
def test_failed_where_the_state_can_no_longer_be_read(db: Database, change: str) -> None:
    """Whoever notices first, worker or monitor. How much is done is not known; that it stays is."""
    role = f"gone_{db.name}"
    db.tickets(3000)
    granted = ", ".join(GRANTED)
    db.sql(
        f"CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};"
        f"GRANT EXECUTE ON FUNCTION {granted} TO {role}; ALTER TABLE ticket OWNER TO {role}"
    )
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
    try:
        # Between two windows, most of the time.
        child = db.start("rotate_tokens_sql", "--window", "50", "--max-rate", "20", env=environment)
        until(lambda: db.value("SELECT count(*) FROM rotation_window") > 1)
        db.sql(change.format(role))
        out, _ = child.communicate(timeout=30)
        assert child.returncode == 1, out
        assert "; what was committed stays; then run the same command again" in out
    finally:
        db.sql(
            f"ALTER TABLE ticket OWNER TO postgres; DROP OWNED BY {role}; DROP ROLE {role}"
            if db.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", role)
            else "SELECT 1"
        )


def test_status_of_a_failed_rotation(db: Database) -> None:
    make(db)
    db.sql(PARTLY)
    rotate(db, code=4)
    said = db.call("rotation", "status").out.splitlines()[0]
    assert "failed: id 7 can't be updated: check violation of constraint few (SQLSTATE 23514)" in said
    assert (
        "; run python manage.py rotate_tokens_sql --table public.account --column api_key to continue"
        in said
    )


def test_status_of_a_rotation_with_survivors(db: Database) -> None:
    make(db)
    rotate(db, "--no-guard")
    db.sql("UPDATE account SET api_key = %s WHERE id = 3", old(db))
    assert db.call("rotation", "verify").code == 4
    assert "failed: 1 of 20 revoked tokens survive" in db.call("rotation", "status").out
    assert "left for the end" not in db.call("rotation", "status").out


def test_one_command_for_one_row(db: Database, tmp_path: Path) -> None:
    """A survivor that is listed, too, is rotated by the command that is named; one is named."""
    make(db)
    rotate(db, "--no-guard")
    db.sql("UPDATE account SET api_key = %s WHERE id = 3", old(db))
    leaked = tmp_path / "leaked"
    listed = db.value("SELECT api_key::text FROM account WHERE id = 4")
    leaked.write_text(f"{old(db)}\n{listed}\n")
    done = db.call("rotation", "verify", "--leaked", str(leaked))
    assert done.code == 4
    assert done.err.count("run python manage.py rotate_tokens_sql") == 1
    assert f"id 3, 4; give that command --leaked {leaked} to rotate them" in done.err
    rotate(db, "--no-guard", "--leaked", str(leaked))
    kept = {token for (token,) in db.sql("SELECT api_key::text FROM account")}
    assert not kept & {old(db), listed}


def test_a_list_without_the_right_to_make_temporary_tables(db: Database, tmp_path: Path) -> None:
    make(db)
    role = f"lists_{db.name}"
    (tmp_path / "leaked").write_text(f"{old(db)}\n")
    db.sql(f"CREATE ROLE {role} LOGIN; REVOKE TEMPORARY ON DATABASE {db.name} FROM PUBLIC;"
           f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; ALTER TABLE account OWNER TO {role};"
           f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};"
           f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role}")  # fmt: skip
    try:
        env = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
        command = ("rotate_tokens_sql", *ACCOUNT, "--leaked", str(tmp_path / "leaked"))
        done = db.run(*command, env=env)
        assert done.code == 1, done
        assert "--leaked needs TEMPORARY on the database" in done.err
        assert len(done.err.splitlines()) == 1
        assert db.value("SELECT count(*) FROM rotation") == 0
    finally:
        db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_a_database_of_another_encoding(db: Database, tmp_path: Path) -> None:
    name = f"ascii_{db.name}"
    db.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    other = Database(db.server, name)
    try:
        other.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        assert other.run("migrate", "-v", "0").code == 0
        make(other)
        assert other.run("rotate_tokens_sql", *ACCOUNT).code == 0
        with other.connect() as connection, connection.cursor() as cursor:
            connection.set_client_encoding("SQL_ASCII")
            cursor.execute(b'CREATE TABLE "a\xe4" (id int PRIMARY KEY, api_key uuid)')
            connection.commit() if not connection.autocommit else None
        done = other.run("rotate_tokens_sql", *ACCOUNT, "--new")
        assert (done.code, len(done.err.splitlines())) == (1, 1)
        assert "a text there is not valid UTF-8 (is the database's encoding SQL_ASCII?)" in done.err
    finally:
        db.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("column", ["created_at", "started_at", "finished_at", "verified_at"])
def test_times_of_any_year(db: Database, column: str) -> None:
    from django.contrib.auth.models import User
    from django.test import Client, override_settings

    make(db)
    rotate(db)
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.create_superuser("root"))
    pages = ("", "1/change/", "1/live/", "1/status.json", "1/report/")
    for moment in TIMES:
        db.sql(f"UPDATE rotation SET {column} = %s", moment)
        for command in (("status",), ("status", "--json"), ("history",), ("report", "--json")):
            assert db.call("rotation", *command).code == 0, (moment, command)
        for page in pages:
            with override_settings(TIME_ZONE="Asia/Tokyo"):
                got = client.get(f"/admin/rotation/rotation/{page}")
            assert got.status_code == 200, (moment, page)
    db.sql("UPDATE batchprogress SET updated_at = 'infinity'")
    assert db.call("rotation", "status").code == 0


ROUTERS = """
class Elsewhere:
    def db_for_read(self, model, **hints):
        return "other"
    db_for_write = db_for_read
    def allow_relation(self, *objects, **hints):
        return False
    def allow_migrate(self, db, app_label, **hints):
        return db == "other"
class Raises:
    def db_for_read(self, model, **hints):
        raise RuntimeError("asked")
    db_for_write = allow_relation = db_for_read
"""
OTHER = "DATABASES['other'] = {**DATABASES['default'], 'NAME': 'nosuch'}\n"
PROJECTS = {
    "routers elsewhere": OTHER + "DATABASE_ROUTERS = ['routers.Elsewhere']",
    "routers that raise": "DATABASE_ROUTERS = ['routers.Raises']",
    "AUTOCOMMIT": "DATABASES['default']['AUTOCOMMIT'] = False",
    "ATOMIC_REQUESTS": "DATABASES['default']['ATOMIC_REQUESTS'] = True",
    "USE_TZ": "USE_TZ = False\nTIME_ZONE = 'Asia/Tokyo'",
    "a backend on top": "DATABASES['default']['ENGINE'] = 'backend'",
}


@pytest.mark.parametrize("settings", PROJECTS)
def test_settings_of_a_project(db: Database, tmp_path: Path, settings: str) -> None:
    """They change nothing: the state and the rows are where they are."""
    (tmp_path / "routers.py").write_text(ROUTERS)
    (tmp_path / "project.py").write_text(f"from app.settings import *\n{PROJECTS[settings]}\n")
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "base.py").write_text(
        "from django.db.backends.postgresql.base import DatabaseWrapper as Base\n"
        "class DatabaseWrapper(Base):\n    display_name = 'another'\n"
    )
    also = {"PYTHONPATH": f"{tmp_path}:{PROJECT}", "DJANGO_SETTINGS_MODULE": "project"}
    db.tickets(40)
    for command in (
        "rotate_tokens_sql --ack-triggers --window 7",
        "rotation status --json",
        "rotation history",
        "rotation verify",
        "rotation report --html /dev/null",
        "rotation guard status",
    ):
        done = shell(db, f"exec $F {command}", **also)
        assert (done.returncode, done.stderr) == (0, ""), command
    db.each_once(40)


def test_a_router_that_keeps_the_state_out(db: Database, tmp_path: Path) -> None:
    (tmp_path / "routers.py").write_text(ROUTERS)
    (tmp_path / "project.py").write_text(
        f"from app.settings import *\n{PROJECTS['routers elsewhere']}\n"
    )
    also = {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "project"}
    db.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    assert shell(db, "exec $M migrate -v 0", **also).returncode == 0
    done = shell(db, "exec $M rotation status", **also)
    assert done.returncode == 1
    assert "DATABASE_ROUTERS keep the rotation's state out of database default" in done.stderr
