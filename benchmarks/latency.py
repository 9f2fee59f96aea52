"""What the application feels: pgbench traffic on the table while its tokens are replaced."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.localpg.server import project_server
from benchmarks.measuring import OURS, PROJECT, contender, fresh_table, require_rotated, say
from benchmarks.report import Plot, Table

RATE = 200  # transactions a second, at moments that do not depend on how fast the others are done
CLIENTS = 8
WARM_UP = 3.0  # seconds of traffic before the job begins
DRAIN = 5.0  # seconds for transactions that were due during the job to finish
QUIET = 15.0  # seconds of traffic that stand for no job at all
JOBS: dict[str, list[str] | None] = {
    "no job": None,
    "rotate_tokens_sql": OURS,
    "`--workers 2`": [*OURS, "--workers", "2"],
    "`--max-rate 20000`": [*OURS, "--max-rate", "20000"],
    "single UPDATE": contender("single_update"),
}

#: One transaction: a customer looks at a ticket and edits its title.
SCRIPT = """\\set id random(1, {size})
BEGIN;
SELECT title FROM ticket WHERE id = :id;
UPDATE ticket SET title = 'edited', updated_at = now() WHERE id = :id;
COMMIT;
"""


def latency(cursor: Any, size: int, rounds: int) -> Table:
    """Percentiles of the traffic's latency, from the moment at which each transaction was due."""
    found: dict[str, list[float]] = {name: [] for name in JOBS}
    took: dict[str, list[float]] = {name: [] for name in JOBS}
    for number in range(rounds):
        for name, command in JOBS.items():
            say(f"round {number + 1} of {rounds}: {name}")
            fresh_table(cursor, size)
            cursor.execute("CREATE TABLE bench_before AS SELECT token FROM ticket; CHECKPOINT")
            seconds, latencies = _traffic_beside(command, size)
            if command:
                require_rotated(cursor, name)
            found[name] += latencies
            took[name].append(seconds)
    figures = {name: [_percentile(found[name], part) for part in (50, 95, 99, 100)] for name in JOBS}
    rows = {
        name: [*(f"{value:,.1f}" for value in values), f"{len(found[name]):,}",
               f"{min(took[name]):.0f} to {max(took[name]):.0f}"]
        for name, values in figures.items()
    }  # fmt: skip
    return Table(
        f"{size:,} rows, {RATE} transactions/s, {rounds} rounds together",
        ["p50 ms", "p95 ms", "p99 ms", "most, ms", "transactions", "job took, s"],
        rows,
        Plot(
            "milliseconds (logarithmic)",
            list(rows),
            {title: [values[place] for values in figures.values()]
             for place, title in enumerate(("p50", "p95", "p99", "most"))},
            logarithmic=True,
        ),
    )  # fmt: skip


def _traffic_beside(command: list[str] | None, size: int) -> tuple[float, list[float]]:
    """Seconds that the job took, and the milliseconds of each transaction that was due meanwhile."""
    with tempfile.TemporaryDirectory() as place:
        script = Path(place, "traffic.sql")
        script.write_text(SCRIPT.format(size=size))
        address = project_server().address("bench")
        traffic = subprocess.Popen(
            [
                str(project_server().binaries / "pgbench"),
                *("--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", f"--rate={RATE}"),
                *("--time=3600", "--log", f"--file={script}", f"--log-prefix={place}/log"),
                *("--host", str(address["host"]), "--port", str(address["port"])),
                *("--username", str(address["user"]), "bench"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(WARM_UP)
        began = time.time()
        if command:
            subprocess.run(command, cwd=PROJECT, check=True)
        else:
            time.sleep(QUIET)
        ended = time.time()
        time.sleep(DRAIN)
        traffic.terminate()
        traffic.wait()
        log = next(Path(place).glob("log.*")).read_text()
    return ended - began, list(_due_between(log, began, ended))


def _due_between(log: str, began: float, ended: float) -> Iterator[float]:
    """Latencies from pgbench's log: client, number, microseconds, script, end (s, us), lag."""
    for line in log.splitlines():
        fields = line.split()
        if len(fields) < 7:
            continue  # cut off when the traffic was ended
        milliseconds = int(fields[2]) / 1000
        due = int(fields[4]) + int(fields[5]) / 1e6 - milliseconds / 1000
        if began <= due < ended:
            yield milliseconds


def _percentile(values: list[float], part: float) -> float:
    """The least value that so many percent of all are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(part) // 100) - 1)]
