"""`python3 run.py demo --web`: the site on this machine, with rotations to watch, steer and read.

Three of them, each a real one: finished, paused and running. One table has one at a time, so the paused
one is of a small table of the demo's own, which is removed at its end.
"""

import contextlib
import io
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.urls import reverse

from app.rotation.engine.db.statements import load
from app.rotation.engine.state.progress import Progress, read_progress
from app.rotation.models import Rotation, Status
from app.rotation.operations.inputs import open_session
from app.tickets.output import SIGNALS, end_as_by_ctrl_c, say

PROJECT = Path(__file__).resolve().parents[2]
MANAGE = [sys.executable, str(PROJECT / "manage.py")]
USER = "demo"
FIRST_PORT = 8000
SECONDS = 300  # that the running one takes at least: enough to watch and steer it
TICKETS = "ticket"
KEYS = "demo_api_key"  # the demo's own table
NUMBER_OF_KEYS = 20_000


def show(size: int) -> None:
    """Serve the site until Ctrl-C, with rotations of sample rows in several states."""
    call_command("migrate", verbosity=0)
    password = make_user()
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with children_of_the_demo() as children:
        site = start_site(children, port)
        say("making sample rows, and rotations of them ...")
        call_command("ticket", init=True, size=size, verbosity=0, stdout=io.StringIO())
        shown = [*finish_one(), *pause_one(children), *run_one(children, max(1, size // SECONDS))]
        start(children, [*MANAGE, "rotate_tokens_sql", "--serve", "--progress", "none"])
        for what, path in shown:
            say(f"  {what:<36} {address}{path}")
        say(f"\n  {address}/    user {USER}, password {password}    (Ctrl-C stops it)\n")
        with contextlib.suppress(KeyboardInterrupt):
            site.wait()
            raise CommandError("the site has ended: see above")
    say(
        f"\nThe site and its rotations have stopped, and {KEYS} is removed;"
        " 'python3 run.py manage rotate_tokens_sql' continues the rotation of the tickets."
    )


def make_user() -> str:
    """Let the demo's user sign in; return the new password."""
    password = secrets.token_urlsafe(12)
    user, _ = get_user_model().objects.update_or_create(
        username=USER, defaults={"is_staff": True, "is_superuser": True, "is_active": True}
    )
    user.set_password(password)
    user.save()
    return password


@contextlib.contextmanager
def children_of_the_demo() -> Iterator[contextlib.ExitStack]:
    """Processes that end with the block, whatever ends it; then the demo's table is removed."""
    remove_keys()  # of a demo that was killed
    children = contextlib.ExitStack()
    end_as_by_ctrl_c()
    try:
        yield children
    finally:
        usual = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
        children.close()
        with contextlib.suppress(OperationalError):
            remove_keys()
        for number, handler in usual.items():
            signal.signal(number, handler)


def start_site(children: contextlib.ExitStack, port: int) -> "subprocess.Popen[bytes]":
    """Start the site, and wait until it answers."""
    gunicorn = [sys.executable, "-m", "gunicorn", "app.wsgi", "--preload", "--workers", "2"]
    quietly = ["--log-level", "warning", "--no-control-socket"]
    site = start(children, [*gunicorn, *quietly, "--bind", f"127.0.0.1:{port}"])
    wait_for(site, f"http://127.0.0.1:{port}/healthz")
    return site


def finish_one() -> list[tuple[str, str]]:
    """A rotation from its start to its end; what to look at, and its address."""
    manage("rotate_tokens_sql", "--reason", "demo: tokens seen in a log")
    number = latest(TICKETS)
    return [("finished", page(number)), ("its report", page(number, "report"))]


def pause_one(children: contextlib.ExitStack) -> list[tuple[str, str]]:
    """A rotation that was tuned, and then paused."""
    with connection.cursor() as cursor:
        cursor.execute(load("create_keys"))
        cursor.execute(load("fill_keys"), {"size": NUMBER_OF_KEYS})
    before = latest(KEYS)
    limits = ("--window", "50", "--max-rate", "500")
    rotate = ("rotate_tokens_sql", "--table", KEYS, "--yes", *limits, "--progress", "none")
    start(children, [*MANAGE, *rotate, "--reason", "demo: paused to let a deployment pass"])
    wait_until(lambda: latest(KEYS) > before and progress(latest(KEYS)).windows > 15)
    manage("rotation", "tune", "--table", KEYS, "max_rate=1000", "window=100")
    number = latest(KEYS)
    wait_until(lambda: progress(number).windows > 25)
    manage("rotation", "pause", "--table", KEYS)
    wait_until(lambda: progress(number).status == Status.PAUSED)
    return [("paused, after it was tuned", page(number))]


def run_one(children: contextlib.ExitStack, rate: int) -> list[tuple[str, str]]:
    """A rotation that runs, held back to so many rows a second."""
    before = latest(TICKETS)
    rotate = ("rotate_tokens_sql", "--new", "--max-rate", str(rate), "--progress", "none")
    start(children, [*MANAGE, *rotate, "--reason", "demo: throttled, to watch and to steer"])
    wait_until(lambda: latest(TICKETS) > before and progress(latest(TICKETS)).windows)
    return [(f"running, at {rate} rows/s at most", page(latest(TICKETS)))]


def progress(number: int) -> Progress:
    """How far a rotation is."""
    return read_progress(open_session("default"), number)


def latest(table: str) -> int:
    """The number of a table's latest rotation; 0 if there is none."""
    return Rotation.objects.filter(table_name=table).values_list("pk", flat=True).last() or 0


def page_of_all() -> str:
    """The path of the list of rotations."""
    return reverse("admin:rotation_rotation_changelist")


def page(number: int, name: str = "rotation_change") -> str:
    """The path of a page of a rotation."""
    return reverse(f"admin:rotation_{name}", args=[number])


def remove_keys() -> None:
    """Remove the demo's own table; its rotation ends first."""
    with connection.cursor() as cursor:
        if KEYS in connection.introspection.table_names(cursor):
            with contextlib.suppress(CommandError):  # none is unfinished
                manage("rotation", "cancel", "--table", KEYS)
            cursor.execute(load("drop_keys"))


def manage(*arguments: str) -> None:
    """Run manage.py to its end. Raises CommandError with its last line if it fails."""
    done = subprocess.run(
        [*MANAGE, *arguments],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    if done.returncode:
        why = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise CommandError(f"{' '.join(arguments[:2])}: {''.join(why) or done.returncode}")


def start(children: contextlib.ExitStack, command: list[str]) -> "subprocess.Popen[bytes]":
    """Start a process that ends with the demo; the signals of a terminal don't reach it."""
    child = subprocess.Popen(
        command,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if "gunicorn" in command else subprocess.DEVNULL,
        start_new_session=True,
    )

    def end() -> None:
        child.terminate()
        child.wait()

    children.callback(end)
    return child


def free_port() -> int:
    """The first free port from 8000 on."""
    for port in range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise CommandError(f"every port from {FIRST_PORT} to {FIRST_PORT + 99} is taken")


def wait_for(site: "subprocess.Popen[bytes]", address: str) -> None:
    """Wait until the site answers. Raises CommandError if it ends, or gives no answer for a minute."""

    def answers() -> bool:
        if site.poll() is not None:
            raise CommandError("the site does not answer: see above")
        with contextlib.suppress(URLError, OSError), urlopen(address, timeout=2):  # noqa: S310
            return True
        return False

    wait_until(answers)


def wait_until(condition: Callable[[], object]) -> None:
    """Return once it holds. Raises CommandError if it does not within a minute."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise CommandError("a process of the demo does nothing: is this machine very busy?")
