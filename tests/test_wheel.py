"""The wheel, as a stranger installs it: in a new environment, in a Django project of their own."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT, Database

ROWS = 10_000
SETTINGS = """
import dj_database_url_free as url

SECRET_KEY = "of a test"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "pgtrigger",
    "rotate_tokens",
    "app.accounts",
]
DATABASES = {"default": url.database()}
ROTATION_TARGET = "accounts.Account.api_key"
USE_TZ = True
"""
MODELS = """
import uuid

from django.db import models
from rotate_tokens.triggers import TokenGuard


class Account(models.Model):
    api_key = models.UUIDField(default=uuid.uuid4, unique=True)

    class Meta:
        triggers = [TokenGuard("api_key")]
"""
#: What a host has of its own; it reads the database's address as the tests give it.
URL = """
import os
from urllib.parse import parse_qs, unquote, urlsplit


def database():
    url = urlsplit(os.environ["DATABASE_URL"])
    host = parse_qs(url.query).get("host", [unquote(url.netloc.rpartition("@")[2].partition(":")[0])])[0]
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.lstrip("/"),
        "USER": url.username,
        "PASSWORD": url.password or "",
        "HOST": host,
        "PORT": url.port or "",
    }
"""
MANAGE = """
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "app.settings"
from django.core.management import execute_from_command_line

execute_from_command_line(sys.argv)
"""


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, PROJECT)
    if "hatchling" in built.stderr:
        pytest.skip(f"the wheel can't be built here, hatchling is not available: {built.stderr[-200:]}")
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture
def host(db: Database, wheel: Path, tmp_path: Path) -> Iterator[tuple[Path, Path, dict[str, str]]]:
    """A host's project and its environment, with the wheel in it. The database is empty."""
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    installed = run(python, "-m", "pip", "install", "-q", f"{wheel}[psycopg2]")
    if installed.returncode:
        pytest.skip(f"Django is not available for a new environment: {installed.stderr[-200:]}")
    accounts = tmp_path / "app" / "accounts"
    (accounts / "migrations").mkdir(parents=True)
    for path, text in {
        "manage.py": MANAGE,
        "dj_database_url_free.py": URL,
        "app/__init__.py": "",
        "app/settings.py": SETTINGS,
        "app/accounts/__init__.py": "",
        "app/accounts/models.py": MODELS,
        "app/accounts/migrations/__init__.py": "",
    }.items():
        (tmp_path / path).write_text(text)
    db.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    environment = {"DATABASE_URL": db.url, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    yield tmp_path, python, environment


def test_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    described = wheel.stem.split("-py3")[0] + ".dist-info"
    assert {name.split("/")[0] for name in names} == {
        "rotate_tokens",
        described,
    }
    shipped = {name.removeprefix("rotate_tokens/") for name in names}
    for path in (PROJECT / "sql").rglob("*.sql"):
        assert path.relative_to(PROJECT).as_posix() in shipped
    assert {"py.typed", "templates/rotation/live.html", "migrations/0001_initial.py"} <= shipped
    assert not any("__pycache__" in name for name in names)


def test_in_a_project_of_a_strangers(db: Database, host: tuple[Path, Path, dict[str, str]]) -> None:
    folder, python, environment = host

    def manage(*arguments: str) -> str:
        done = run(python, "manage.py", *arguments, cwd=folder, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    manage("check")
    manage("makemigrations", "accounts")
    manage("makemigrations", "--check", "--dry-run")
    manage("migrate", "-v", "0")
    db.sql(
        "INSERT INTO accounts_account (id, api_key)"
        f" SELECT n, gen_random_uuid() FROM generate_series(1, {ROWS}) AS n"
    )
    db.remember("accounts_account", "id", "api_key")
    done = manage("rotate_tokens_sql", "--window", "1000")
    assert f"verified by value: 0 of {ROWS} revoked tokens survive" in done
    changed = (
        "SELECT count(*) FROM before INNER JOIN accounts_account AS now ON now.id::text = before.id"
        " WHERE now.api_key::text <> before.token"
    )
    assert db.value(changed) == ROWS
    assert "is guarded by pgtrigger_" in manage("rotation", "guard", "status")
