"""What the demo counts, and its site: it can be reached and signed in to, and leaves nothing behind."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from app.rotation.engine.db.statements import load
from app.tickets import demo
from tests.conftest import PROJECT, SERVER, Database, read_until, until

# The demo itself would use this checkout's own embedded server, and replace somebody's tickets.
SHOW = "import django; django.setup(); from app.tickets.site import show; show({})"


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


def show(db: Database, size: int) -> "subprocess.Popen[str]":
    child = subprocess.Popen(
        [sys.executable, "-c", SHOW.format(size)], cwd=PROJECT, env=db.environment(SECRET_KEY=""),
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    db.children.append(child)
    return child


def processes_of(demo: "subprocess.Popen[str]") -> set[int]:
    """The demo's children, and theirs."""
    found: set[int] = set()
    due = [demo.pid]
    while due:
        told = Path(f"/proc/{due.pop()}/task").glob("*/children")
        children = [int(pid) for path in told for pid in path.read_text().split()]
        found |= {*children}
        due += children
    return found


def running(pids: set[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.long
def test_site_of_the_demo(db: Database) -> None:
    """One rotation finished, one paused, one at work; nothing of it but the first stays as it is."""
    child = show(db, 50_000)
    told = read_until(child, "Ctrl-C stops it")
    found = re.search(r"(http://127\.0\.0\.1:(\d+)/)    user (\w+), password (\S+) ", told)
    assert found, told
    address, port, user, password = found.groups()
    get = sign_in(address, user, password)
    shown = dict(re.findall(rf"  (\S.*?) +{address}(admin\S+)", told))
    assert list(shown) == [
        "finished", "its report", "paused, after it was tuned", "running, at 166 rows/s at most",
    ]  # fmt: skip
    assert db.sql("SELECT id, status FROM rotation ORDER BY id") == [
        (1, "succeeded"), (2, "paused"), (3, "running"),
    ]  # fmt: skip
    pages = {what: get(path) for what, path in shown.items()}
    assert "state-succeeded" in pages["finished"]
    assert "0 of 50,000 revoked tokens survive" in pages["its report"]
    assert "state-paused" in pages["paused, after it was tuned"]
    assert "tune max_rate=1000 window=100" in pages["paused, after it was tuned"]
    assert "state-running" in pages["running, at 166 rows/s at most"]
    its = processes_of(child)
    assert len(its) > 4
    child.send_signal(signal.SIGINT)
    assert child.wait(90) == 0
    assert "The site and its rotations have stopped, and demo_api_key is removed" in child.stdout.read()
    assert running(its) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0
    until(lambda: sessions(db) == 0)
    assert db.value("SELECT to_regclass('demo_api_key') IS NULL")
    assert db.value("SELECT status FROM rotation WHERE id = 2") == "cancelled"


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_demo_that_is_stopped_while_it_makes_its_rotations(db: Database, number: int) -> None:
    child = show(db, 100)
    until(lambda: db.value("SELECT count(*) FROM rotation WHERE table_name = 'demo_api_key'"), 90)
    its = processes_of(child)
    child.send_signal(number)
    child.wait(90)
    assert running(its) == []
    assert db.value("SELECT to_regclass('demo_api_key') IS NULL")


def test_demo_says_what_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The embedded server of these tests stands in for that of this checkout."""
    monkeypatch.setattr(demo, "project_server", lambda: SERVER)
    demo.say_what_stays()
    said = capsys.readouterr().out
    assert f"The embedded PostgreSQL stays up, with its data in {SERVER.home}." in said
    assert "'python3 run.py stop' stops it." in said
