"""`rotation keys`: whose token was replaced."""

import csv
import io
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Database, Done, read_until

ROWS = 300


@pytest.fixture
def users(db: Database) -> Database:
    db.sql(
        'CREATE TABLE account (id int PRIMARY KEY, token uuid, "user,id" text, made text'
        " GENERATED ALWAYS AS ('x') STORED);"
        "INSERT INTO account (id, token, \"user,id\") SELECT n, gen_random_uuid(), 'Zoë ' || n"
        f" FROM generate_series(1, {2 * ROWS}, 2) AS n"
    )
    db.sql("INSERT INTO account (id, token) VALUES (1000, NULL)")
    db.watch("account", "id")
    return db


def rotate(db: Database, *flags: str) -> Done:
    return db.call("rotate_tokens_sql", "--table", "account", "--window", "50", *flags)


def listed(done: Done) -> list[list[str]]:
    assert done.code == 0, done.err
    return list(csv.reader(io.StringIO(done.out)))


def test_lists_every_rotated_row(users: Database) -> None:
    assert rotate(users, "--lanes", "4").code == 0
    done = users.call("rotation", "keys")
    head, *rows = listed(done)
    assert head == ["id"]
    assert sorted(int(key) for (key,) in rows) == list(range(1, 2 * ROWS, 2))
    assert done.err == "300 rows of rotation 1 of public.account.token\n"
    head, *rows = listed(users.call("rotation", "keys", "--columns", 'id,"user,id"'))
    assert head == ["id", "user,id"]
    assert sorted(rows)[0] == ["1", "Zoë 1"]


def test_lists_no_row_of_before_or_after(users: Database) -> None:
    assert rotate(users, "--lanes", "1", "--stop-after", "100").code == 3
    done = users.call("rotation", "keys")
    _, *rows = listed(done)
    assert sorted(int(key) for (key,) in rows) == list(range(1, 200, 2))
    assert done.err == "100 rows of rotation 1 of public.account.token, which is running\n"
    assert rotate(users).code == 0
    users.sql("INSERT INTO account (id, token) VALUES (2000, gen_random_uuid())")
    assert "300 rows" in users.call("rotation", "keys").err


def test_says_what_changed_since(users: Database) -> None:
    assert rotate(users).code == 0
    users.sql("DELETE FROM account WHERE id IN (1, 3)")
    assert "298 rows of rotation 1 of public.account.token; 2 rows that it rotated are no more" in (
        users.call("rotation", "keys").err
    )
    users.sql(
        "INSERT INTO account (id, token) SELECT n, gen_random_uuid() FROM generate_series(2, 6, 2) n"
    )
    assert "301 rows of rotation 1 of public.account.token; 1 row of them came later" in (
        users.call("rotation", "keys").err
    )


def test_a_row_left_over_is_not_listed(users: Database) -> None:
    users.sql("ALTER TABLE account ADD CHECK (id <> 7 OR token::text = token::text) NOT VALID;"
              "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
              " 'BEGIN RAISE EXCEPTION ''no''; END';"
              "CREATE TRIGGER refuse BEFORE UPDATE ON account FOR EACH ROW WHEN (OLD.id = 7)"
              " EXECUTE FUNCTION refuse()")  # fmt: skip
    assert rotate(users, "--ack-triggers").code == 4
    keys = [key for (key,) in listed(users.call("rotation", "keys"))]
    assert len(keys) == ROWS
    assert "7" not in keys


def test_an_earlier_rotation(users: Database) -> None:
    assert rotate(users).code == 0
    assert rotate(users, "--new").code == 0
    assert "rotation 1 of" in users.call("rotation", "keys", "--id", "1").err
    assert "rotation 2 of" in users.call("rotation", "keys").err
    done = users.call("rotation", "keys", "--id", "9")
    assert (done.code, "there is no rotation 9" in done.err) == (1, True)


def test_file_is_private(users: Database, tmp_path: Path) -> None:
    assert rotate(users).code == 0
    path = tmp_path / "keys.csv"
    path.write_text("of before")
    path.chmod(0o644)
    old = os.umask(0)
    try:
        done = users.call("rotation", "keys", "--output", str(path))
    finally:
        os.umask(old)
    assert done.code == 0
    assert done.out == f"{path}: 300 rows of rotation 1 of public.account.token\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().splitlines()) == ROWS + 1
    assert [one.name for one in tmp_path.iterdir()] == ["keys.csv"]


@pytest.mark.parametrize(
    ("columns", "code", "why"),
    [
        ("token", 2, "token holds the tokens, which are never shown"),
        ("id,token", 2, "token holds the tokens"),
        ("made", 2, "made is generated, perhaps from the token"),
        ("nothing", 2, "public.account has no column 'nothing'; it has id, token"),
        ("ID", 2, "has no column 'ID'"),
        ("", 2, "expected names separated by commas"),
        ("id,", 2, "expected names separated by commas"),
        ('"id', 2, "--columns"),
        ("id; DROP TABLE account", 2, "has no column"),
    ],
)
def test_columns_that_are_not_shown(
    users: Database, tmp_path: Path, columns: str, code: int, why: str
) -> None:
    assert rotate(users).code == 0
    path = tmp_path / "keys.csv"
    path.write_text("of before")
    done = users.call("rotation", "keys", "--columns", columns, "--output", str(path))
    assert (done.code, done.out) == (code, "")
    assert why in done.err
    assert path.read_text() == "of before"
    assert len(list(tmp_path.iterdir())) == 1


def test_file_that_can_not_be_written(users: Database, tmp_path: Path) -> None:
    assert rotate(users).code == 0
    for path in (tmp_path / "no" / "keys.csv", tmp_path):
        done = users.call("rotation", "keys", "--output", str(path))
        assert done.code == 2
        assert f"--output {path}: " in done.err
        assert len(done.err.splitlines()) == 1


def test_another_table_of_that_name(users: Database) -> None:
    assert rotate(users).code == 0
    users.sql("ALTER TABLE account RENAME TO before_that;"
              "CREATE TABLE account (id int PRIMARY KEY, token uuid)")  # fmt: skip
    done = users.call("rotation", "keys")
    assert (done.code, done.out) == (1, "")
    assert "is not the table that was rotated" in done.err


def test_no_rotation(users: Database) -> None:
    done = users.call("rotation", "keys")
    assert (done.code, "no rotation yet" in done.err) == (1, True)


def test_reader_that_has_enough(users: Database) -> None:
    users.sql("INSERT INTO account (id, token) SELECT n, gen_random_uuid()"
              " FROM generate_series(10001, 60000) AS n")  # fmt: skip
    assert rotate(users, "--window", "10000").code == 0
    child = users.start("rotation", "keys", stderr=subprocess.PIPE)
    read_until(child, "id")
    assert child.stdout
    assert child.stderr
    child.stdout.close()
    assert child.wait(30) == 3
    assert child.stderr.read() == "Stopped: nobody reads the output\n"


def test_what_holds_the_token_as_well_is_not_shown(db: Database) -> None:
    """As djangorestframework-api-key has it: the primary key ends with the token."""
    db.sql("CREATE TABLE client (id text PRIMARY KEY, prefix text NOT NULL UNIQUE, hashed text);"
           "INSERT INTO client SELECT n || '.' || md5(n::text), n, md5(n::text)"
           " FROM generate_series(1, 20) AS n")  # fmt: skip
    its = ("--table", "client", "--column", "hashed", "--walk", "prefix", "--format", "{hex:32}")
    assert db.call("rotate_tokens_sql", *its, "--also", "id=prefix || '.' || new_token").code == 0
    done = db.call("rotation", "keys", "--columns", "prefix,id")
    assert (done.code, done.out) == (2, "")
    assert "id was set by --also, perhaps from the token" in done.err
    assert len(db.call("rotation", "keys").out.split()) == 21
    # Without the column by which windows walked it is the primary key that would be listed.
    db.sql("ALTER TABLE client DROP prefix")
    done = db.call("rotation", "keys")
    assert (done.code, done.out) == (2, "")


def test_a_device_and_a_link_stay(users: Database, tmp_path: Path) -> None:
    assert rotate(users).code == 0
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    for path in (Path("/dev/null"), link):
        assert users.call("rotation", "keys", "--output", str(path)).code == 0
        assert stat.S_ISCHR(path.stat().st_mode)
    assert link.is_symlink()
    link.unlink()
    link.symlink_to(tmp_path / "keys.csv")
    assert users.call("rotation", "keys", "--output", str(link)).code == 0
    assert link.is_symlink()
    assert len((tmp_path / "keys.csv").read_text().splitlines()) == ROWS + 1
