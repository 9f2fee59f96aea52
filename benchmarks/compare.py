"""Each way to do the job on a fresh table of the same size, in turn; and the client's memory."""

import statistics
from typing import Any

from benchmarks.measuring import OURS, Measured, contender, fresh_table, measure, median, say

COMMANDS = {
    "single UPDATE": contender("single_update"),
    "rotate_tokens_sql --window 10000": [*OURS, "--window", "10000"],
    "rotate_tokens_sql": OURS,
    "rotate_tokens_sql --workers 2": [*OURS, "--workers", "2"],
    "django-pgbulk, 1000": contender("django_pgbulk"),
    "bulk_update, 1000": contender("bulk_update"),
    "the brief: 50, bulk_update, checkpoint": contender("brief"),
}
FAST = 4  # so many of them, from the first, finish in about the time of a single UPDATE


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
