"""With DEBUG=1 the page of an error, and whatever prints settings, shows no password."""

import subprocess
import sys
from urllib.parse import quote

import pytest

from tests.conftest import PROJECT, Database

PASSWORD = "gehe im#<x'y"
#: A page whose query fails: as runserver does, with the process's environment in the request.
PAGE = """
import os, django
django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
client.cookies['sessionid'] = 'x' * 32
for accept in ('text/html', 'text/plain'):
    page = client.get('/admin/', headers={'accept': accept}, **os.environ, HTTP_HOST='localhost')
    print(page.status_code, page.content.decode())
"""


@pytest.fixture(params=["u:{}@127.0.0.1:1/db", "u@127.0.0.1:1/db?password={}"])
def secret(db: Database, request: pytest.FixtureRequest) -> dict[str, str]:
    url = f"postgres://{request.param.format(quote(PASSWORD))}"
    return db.environment(DATABASE_URL=url, DEBUG="1", SECRET_KEY="k" * 30 + "<'")


def hidden(said: str, environment: dict[str, str]) -> None:
    for spelled in (PASSWORD, quote(PASSWORD), "gehe im", "gehe%20im", "k" * 30):
        assert spelled not in said


def test_page_of_an_error(secret: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PAGE], env=secret, cwd=PROJECT, capture_output=True, text=True
    )
    assert done.stdout.count("OperationalError") >= 2, done
    assert "500" in done.stdout
    assert "DATABASE_URL" in done.stdout
    hidden(done.stdout, secret)


@pytest.mark.parametrize(
    "command",
    ["check", "check --deploy", "diffsettings --all", "diffsettings --output unified", "migrate",
     "rotation status", "rotate_tokens_sql", "dbshell", "showmigrations", "shell -c 1/0"],
)  # fmt: skip
def test_commands(secret: dict[str, str], command: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *command.split()], env=secret, cwd=PROJECT, capture_output=True,
        text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    hidden(done.stdout + done.stderr, secret)
    assert "Traceback" not in done.stderr
