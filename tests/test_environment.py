"""What a person gets wrong in the environment: one line that names the variable, and no password."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.environment import read_databases
from tests.conftest import PROJECT, Database

SECRET = "geheim"
MISTAKES = {
    "": "it is empty",
    " ": "it is empty",
    "host=h dbname=x": "it is no URL",
    "garbage": "it is no URL",
    f"postgres://u:{SECRET}@[h/db": "it is no URL",
    f"mysql://u:{SECRET}@h/db": "mysql:// is not PostgreSQL",
    f"postgis://u:{SECRET}@h/db": "postgis:// is not PostgreSQL",
    f"mssql://u:{SECRET}@h/db": "mssql:// is not PostgreSQL",
    "sqlite://:memory:": "sqlite:// is not PostgreSQL",
    f"jdbc:postgresql://h/db?password={SECRET}": "jdbc:// is not PostgreSQL",
    f"postgres://u:{SECRET}@h1,h2/db": "it names several hosts",
    f"postgres://u:{SECRET}@h1:5432,h2:5432/db": "it names several hosts",
    f"postgres://u:{SECRET}@h:54x/db": "its port is no number",
    f"postgres://u:{SECRET}@h:99999/db": "its port is no number",
    f"postgres://u:{SECRET}@h:0/db": "its port is no number",
    f"postgres://u:{SECRET}/x@h/db": "a password has an unquoted sign",
    f"postgres://u:{SECRET}#x@h/db": "a password has an unquoted sign",
    f"postgres://u:{SECRET}?x@h/db": "a password has an unquoted sign",
    f"postgres://u:{SECRET}@h": "it names no database",
    f"postgres://u:{SECRET}%x@h/db": "a % in its user, password or host must be written %25",
    f"postgres://u:{SECRET}@h/db?currentSchema=a&options=-cjit%3Doff": "currentSchema and options",
    f"postgres://u:{SECRET}@h/": "it names no database",
    f"postgres://u:{SECRET}@h/db#x": "a # in it must be written %23",
    f"postgres://u:{SECRET}@h/db?pgbouncer=true": "libpq has no option 'pgbouncer'",
    f"postgres://u:{SECRET}@h/db?pool=true": "libpq has no option 'pool'",
    f"postgres://u:{SECRET}@h/db?schema=public": "libpq has no option 'schema'",
    f"postgres://u:{SECRET}@h/db?sslmode=require&connection_limit=5": "no option 'connection_limit'",
    f"postgres:u:{SECRET}@h/db": "it lacks the // after postgres:",
    f"postgres:/u:{SECRET}@h/db": "it lacks the // after postgres:",
    f"postgres://u:12/{SECRET}@h/db": "a / or @ in its database's name (or in a password)",
    f"postgres://u:12/x?{SECRET}@h/db": "after its ? are no options (or a password",
    f"postgres://u:12/x?{SECRET}&x@h/db": "after its ? are no options (or a password",
    f"postgres://u%00:{SECRET}@h/db": "not UTF-8, in its user",
    f"postgres://u:{SECRET}%00@h/db": "not UTF-8, in its password",
    f"postgres://u:{SECRET}%ff@h/db": "not UTF-8, in its password",
    f"postgres://u:{SECRET}\udcff@h/db": "not UTF-8, in its password",
    f"postgres://u:{SECRET}@h%1b[m%0a/db": "it is no URL",
    f"postgres://u:{SECRET}@h%1bm/db": "not UTF-8, in its host",
    f"postgres://u:{SECRET}@h%0a/db": "not UTF-8, in its host",
    f"postgres://u:{SECRET}@h/db%00": "not UTF-8, in its database's name",
    f"postgres://u:{SECRET}@h/db?application_name=%0a": "not UTF-8, in its options",
    f"postgres://u:{SECRET}@h/db?sslmode=disable&sslmode=require": "it says its sslmode twice",
    f"postgres://u:{SECRET}@h/db?dbname=other": "it says its dbname twice",
    f"postgres://u:{SECRET}@h/db?host=other": "it says its host twice",
}


def manage(**environment: str) -> "subprocess.CompletedProcess[str]":
    """`manage.py check` with only these variables of ours."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DATABASE_URL") and name not in ("HTTPS", "DJANGO_SETTINGS_MODULE")
    }
    return subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), "check"],
        env=plain | environment, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_URL_SHARD"])
@pytest.mark.parametrize("url", MISTAKES)
def test_url(url: str, variable: str) -> None:
    good = {"DATABASE_URL": "postgres://u:p@h/db"}
    with pytest.raises(Exception) as caught:
        read_databases(good | {variable: url})
    assert type(caught.value).__name__ == "ImproperlyConfigured"
    said = str(caught.value)
    assert said.startswith(f"{variable} can't be used: ")
    assert MISTAKES[url] in said
    assert SECRET not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"DATABASE_URL": f"mysql://u:{SECRET}@h/db"}, "DATABASE_URL can't be used: mysql://"),
        (
            {"DATABASE_URL": "postgres://h/db", "DATABASE_URL_DEFAULT": "postgres://h/db"},
            "DATABASE_URL_DEFAULT: the default database is DATABASE_URL",
        ),
        ({"DATABASE_URL_DEFAULT": "postgres://h/db"}, "the default database is DATABASE_URL"),
        ({"DATABASE_URL_": "postgres://h/db"}, "the default database is DATABASE_URL"),
        (
            {"DATABASE_URL_A": "postgres://h/db", "DATABASE_URL_a": "postgres://h/db"},
            "names the same database; unset one",
        ),
        ({"DEBUG": "true"}, "DEBUG=true: expected 0 or 1, or nothing"),
        ({"HTTPS": "of"}, "HTTPS=of: expected on or off, or nothing"),
        ({"PROXY": "yes"}, "PROXY=yes: expected 0 or 1, or nothing"),
        ({"METRICS": "on"}, "METRICS=on: expected 0 or 1, or nothing"),
        ({"DJANGO_SETTINGS_MODULE": "app.setings"}, "DJANGO_SETTINGS_MODULE"),
    ],
)
def test_a_mistake_is_one_line_of_manage_py(environment: dict[str, str], says: str) -> None:
    done = manage(**environment)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.startswith("manage.py: ")
    assert len(done.stderr.splitlines()) == 1
    assert SECRET not in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "postgres:///db",
        "postgres:///db?host=/tmp/sockets&port=6432&user=u",
        "postgresql://u:p%40%23@h:6432/db?sslmode=require&application_name=x",
        "postgres://postgres@%2Ftmp%2Fsockets/db",
        "pgsql://u@[::1]:5432/db?currentSchema=tenant",
    ],
)
def test_what_can_be_used(url: str) -> None:
    assert read_databases({"DATABASE_URL": url})["default"]["NAME"] == "db"


def test_options_are_texts() -> None:
    """As libpq reads them: neither zeros nor a plus sign of a password get lost; nor do capitals."""
    url = "postgres://%2FTmp%2FSockets/db?password=0815&application_name=a+b&user=true"
    read = read_databases({"DATABASE_URL": url})["default"]
    assert read["HOST"] == "/Tmp/Sockets"
    assert str(read["OPTIONS"]["password"]) == "0815"
    assert (read["OPTIONS"]["application_name"], read["OPTIONS"]["user"]) == ("a+b", "true")


def test_a_service_file(db: Database, tmp_path: Path) -> None:
    its = db.server.address(db.name)
    lines = [f"{name}={value}" for name, value in its.items()]
    (tmp_path / "pg_service.conf").write_text("\n".join(["[tickets]", *lines, ""]))
    done = db.run(
        *("rotation", "status"),
        env=db.environment(
            DATABASE_URL="postgres:///?service=tickets",
            PGSERVICEFILE=str(tmp_path / "pg_service.conf"),
        ),
    )
    assert (done.code, done.err) == (0, "")
    assert "no rotation yet" in done.out


def test_without_one_it_is_the_embedded_server() -> None:
    assert read_databases({})["default"]["ENGINE"] == "app.localpg"
