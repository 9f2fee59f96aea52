"""`python3 run.py demo --web`: the site on this machine, with a slow rotation to watch."""

import contextlib
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

PROJECT = Path(__file__).resolve().parents[2]
MANAGE = [sys.executable, str(PROJECT / "manage.py")]
USER = "demo"
FIRST_PORT = 8000
RATE = 2000  # rows a second: slow enough to watch and steer


def show(size: int) -> None:
    """Serve the site until Ctrl-C, and rotate sample tickets slowly meanwhile."""
    call_command("migrate", verbosity=0)
    call_command("ticket", init=True, size=size)
    password = secrets.token_urlsafe(12)
    user, _ = get_user_model().objects.update_or_create(
        username=USER, defaults={"is_staff": True, "is_superuser": True, "is_active": True}
    )
    user.set_password(password)
    user.save()
    connection.close()
    port = free_port()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the children too
    with contextlib.ExitStack() as children:
        serving = [
            "gunicorn",
            "app.wsgi",
            "--preload",
            "--workers",
            "2",
            "--log-level",
            "warning",
            "--no-control-socket",
        ]
        site = start(children, [sys.executable, "-m", *serving, "--bind", f"127.0.0.1:{port}"])
        wait_for(site, f"http://127.0.0.1:{port}/healthz")
        address = f"http://127.0.0.1:{port}/"
        say(f"\n  {address}    user {USER}, password {password}    (Ctrl-C stops it)\n")
        options = ["--max-rate", str(RATE), "--progress", "none", "--reason", "demo of the site"]
        start(children, [*MANAGE, "rotate_tokens_sql", *options])
        start(children, [*MANAGE, "rotate_tokens_sql", "--serve", "--progress", "none"])
        with contextlib.suppress(KeyboardInterrupt):
            site.wait()
    say("\nThe site has stopped; 'run.py manage rotate_tokens_sql' continues an unfinished rotation.")


def start(children: contextlib.ExitStack, command: list[str]) -> "subprocess.Popen[bytes]":
    """Start a process that ends with the demo."""
    child = subprocess.Popen(command, cwd=PROJECT)

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
    """Wait until the site answers. Raises CommandError if it ends, or gives no answer for 30 seconds."""
    for _ in range(300):
        with contextlib.suppress(URLError, OSError), urlopen(address, timeout=2):  # noqa: S310
            return
        if site.poll() is not None:
            break
        time.sleep(0.1)
    raise CommandError("the site does not answer: see above")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
