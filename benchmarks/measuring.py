"""What every benchmark needs: a fresh table, a command measured as a whole process, a printed line."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import django

from app.localpg.server import Server, project_server
from app.rotation.engine.text import peak_memory_mb

PROJECT = Path(__file__).resolve().parents[1]
MANAGE = [sys.executable, str(PROJECT / "manage.py")]
OURS = [*MANAGE, "rotate_tokens_sql", "--progress", "none"]


def contender(name: str) -> list[str]:
    """The command that runs one of benchmarks.contenders."""
    return [sys.executable, "-m", "benchmarks.contenders", name]


def bench_server() -> Server:
    """What is measured: the embedded server, or one of the programs in the directory BENCH_POSTGRES."""
    embedded = project_server()
    binaries = os.environ.get("BENCH_POSTGRES")
    if not binaries:
        return embedded
    place = Path(binaries).resolve()
    return Server(place, embedded.home.with_name(f"{embedded.home.name}{str(place).replace('/', '-')}"))


@dataclass
class Measured:
    """One run of one command as a whole process."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    wal_bytes: int
    table_bytes: int
    window_seconds: float  #: from the first window's begin to the last one's end; 0 if it has none


def describe_machine(cursor: Any) -> str:
    """What the figures depend on."""
    cursor.execute("SHOW server_version")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{date.today()}, PostgreSQL {cursor.fetchone()[0]}, Python {platform.python_version()},"
        f" Django {django.__version__}, {os.cpu_count()} cores {platform.machine()},"
        f" {memory:.0f} GiB, {platform.system()} {platform.release()}"
    )


def measure(cursor: Any, command: list[str], size: int) -> Measured:
    """Run a command on a fresh table and check that it replaced every token."""
    fresh_table(cursor, size)
    cursor.execute("CREATE TABLE bench_before AS SELECT token FROM ticket; CHECKPOINT")
    cursor.execute("SELECT pg_current_wal_insert_lsn()")
    start = cursor.fetchone()[0]
    began = time.monotonic()
    child = subprocess.Popen(command, cwd=PROJECT)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    cursor.execute(
        "SELECT pg_current_wal_insert_lsn() - %s::pg_lsn, pg_total_relation_size('ticket')", [start]
    )
    wal, table = cursor.fetchone()
    if child.returncode:
        sys.exit(f"{command} ended with {child.returncode}")
    require_rotated(cursor, " ".join(command))
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(seconds, cpu, peak_memory_mb(usage), int(wal), table, windows_took(cursor))


def windows_took(cursor: Any) -> float:
    """Seconds from the first window's begin to the last one's end; 0 if nothing was rotated by us."""
    cursor.execute(
        "SELECT coalesce(extract(EPOCH FROM"
        "     max(finished_at) - min(finished_at - milliseconds * interval '1 millisecond')), 0)"
        " FROM rotation_window"
    )
    return float(cursor.fetchone()[0])


def require_rotated(cursor: Any, what: str, table: str = "ticket") -> None:
    """Exit if a token of bench_before is left."""
    cursor.execute(f"SELECT count(*) FROM {table} WHERE token IN (SELECT token FROM bench_before)")
    left = cursor.fetchone()[0]
    if left:
        sys.exit(f"{what} left {left} old tokens")


def fresh_table(cursor: Any, size: int) -> int:
    """Recreate the tickets, as a vacuumed and analyzed table; return its bytes.

    No rotation is known of them any more: each is measured as the first one, whose set is empty.
    """
    cursor.execute("DROP TABLE IF EXISTS bench_before")
    for state in (["zero"], []):
        subprocess.run([*MANAGE, "migrate", "rotation", *state, "-v", "0"], check=True)
    subprocess.run([*MANAGE, "ticket", "--init", "--force", "--size", str(size), "-v", "0"],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    cursor.execute("VACUUM ANALYZE ticket")
    cursor.execute("SELECT pg_total_relation_size('ticket')")
    return cursor.fetchone()[0]


def median(measured: list[Measured], figure: Callable[[Measured], float]) -> float:
    """The median of one figure over the rounds."""
    return statistics.median(map(figure, measured))


def spread(figures: list[float], digits: int = 2) -> str:
    """The median, and the range."""
    middle, least, most = statistics.median(figures), min(figures), max(figures)
    return f"{middle:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)
