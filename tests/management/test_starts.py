"""Every start ends in one line with a documented exit code: limits, settings, signals, rights."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT, SERVER, Database, databases, fork_server

MANAGE = f"{sys.executable} {PROJECT / 'manage.py'}"
RUN = f"{sys.executable} {PROJECT / 'run.py'}"


def shell(db: Database, line: str, **also: str) -> "subprocess.CompletedProcess[str]":
    """What a shell runs, with `$M` and `$R` for the two programs, and `$F` for the first one forked."""
    environment = db.environment(M=MANAGE, R=RUN, F=fork_server().command, **also)
    return subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True)


def one_line(done: "subprocess.CompletedProcess[str]", *codes: int) -> str:
    """The one line of a command that failed, and only it."""
    assert done.returncode in codes, done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize("program", ["$M", "$R manage"])
@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("-v 45000", "out of memory: raise the limit"),
        ("-v 80000", "out of memory: raise the limit"),
        ("-n 6", "ulimit"),
    ],
)
def test_limits(db: Database, program: str, limit: str, says: str) -> None:
    assert says in one_line(shell(db, f"ulimit {limit}; exec {program} rotation status"), 1)


@pytest.mark.parametrize(
    ("limit", "says"), [("-n 14", "too many open files"), ("-v 115000", "can be started: raise")]
)
def test_limits_that_are_reached_in_a_run(db: Database, limit: str, says: str) -> None:
    """The rest is done by the same command, without the limit."""
    db.tickets(2000)
    run = "rotate_tokens_sql --ack-triggers --window 10 --lanes 16"
    done = shell(db, f"ulimit {limit}; exec $M {run} --workers 8")
    if done.returncode:  # how much is needed depends on the libraries
        assert says in one_line(done, 1)
    assert shell(db, f"$M {run}").returncode == 0
    db.each_once(2000)


SETTINGS = {
    "x = (": "DJANGO_SETTINGS_MODULE=broken can't be imported: unexpected SyntaxError in",
    "raise KeyError('geheim')": "=broken can't be imported: unexpected KeyError in broken.py, line 1",
    "DATABASES = 1 / 0": "=broken can't be imported: unexpected ZeroDivisionError in broken.py",
    "INSTALLED_APPS = 'geheim'": "The INSTALLED_APPS setting must be",
    "import nosuch": "DJANGO_SETTINGS_MODULE=broken can't be imported: No module named 'nosuch'",
    "from app.settings import *\nINSTALLED_APPS += ['nosuch']": "No module named 'nosuch'",
    "from app.settings import *\nINSTALLED_APPS.remove('pgtrigger')": 'add "pgtrigger"',
    "from app.settings import *\nDATABASES['default']['ENGINE'] = 'nosuch'": "isn't an available",
    "from app.settings import *\nDATABASES['default']['ENGINE'] = 'django.db.backends.mysql'": "MySQLdb",
    "from app.settings import *\nDATABASES['default']['ENGINE'] = 'django.db.backends.sqlite3'": "sqli",
    "from app.settings import *\nDATABASES['default']['OPTIONS'] = {'nosuch': 1}": "connection option",
    "from app.settings import *\nDATABASES['default']['OPTIONS'] = {'isolation_level': 9}": "isolation",
    "from app.settings import *\nDATABASES['default']['NAME'] = ''": "supply the NAME",
    "from app.settings import *\nDATABASES = {}": "--database default",
    "": "unknown command",
    "INSTALLED_APPS = []": "(DJANGO_SETTINGS_MODULE=broken)",
}  # fmt: skip


@pytest.mark.parametrize("text", SETTINGS)
def test_settings(db: Database, tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.py").write_text(text)
    also = {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "broken"}
    for command in ("rotation status", "rotate_tokens_sql"):
        said = one_line(shell(db, f"exec $M {command}", **also), 1, 2)
        assert SETTINGS[text] in said
        assert "geheim" not in said


def test_settings_with_a_relative_name(db: Database) -> None:
    said = one_line(shell(db, "exec $M rotation status", DJANGO_SETTINGS_MODULE="..settings"), 1)
    assert "DJANGO_SETTINGS_MODULE=..settings: name the module in full, e.g. app.settings" in said


@pytest.mark.parametrize(
    "line",
    [
        "DEBUG=$'x\\e[2J' exec $M rotation status",
        "DJANGO_SETTINGS_MODULE=$'x\\e[2J' exec $M rotation status",
        "exec $M rotation status $'--x\\e[2J'",
        "exec $M rotate_tokens_sql $'x\\e[2J'",
        "exec $M ticket --init $'x\\e[2J'",
    ],
)
def test_control_characters_that_were_given(db: Database, line: str) -> None:
    assert "x\\x1b[2J" in one_line(shell(db, line), 1, 2)


@pytest.mark.parametrize("command", ["$M nosuch", "$M rotation status --settings nosuch", "$R nosuch"])
def test_commands_that_there_are_not(db: Database, command: str) -> None:
    one_line(shell(db, f"exec {command}"), 1, 2)


def test_no_driver(db: Database, tmp_path: Path) -> None:
    (tmp_path / "psycopg2.py").write_text("raise ImportError('no driver')")
    said = one_line(shell(db, "exec $M rotation status", PYTHONPATH=str(tmp_path)), 1)
    assert "no driver" in said


@pytest.mark.parametrize("place", ["cd {0}; rmdir {0}", "export HOME=/nonexistent", "umask 777"])
def test_places_that_are_not_there(db: Database, tmp_path: Path, place: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = shell(db, f"{place.format(gone)}; exec $M rotation history")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("command", [("manage.py",), ("run.py", "manage")], ids=" ".join)
@pytest.mark.long
def test_signals_while_it_starts(db: Database, command: tuple[str, ...], name: str) -> None:
    """From the first line of the program on; earlier, Python itself answers."""
    codes = set()
    for hundredths in range(6, 90, 12):
        child = subprocess.Popen(
            [sys.executable, *command, "rotation", "status"], env=db.environment(), cwd=PROJECT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        time.sleep(hundredths / 100)
        os.killpg(child.pid, signal.Signals[name])
        _, said = child.communicate(timeout=60)
        codes.add(child.returncode)
        if child.returncode >= 0:
            assert child.returncode in (0, 3), said
            assert len(said.splitlines()) == (child.returncode == 3), said
            assert not said or f"by {name}" in said
    assert 3 in codes


def test_a_signal_between_setting_up_and_starting(db: Database) -> None:
    """run.py's exec loses none: it waits until the program can answer it."""
    done = shell(db, "kill -INT $$; exec $R manage rotation status")
    assert done.returncode in (-signal.SIGINT, 128 + signal.SIGINT, 0)
    masked = (
        "import signal, os, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]);"
        "os.kill(os.getpid(), signal.SIGINT); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", masked, str(PROJECT / "manage.py"), "rotation", "status"],
        env=db.environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert one_line(done, 3) == "manage.py: stopped by SIGINT\n"


@pytest.fixture
def empty() -> Iterator[Database]:
    """A database that nobody has migrated."""
    for database in databases(SERVER):
        database.sql(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC"
        )
        yield database


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("", "may not create or alter what a migration needs: GRANT USAGE, CREATE ON SCHEMA"),
        ("search_path = nowhere", "may not create or alter what a migration needs"),
        ("default_transaction_read_only = on", "the server accepts no writes"),
    ],
)
def test_migrate_without_rights(empty: Database, setting: str, says: str) -> None:
    role = f"weak_{empty.name}"
    empty.sql(f"CREATE ROLE {role} LOGIN")
    if setting:
        empty.sql(f"ALTER ROLE {role} SET {setting}")
    try:
        url = empty.url.replace("postgres@", f"{role}@")
        for command in ("migrate", "migrate rotation"):
            assert says in one_line(shell(empty, f"exec $M {command}", DATABASE_URL=url), 1)
    finally:
        empty.sql(f"DROP ROLE {role}")


@pytest.mark.parametrize("command", ["migrate", "rotation status", "rotate_tokens_sql", "ticket --init"])
@pytest.mark.parametrize("place", ["nosuch@127.0.0.1:1/x", "u@nosuch.invalid/x", "postgres@{0}/nosuch"])
def test_no_database(db: Database, command: str, place: str) -> None:
    socket = str(SERVER.sockets).replace("/", "%2F")
    url = f"postgres://{place.format(socket)}"
    assert "can't connect to database default" in one_line(
        shell(db, f"exec $M {command}", DATABASE_URL=url), 1
    )


@pytest.mark.parametrize(
    "command",
    ["status", "status --json", "history", "verify", "pause", "resume", "cancel", "tune workers=2",
     "report --json", "report --html x.html", "guard status", "guard drop"],
)  # fmt: skip
def test_before_migrate(empty: Database, command: str) -> None:
    said = one_line(shell(empty, f"exec $M rotation {command}"), 1)
    assert "run python manage.py migrate rotation" in said
