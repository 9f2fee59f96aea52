"""`python3 run.py demo`: the main job on sample tickets, interrupted once, resumed and checked.

Whatever ends it, nothing of it keeps running but the embedded server.
"""

from app import start

if __name__ == "__main__":
    start.begin("run.py demo")

import argparse
import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection

from app.localpg.server import project_server
from app.rotation.engine.text import peak_memory_mb
from app.tickets.output import end_as_by_ctrl_c, say

PROJECT = Path(__file__).resolve().parents[2]
INTERRUPT_AT = 33  # percent


def statement(name: str) -> str:
    """The text of one of `sql/demo/`."""
    from app.rotation.engine.db.statements import load  # noqa: PLC0415 (once Django is set up)

    return load(name)


@dataclass
class Run:
    """How a child process ended."""

    code: int
    peak_memory_mb: float


def main() -> None:
    """Do the whole demo; exits with 1 and one line if a step fails."""
    parser = argparse.ArgumentParser(prog="run.py demo", allow_abbrev=False)
    parser.add_argument("--size", type=int, help="tickets (default: 1000000)")
    parser.add_argument("--web", action="store_true", help="show it in a browser (200000 tickets)")
    asked = parser.parse_args()
    size = asked.size if asked.size is not None else 200_000 if asked.web else 1_000_000
    if not 1 <= size <= 100_000_000:
        sys.exit(f"run.py demo: --size {size}: expected 1 to 100000000 tickets")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
    if os.environ.pop("DATABASE_URL", None):
        say("DATABASE_URL is set; the demo leaves that database alone and uses the embedded one.")
    try:
        django.setup()
        start.begun()
        end_as_by_ctrl_c()
        with alone():
            if asked.web:
                from app.tickets.site import show  # noqa: PLC0415 (once Django is set up)

                show(size)
            else:
                demonstrate(size)
        say_what_stays()
    except (CommandError, ImproperlyConfigured, OperationalError) as error:
        sys.exit(f"run.py demo: {str(error).strip().splitlines()[0]}")
    except KeyboardInterrupt:
        then = "'python3 run.py manage rotate_tokens_sql' continues where it stopped"
        start.say(f"run.py demo: stopped; {then}")
        say_what_stays()
        sys.exit(start.STOPPED)


def say_what_stays() -> None:
    """Say that the embedded server runs on, with what data, and how to stop it."""
    server = project_server()
    if server.running():
        say(f"\nThe embedded PostgreSQL stays up, with its data in {server.home}.")
        say("'python3 run.py stop' stops it.")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let one demo at a time use this environment's sample tickets."""
    with (Path(sys.prefix) / "demo.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another demo is running here; waiting for it to finish ...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def demonstrate(size: int) -> None:
    """Make tickets, rotate them with an interruption, and count the tokens that did not change."""
    call_command("migrate", verbosity=0)
    say(f"PostgreSQL {connection.cursor().connection.info.parameter_status('server_version')}")
    say("(demo_before, of which it will warn, is the demo's copy of the tokens, to count by later)")
    say(f"$ python manage.py ticket --init --size {size}")
    call_command("ticket", init=True, size=size)
    with connection.cursor() as cursor:
        cursor.execute(statement("forget_tokens"))
        cursor.execute(statement("remember_tokens"))
    try:
        rotate_and_check(size)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(statement("forget_tokens"))


def rotate_and_check(size: int) -> None:
    """Rotate in child processes, the first of them interrupted, and count by value."""
    window = max(1, min(10_000, size // 100))
    command = ["rotate_tokens_sql", "--window", str(window), "--progress", "lines"]
    began = time.monotonic()
    first = run(command, interrupt_at=INTERRUPT_AT)
    runs = [first]
    if first.code == 3:
        say("\nInterrupted on purpose. The same command continues where it stopped:\n")
        runs.append(run(command))
    elif not first.code:
        say("\nIt finished before it could be interrupted; a larger --size shows how it resumes.")
    seconds = time.monotonic() - began
    if runs[-1].code:
        raise CommandError(f"the rotation ended with exit code {runs[-1].code}: see above")
    conclude(size, seconds, runs)


def run(arguments: list[str], interrupt_at: int | None = None) -> Run:
    """Run manage.py in a child process, pass its lines on, and send it SIGINT at a percentage."""
    say(f"$ python manage.py {' '.join(arguments)}")
    child = subprocess.Popen(
        [sys.executable, str(PROJECT / "manage.py"), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a terminal's Ctrl-C ends the demo, which ends it
    )
    try:
        pass_on(child, interrupt_at)
    except BaseException:
        child.terminate()
        child.communicate()
        raise
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Run(child.returncode, peak_memory_mb(usage))


def pass_on(child: "subprocess.Popen[str]", interrupt_at: int | None) -> None:
    """Print a child's lines, and send it SIGINT once at a percentage."""
    assert child.stdout is not None
    interrupted = False
    for line in child.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        reached = re.match(r"completed: *([\d.]+) %", line)
        if reached and interrupt_at and not interrupted and interrupt_at <= float(reached[1]) < 100:
            interrupted = True
            child.send_signal(signal.SIGINT)


def conclude(size: int, seconds: float, runs: list[Run]) -> None:
    """Count, by value, how many old tokens are still valid, and print the summary."""
    say("\ncounting, apart from the tool, how many tokens are as they were ...")
    with connection.cursor() as cursor:
        cursor.execute(statement("count_unchanged"))
        unchanged, distinct = cursor.fetchone()
    how = ", with one interruption and restart" if len(runs) > 1 else ""
    say(f"rows               {size}")
    say(f"seconds            {seconds:.1f}{how}")
    say(f"rows/s             {size / seconds:.0f}")
    say(f"client memory      {max(one.peak_memory_mb for one in runs):.0f} MB at most")
    say(f"distinct tokens    {distinct}")
    say(f"tokens unchanged: {unchanged}")
    if unchanged or distinct != size:
        sys.exit(4)


if __name__ == "__main__":
    start.run("run.py demo", main)
