"""What the demo counts, and its site: it can be reached and signed in to, and leaves nothing behind."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from app.rotation.engine.db.statements import load
from tests.conftest import PROJECT, Database, read_until, until

# The demo itself would use this checkout's own embedded server, and replace somebody's tickets.
SHOW = "import django; django.setup(); from app.tickets.site import show; show(20_000)"


def sign_in(address: str, user: str, password: str) -> Callable[[str], str]:
    """Sign in as a browser does; return what gets a page."""
    opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(path: str, **form: str) -> str:
        body = urlencode(form).encode() if form else None
        with opener.open(address + path, body, timeout=10) as answer:
            return answer.read().decode()

    page = get("admin/login/?next=/admin/rotation/rotation/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    form = {"username": user, "password": password, "csrfmiddlewaretoken": token[1]}
    assert "Rotations" in get("admin/login/?next=/admin/rotation/rotation/", **form)
    return get


def sessions(db: Database) -> int:
    return db.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


def test_old_tokens_are_counted_by_a_join(db: Database) -> None:
    """However many the planner knows of: autovacuum may count them before the demo does."""
    db.tickets(20_000)
    with db.connect() as connection, connection.cursor() as cursor:
        cursor.execute(load("remember_tokens"))
        cursor.execute("ANALYZE demo_before, ticket; SET LOCAL work_mem = '64kB'")
        cursor.execute("UPDATE ticket SET token = gen_random_uuid() WHERE id > 5")
        cursor.execute(f"EXPLAIN {load('count_unchanged')}")
        assert not [line for (line,) in cursor.fetchall() if "SubPlan" in line]
        cursor.execute(load("count_unchanged"))
        assert cursor.fetchone() == (5, 20_000)


@pytest.mark.long
def test_site_of_the_demo(db: Database) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SHOW], cwd=PROJECT, text=True, env=db.environment(SECRET_KEY=""),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    db.children.append(child)
    told = read_until(child, "Ctrl-C stops it")
    found = re.search(r"(http://127\.0\.0\.1:(\d+)/)    user (\w+), password (\S+) ", told)
    assert found, told
    address, port, user, password = found.groups()
    get = sign_in(address, user, password)
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    assert "state-running" in get("admin/rotation/rotation/1/change/")
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 0
    assert "The site has stopped" in child.stdout.read()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0
    until(lambda: sessions(db) == 0)
