"""`python3 run.py bench compare|memory`: figures for README and docs, measured side by side.

compare  each contender on a fresh table of the same size, in turn, for several rounds
memory   the client's peak memory with few rows and with many
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import django
import psycopg2

from app.localpg.server import project_server
from app.rotation.management.reporter import peak_memory_mb

PROJECT = Path(__file__).resolve().parents[1]
MANAGE = [sys.executable, str(PROJECT / "manage.py")]
OURS = [*MANAGE, "rotate_tokens_sql", "--progress", "none"]


def contender(name: str) -> list[str]:
    """The command that runs one of benchmarks.contenders."""
    return [sys.executable, "-m", "benchmarks.contenders", name]


COMMANDS = {
    "single UPDATE": contender("single_update"),
    "rotate_tokens_sql --window 10000": [*OURS, "--window", "10000"],
    "rotate_tokens_sql": OURS,
    "django-pgbulk, 1000": contender("django_pgbulk"),
    "bulk_update, 1000": contender("bulk_update"),
    "the brief: 50, bulk_update, checkpoint": contender("brief"),
}
FAST = 3  # so many of them, from the first, finish in about the time of a single UPDATE


@dataclass
class Measured:
    """One run of one command as a whole process."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    wal_bytes: int
    table_bytes: int


def main() -> None:
    """Measure what was asked for, on the embedded server."""
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("what", choices=("compare", "memory"))
    parser.add_argument("--size", type=int, default=200_000, help="rows (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--fast", action="store_true", help="only what keeps up with a single UPDATE")
    asked = parser.parse_args()
    server = project_server()
    server.ensure("bench")
    os.environ["DATABASE_URL"] = server.url("bench")
    subprocess.run([*MANAGE, "migrate", "-v", "0"], check=True)
    with closing(psycopg2.connect(**server.address("bench"))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        describe_machine(cursor)
        if asked.what == "memory":
            memory(cursor)
        else:
            names = list(COMMANDS)[: FAST if asked.fast else None]
            compare(cursor, names, asked.size, asked.rounds)


def describe_machine(cursor: Any) -> None:
    """Print what the figures depend on."""
    cursor.execute("SHOW server_version")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    say(
        f"{date.today()}, PostgreSQL {cursor.fetchone()[0]}, Python {platform.python_version()},"
        f" Django {django.__version__}, {os.cpu_count()} cores {platform.machine()},"
        f" {memory:.0f} GiB, {platform.system()} {platform.release()}"
    )


def compare(cursor: Any, names: list[str], size: int, rounds: int) -> None:
    """Run all commands in turn, each on a fresh table, and print a table of medians."""
    runs: dict[str, list[Measured]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            say(f"round {number + 1} of {rounds}: {name}")
            runs[name].append(measure(cursor, COMMANDS[name], size))
    say(f"\n{size} rows, medians of {rounds} rounds, each command as a whole process:\n")
    say("| | rows/s | time, single UPDATE = 1 | client CPU s | client MB | WAL B/row | size, x |")
    say("|---|---|---|---|---|---|---|")
    fresh = fresh_table(cursor, size)
    for name, measured in runs.items():
        # Pair by pair: the two runs of a round are neighbours in time on a machine that drifts.
        ratios = [
            one.seconds / base.seconds for one, base in zip(measured, runs["single UPDATE"], strict=True)
        ]
        seconds = median(measured, lambda one: one.seconds)
        say(
            f"| {name} | {size / seconds:,.0f} | {statistics.median(ratios):.2f}"
            f" ({min(ratios):.2f} to {max(ratios):.2f})"
            f" | {median(measured, lambda one: one.cpu_seconds):.1f}"
            f" | {median(measured, lambda one: one.peak_mb):.0f}"
            f" | {median(measured, lambda one: one.wal_bytes / size):.0f}"
            f" | {median(measured, lambda one: one.table_bytes / fresh):.2f} |"
        )


def memory(cursor: Any) -> None:
    """Print the client's peak memory for 10,000 and for 2,000,000 rows."""
    peaks = {}
    for size in (10_000, 2_000_000):
        peaks[size] = measure(cursor, COMMANDS["rotate_tokens_sql"], size).peak_mb
        say(f"{size:>9} rows: client peak memory {peaks[size]:.1f} MB")
    say(f"difference: {abs(peaks[2_000_000] - peaks[10_000]):.1f} MB (promised: less than 5)")


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
        "SELECT pg_current_wal_insert_lsn() - %s::pg_lsn, pg_total_relation_size('ticket'),"
        " (SELECT count(*) FROM ticket WHERE token IN (SELECT token FROM bench_before))",
        [start],
    )
    wal, table, left = cursor.fetchone()
    if child.returncode or left:
        sys.exit(f"{command} ended with {child.returncode} and left {left} old tokens")
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(seconds, cpu, peak_memory_mb(usage), int(wal), table)


def fresh_table(cursor: Any, size: int) -> int:
    """Make the tickets anew, as a table that was vacuumed and analyzed; return its bytes."""
    cursor.execute("DROP TABLE IF EXISTS bench_before")
    subprocess.run([*MANAGE, "ticket", "--init", "--size", str(size), "-v", "0"],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    cursor.execute("VACUUM ANALYZE ticket")
    cursor.execute("SELECT pg_total_relation_size('ticket')")
    return cursor.fetchone()[0]


def median(measured: list[Measured], figure: Callable[[Measured], float]) -> float:
    """The median of one figure over the rounds."""
    return statistics.median(map(figure, measured))


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
