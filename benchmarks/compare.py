"""Each way to do the job on a fresh table of the same size, in turn; and the client's memory."""

import statistics
from typing import Any

from benchmarks.measuring import OURS, Measured, contender, fresh_table, measure, median, say, spread
from benchmarks.report import Plot, Table

SINGLE = {"single UPDATE": contender("single_update")}
BY_HAND = {
    "`LOCK`, drop index, UPDATE, create index": contender("drop_index"),
    "psql, windows of 10,000": contender("psql_loop"),
}
OF_OURS = {
    "`--window 10000`": [*OURS, "--window", "10000"],
    "no flags": OURS,
    "`--workers 2`": [*OURS, "--workers", "2"],
    "`--workers 2 --vacuum 5`": [*OURS, "--workers", "2", "--vacuum", "5"],
    "`--workers 2 --reindex`": [*OURS, "--workers", "2", "--reindex"],
    "`--workers 2 --reindex token`": [*OURS, "--workers", "2", "--reindex", "token"],
    "`--workers 4`": [*OURS, "--workers", "4"],
}
OTHERS = {
    "rotate_tokens_sql": OURS,
    "django-pgbulk, 1000 at a time": contender("django_pgbulk"),
    "`bulk_update`, 1000 at a time": contender("bulk_update"),
    "the brief: 50 at a time, `bulk_update`, a checkpoint a chunk": contender("brief"),
}
COLUMNS = [
    *("rows/s", "time, single UPDATE = 1", "its windows alone", "client CPU s", "client MB"),
    *("WAL B/row", "size, x"),
]


def compare(cursor: Any, size: int, rounds: int) -> Table:
    """The command with several sets of flags against one UPDATE of the whole table."""
    return _in_turn(cursor, SINGLE | BY_HAND | OF_OURS, size, rounds)


def others(cursor: Any, size: int, rounds: int) -> Table:
    """What one would otherwise write in Django against one UPDATE of the whole table."""
    return _in_turn(cursor, SINGLE | OTHERS, size, rounds)


def _in_turn(cursor: Any, commands: dict[str, list[str]], size: int, rounds: int) -> Table:
    runs: dict[str, list[Measured]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            say(f"round {number + 1} of {rounds}: {name}")
            runs[name].append(measure(cursor, command, size))
            say(f"  {runs[name][-1].seconds:.1f} s")
    fresh = fresh_table(cursor, size)
    rows, ratios = {}, []
    for name, measured in runs.items():
        # Pair by pair: the two runs of a round are neighbours in time on a machine that drifts.
        pairs = list(zip(measured, runs["single UPDATE"], strict=True))
        whole = [one.seconds / base.seconds for one, base in pairs]
        windows = [one.window_seconds / base.seconds for one, base in pairs if one.window_seconds]
        ratios.append(statistics.median(whole))
        rows[name] = [
            f"{size / median(measured, lambda one: one.seconds):,.0f}",
            spread(whole),
            spread(windows) if windows else "",
            f"{median(measured, lambda one: one.cpu_seconds):.1f}",
            f"{median(measured, lambda one: one.peak_mb):.0f}",
            f"{median(measured, lambda one: one.wal_bytes / size):.0f}",
            f"{median(measured, lambda one: one.table_bytes / fresh):.2f}",
        ]
    plot = Plot("time of the whole process, single UPDATE = 1", list(rows), {"": ratios})
    return Table(f"{size:,} rows, medians of {rounds} rounds", COLUMNS, rows, plot)


def memory(cursor: Any, size: int, rounds: int) -> Table:
    """The client's peak memory for a hundredth of the rows, and for all of them."""
    peaks = {}
    for some in (size // 100, size):
        say(f"{some} rows")
        peaks[some] = median(
            [measure(cursor, OURS, some) for _ in range(rounds)], lambda one: one.peak_mb
        )
    rows = {f"{some:,}": [f"{peak:.1f} MB"] for some, peak in peaks.items()}
    plot = Plot("peak resident memory of the client, MB", list(rows), {"": list(peaks.values())})
    return Table("rows", ["peak resident memory of the client"], rows, plot)
