"""The first minute in a project of one's own: from `pip install` to 'succeeded', step by step."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import PROJECT, bench_server, median, say, spread
from benchmarks.report import Plot, Table
from tests.host.files import FILES
from tests.matrix import FIVE, SIX, find_python

#: Where: a Python, a Django, a driver.
PLACES = {
    "Django 5.2, psycopg2": ("3.11", FIVE, "[psycopg2]"),
    "Django 5.2, psycopg 3": ("3.11", FIVE, "[psycopg]"),
    "Django 6.1, psycopg2": ("3.12", SIX, "[psycopg2]"),
    "Django 6.1, psycopg 3": ("3.12", SIX, "[psycopg]"),
}
STEPS = ("pip install", "check", "makemigrations", "migrate", "--dry-run", "rotate_tokens_sql")


def first_use(cursor: Any, size: int, rounds: int) -> Table:
    """Seconds from `pip install` of the wheel to 'succeeded', in a stranger's project, step by step."""
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run("wheel", sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, PROJECT)
        (wheel,) = folder.glob("*.whl")
        for number in range(rounds):
            for name, (version, django, extra) in PLACES.items():
                python = find_python(version)
                if python is None:
                    say(f"{name}: not measured, there is no Python {version} here")
                    continue
                say(f"round {number + 1} of {rounds}: {name}")
                home = folder / f"{number}-{name}"
                took = one(cursor, home, python, f"{wheel}{extra}", django, size)
                found.setdefault(name, []).append(took)
    rows = {
        name: [
            *(f"{median_of(rounds_, step):.1f}" for step in STEPS),
            spread([sum(took.values()) for took in rounds_], 1),
        ]
        for name, rounds_ in found.items()
    }
    series = {step: [median_of(rounds_, step) for rounds_ in found.values()] for step in STEPS}
    return Table(
        f"seconds, {size:,} rows, medians of {rounds} rounds",
        [*(f"`{step}`" for step in STEPS), "all"],
        rows,
        Plot("seconds", list(found), series),
    )


def median_of(rounds: list[dict[str, float]], step: str) -> float:
    """The median of a step's seconds."""
    return median(rounds, lambda took: took[step])  # type: ignore[arg-type]


def one(cursor: Any, home: Path, python: Path, wheel: str, django: str, size: int) -> dict[str, float]:
    """The seconds of each step, in a new environment and a new database."""
    cursor.execute("DROP DATABASE IF EXISTS first_use WITH (FORCE)")
    cursor.execute("CREATE DATABASE first_use")
    for name, text in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    run("venv", python, "-m", "venv", home / "venv")
    inside = home / "venv" / "bin" / "python"
    environment = {"DATABASE_URL": bench_server().url("first_use"), "PATH": os.environ["PATH"]}

    def manage(*arguments: str) -> float:
        return run(arguments[0], inside, "manage.py", *arguments, cwd=home, env=environment)

    took = {"pip install": run("pip", inside, "-m", "pip", "install", "-q", wheel, django)}
    took["check"] = manage("check")
    took["makemigrations"] = manage("makemigrations", "accounts")
    took["migrate"] = manage("migrate", "-v", "0")
    code = (
        "from app.accounts.models import Account;"
        f"Account.objects.bulk_create(Account() for _ in range({size}))"
    )
    manage("shell", "-c", code)
    took["--dry-run"] = manage("rotate_tokens_sql", "--dry-run")
    took["rotate_tokens_sql"] = manage("rotate_tokens_sql")
    return took


def run(what: str, *command: object, **options: Any) -> float:
    """Run a command; return its seconds. Exits if it fails."""
    began = time.monotonic()
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{what}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return time.monotonic() - began
