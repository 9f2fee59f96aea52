"""A real PostgreSQL for the whole run, and a fresh database from a migrated template for each test."""

import functools
import io
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

PROJECT = Path(__file__).resolve().parents[1]
MIGRATED = "migrated"
HALTS = (PROJECT / "tests" / "fixtures" / "halts.sql").read_text()
numbers = itertools.count(1)

# Assertions of helpers beside the tests tell what they compared, as those of tests do.
pytest.register_assert_rewrite(
    *(f"tests.{path.name}" for path in (PROJECT / "tests").iterdir() if path.is_dir())
)

# Each of a thousand processes would compile the whole project, a third of its time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

sys.path.insert(0, str(PROJECT))
from app.localpg.server import Server  # noqa: E402
from tests import selection  # noqa: E402
from tests.forkserver import Forked, ForkServer, fits  # noqa: E402
from tests.servers import chosen_binaries, make_server  # noqa: E402

#: Of tickets: while it stands their token keeps its type.
WITHOUT_GUARD = (
    "DROP TRIGGER pgtrigger_guard_token_c5a6c ON ticket; DROP TRIGGER rotation_guard_1_insert ON ticket"
)


@functools.cache
def fork_server() -> ForkServer:
    """Of this test process, from its first command on."""
    return ForkServer()


SERVER = make_server(chosen_binaries())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="some tests of each room, in two minutes")
    parser.addoption("--whole", action="store_true", help="the long tests too, and every variant")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = items
    if config.getoption("--quick"):
        kept = selection.quick(items)
    elif selection.is_cut(config):
        kept = selection.main(items)
    ids = {one.nodeid for one in kept}
    config.hook.pytest_deselected(items=[one for one in items if one.nodeid not in ids])
    items[:] = kept


def pytest_report_header(config: pytest.Config) -> str | None:
    if config.getoption("--quick") or not selection.is_cut(config):
        return None
    return (
        "left out: the long tests, and all but two variants of a test with parameters;"
        " python3 run.py test --whole runs every one"
    )


def pytest_configure(config: pytest.Config) -> None:
    spread = config.getoption("numprocesses", 0) and not config.getoption("collectonly")
    if spread and "PYTEST_XDIST_WORKER" not in os.environ:
        return  # each of the processes that run the tests has a server of its own
    # Under nohup SIGHUP is ignored, and stays so in children: they need the default.
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    # As in a shell's background, where SIGINT is ignored.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    SERVER.ensure(MIGRATED)
    with closing(psycopg2.connect(**SERVER.address(MIGRATED))) as admin, admin.cursor() as cursor:
        # As it is from PostgreSQL 15 on: where everybody may create objects, our state can't be.
        cursor.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        cursor.execute(HALTS)
        admin.commit()
    os.environ["DATABASE_URL"] = SERVER.url(MIGRATED)
    os.environ["DJANGO_SETTINGS_MODULE"] = "app.settings"
    os.environ["HTTPS"] = "off"  # the site is reached from this machine only
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", verbosity=0)
    connection.close()


def pytest_unconfigure(config: pytest.Config) -> None:
    SERVER.stop("immediate")
    shutil.rmtree(SERVER.home, ignore_errors=True)


def quoting(connection: Any) -> Any:
    """By what `statements.compose` quotes names; psycopg 3 takes no connection of psycopg2."""
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return None if is_psycopg3 else connection


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return (self.out + self.err).strip().splitlines()

    @property
    def said(self) -> str:
        """What it printed after the line that says where it is."""
        return "".join(line for line in self.out.splitlines() if not line.startswith("PostgreSQL "))


class Database:
    """A database of its own for one test, reached as the superuser or by the product's commands."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.url = server.url(name)
        self.children: list[subprocess.Popen[str]] = []
        self.acknowledges = True  # that the table's triggers, the oracle's among them, keep no tokens
        self.keeps = False  # its connection, for the next statement
        self._kept: Any = None

    def connect(self, autocommit: bool = True, **also: Any) -> Any:
        connection = psycopg2.connect(**(self.server.address(self.name) | also))
        connection.autocommit = autocommit
        return connection

    def sql(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run statements in a session that is like new."""
        assert not text.startswith("SELECT FROM"), "psycopg2 gives no rows without columns"
        if threading.current_thread() is not threading.main_thread():
            return self._run(self.connect(), False, text, parameters)
        connection, self._kept = self._kept, None
        try:
            connection.cursor().execute("DISCARD ALL")
        except (AttributeError, psycopg2.Error):  # none was kept, or the server has ended it
            connection = self.connect()
        # Settings of a database or a role are read when a session begins.
        return self._run(connection, self.keeps and "ALTER " not in text, text, parameters)

    def _run(self, connection: Any, keep: bool, text: str, parameters: Any) -> list[tuple[Any, ...]]:
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            if keep and connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
                self._kept = connection
            else:
                connection.close()

    def forget(self) -> None:
        """Close the connection that was kept."""
        if self._kept:
            self._kept.close()
            self._kept = None

    def value(self, text: str, *parameters: Any) -> Any:
        return self.sql(text, *parameters)[0][0]

    def tickets(self, ids: int | list[int]) -> None:
        """Make tickets: that many, or with those ids; then keep count of every change to each."""
        if isinstance(ids, int):
            self.insert("SELECT generate_series(1, %s)", ids)
        else:
            self.insert("SELECT unnest(%s::bigint[])", ids)
        self.watch("ticket", "id")

    def insert(self, ids: str, parameter: Any) -> None:
        self.sql(
            "INSERT INTO ticket (id, title, status, token, created_at, updated_at)"
            f" SELECT id, 'x', 'open', gen_random_uuid(), now(), now() FROM ({ids}) AS t (id)",
            parameter,
        )

    def watch(self, table: str, key: str, column: str = "token") -> None:
        """The oracle: what each row held before, and one row in `changes` for each committed change."""
        self.remember(table, key, column)
        self.sql(
            "CREATE TABLE changes (id text NOT NULL);"
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
            f" 'BEGIN INSERT INTO public.changes VALUES (OLD.{key}::text); RETURN NULL; END';"
            f"CREATE TRIGGER note AFTER UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION note()"
        )

    def remember(self, table: str, key: str, column: str = "token") -> None:
        """What each row holds now, for `unchanged`."""
        self.sql(
            f"CREATE TABLE before AS SELECT {key}::text AS id, {column}::text AS token FROM {table}"
        )

    def changes(self) -> dict[int, int]:
        """How many rows changed how often: {1: 100} for a hundred rows, each exactly once."""
        return dict(
            self.sql(
                "SELECT n, count(*) FROM (SELECT count(changes.id) AS n FROM before"
                " LEFT JOIN changes USING (id) GROUP BY before.id) AS t GROUP BY n"
            )
        )

    def active(self, table: str = "ticket", column: str = "token") -> str:
        """The statement by which a session says that it is the rotation of a column."""
        return self.value(
            "SELECT pg_catalog.format('SET rotation.active = %%L', concat(attrelid, '.', attnum))"
            " FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s",
            table,
            column,
        )

    def unchanged(self, table: str = "ticket", column: str = "token") -> int:
        """How many rows still hold a token of before, by value."""
        return self.value(
            f"SELECT count(*) FROM {table} WHERE {column}::text IN (SELECT token FROM before)"
        )

    def each_once(self, rows: int) -> None:
        """Every row was rotated exactly once, the checkpoint says so, and no old token is left."""
        assert self.changes() == {1: rows}
        assert self.unchanged() == 0
        assert self.value("SELECT sum(rows) FROM batchprogress") == rows
        assert self.value("SELECT sum(rows) FROM rotation_window") == rows
        assert self.value("SELECT status FROM rotation ORDER BY id DESC LIMIT 1") == "succeeded"

    def agrees(self) -> None:
        """Rows and checkpoint agree: exactly the rows up to last_id changed."""
        last = self.value("SELECT coalesce(max(last_id::bigint), 0) FROM batchprogress")
        changed = self.value("SELECT count(*) FROM changes")
        assert changed == self.value("SELECT count(*) FROM ticket WHERE id <= %s", last)
        assert changed == self.value("SELECT coalesce(sum(rows), 0) FROM batchprogress")
        assert changed == self.value("SELECT coalesce(sum(rows), 0) FROM rotation_window")

    def environment(self, **also: str) -> dict[str, str]:
        return {**os.environ, "DATABASE_URL": self.url, "PYTHONUNBUFFERED": "1", **also}

    def acknowledged(self, command: str, *arguments: str) -> tuple[str, ...]:
        """The command line, with the flag that lets the rotation begin despite triggers."""
        flag = ("--ack-triggers",) if command == "rotate_tokens_sql" and self.acknowledges else ()
        return (command, *arguments, *flag)

    def start(self, *arguments: str, **also: Any) -> "subprocess.Popen[str]":
        """Start manage.py in a process of its own."""
        settings: dict[str, Any] = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
            "env": self.environment(),
        }
        settings |= also
        command = self.acknowledged(*arguments)
        plain = settings.keys() <= {"stdout", "stderr", "stdin", "text", "env", "cwd"}
        if plain and fits(settings["env"], fork_server().environment):
            child: subprocess.Popen[str] = Forked(fork_server(), *command, **settings)
        else:
            whole = [sys.executable, str(PROJECT / "manage.py"), *command]
            child = subprocess.Popen(whole, **settings)
        self.children.append(child)
        return child

    def run(self, *arguments: str, timeout: float = 120, **also: Any) -> Done:
        """Run manage.py in a process of its own, to its end."""
        child = self.start(*arguments, stderr=subprocess.PIPE, **also)
        out, err = child.communicate(timeout=timeout)
        return Done(child.returncode, out or "", err or "")

    def call(self, command: str, *arguments: str, **options: Any) -> Done:
        """Run a command in this process; quicker than `run`."""
        from django.core.management import CommandError, call_command

        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(*self.acknowledged(command, *arguments), stdout=out, stderr=err, **options)
        except CommandError as error:
            message = f"{type(error).__name__}: {error}"
            return Done(error.returncode, out.getvalue(), err.getvalue() + message)
        return Done(0, out.getvalue(), err.getvalue())


def migrated(server: Server) -> Database:
    """The template from which a server's databases are made, as `migrate` leaves it."""
    server.ensure(MIGRATED)
    template = Database(server, MIGRATED)
    done = template.run("migrate", "-v", "0")
    assert done.code == 0, done.err
    template.sql(HALTS)
    return template


def databases(server: Server) -> Iterator[Database]:
    name = f"t{next(numbers)}"
    with closing(psycopg2.connect(**server.address())) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        # Ten times as fast as by the log, which is what PostgreSQL does by default from 15 on.
        copied = "STRATEGY file_copy" if admin.server_version >= 150000 else ""
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {MIGRATED} {copied}")
        database = Database(server, name)
        database.keeps = True
        yield database
        database.forget()
        for child in database.children:
            if child.poll() is None:
                child.kill()
            child.wait()
            for stream in (child.stdout, child.stderr):
                if stream:
                    stream.close()
        server.ensure()
    with closing(psycopg2.connect(**server.address())) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db() -> Iterator[Database]:
    """A migrated database of its own; Django's default connection points at it."""
    from django.db import connection

    for database in databases(SERVER):
        connection.close()
        connection.settings_dict["NAME"] = database.name
        yield database
        connection.close()


@pytest.fixture
def slow(db: Database) -> Iterator[Database]:
    """A rotation that runs for as long as the test lasts."""
    db.tickets(3000)
    db.start("rotate_tokens_sql", "--window", "50", "--max-rate", "100", "--progress", "none")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    yield db


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait until the condition holds, and return it; fail after so many seconds."""
    began = time.monotonic()
    while not (value := condition()):
        waited = time.monotonic() - began
        assert waited < seconds, "it did not happen in time"
        time.sleep(min(0.02 + waited / 20, 0.1))  # a look costs 5 ms of a core that others need
    return value


def read_until(child: "subprocess.Popen[str]", text: str) -> str:
    """Read a child's output up to the first line that holds the text; return all that was read."""
    assert child.stdout is not None
    read = ""
    timer = threading.Timer(60, child.kill)
    timer.start()
    try:
        for line in child.stdout:
            read += line
            if text in line:
                return read
    finally:
        timer.cancel()
    raise AssertionError(f"{text!r} is not in the output:\n{read}")


def kill(child: "subprocess.Popen[str]") -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()
