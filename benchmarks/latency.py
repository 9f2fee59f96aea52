"""What the application feels: pgbench traffic on the table while its tokens are replaced."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measuring import (
    OURS,
    PROJECT,
    bench_server,
    contender,
    fresh_table,
    require_rotated,
    say,
    spread,
    windows_took,
)
from benchmarks.report import Plot, Table

RATE = 200  # transactions a second, at moments that do not depend on how fast the others are done
CLIENTS = 8
WARM_UP = 3.0  # seconds of traffic before the job begins
DRAIN = 5.0  # seconds for transactions that were due during the job to finish
QUIET = 15.0  # seconds of traffic that stand for no job at all
JOBS: dict[str, list[str] | None] = {
    "no job": None,
    "no flags": OURS,
    "`--workers 2`": [*OURS, "--workers", "2"],
    "`--max-rate 20000`": [*OURS, "--max-rate", "20000"],
    "single UPDATE": contender("single_update"),
}
SECONDS = (0.5, 0.3, 0.2, 0.1, 0.05, 0.02)  # of --window-seconds; the first is the base of the others

#: One transaction: a customer looks at a ticket and edits its title.
SCRIPT = """\\set id random(1, {size})
BEGIN;
SELECT title FROM ticket WHERE id = :id;
UPDATE ticket SET title = 'edited', updated_at = now() WHERE id = :id;
COMMIT;
"""


@dataclass
class Felt:
    """What the traffic felt of a job, all rounds together, and how long the job took in each of them."""

    milliseconds: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    window_seconds: list[float] = field(default_factory=list)

    @property
    def percentiles(self) -> list[float]:
        """At 50, 95, 99 and 100 percent: the least value that so many are not above (nearest rank)."""
        ordered = sorted(self.milliseconds)
        return [ordered[max(0, -(-len(ordered) * part // 100) - 1)] for part in (50, 95, 99, 100)]


def latency(cursor: Any, size: int, rounds: int) -> Table:
    """Percentiles of the traffic's latency, from the moment at which each transaction was due."""
    found = _in_turn(cursor, JOBS, size, rounds)
    rows = {
        name: [f"{len(felt.milliseconds):,}", f"{min(felt.seconds):.0f} to {max(felt.seconds):.0f}"]
        for name, felt in found.items()
    }
    return _table(found, size, rounds, ["transactions", "job took, s"], rows)


def curve(cursor: Any, size: int, rounds: int) -> Table:
    """The same, and the windows' pace, for each --window-seconds and 1 and 2 workers."""
    jobs = {
        f"{workers}, {seconds:g} s": [*OURS, "--workers", f"{workers}", "--window-seconds", f"{seconds}"]
        for workers in (1, 2)
        for seconds in SECONDS
    }
    found = _in_turn(cursor, jobs, size, rounds)
    rows = {}
    for name, felt in found.items():
        base = found[f"{name.split(',')[0]}, {SECONDS[0]:g} s"].window_seconds
        # Pair by pair: the two runs of a round are neighbours in time on a machine that drifts.
        ratios = [one / other for one, other in zip(felt.window_seconds, base, strict=True)]
        rows[name] = [spread(ratios)]
    return _table(found, size, rounds, [f"windows' time, {SECONDS[0]:g} s = 1"], rows)


def _in_turn(
    cursor: Any, jobs: Mapping[str, list[str] | None], size: int, rounds: int
) -> dict[str, Felt]:
    found = {name: Felt() for name in jobs}
    for number in range(rounds):
        for name, command in jobs.items():
            say(f"round {number + 1} of {rounds}: {name}")
            fresh_table(cursor, size)
            cursor.execute("CREATE TABLE bench_before AS SELECT token FROM ticket; CHECKPOINT")
            seconds, latencies = _traffic_beside(command, size)
            if command:
                require_rotated(cursor, name)
            found[name].milliseconds += latencies
            found[name].seconds.append(seconds)
            found[name].window_seconds.append(windows_took(cursor))
            *_, p99, most = Felt(latencies).percentiles
            say(f"  {seconds:.1f} s, p99 {p99:.1f} ms, most {most:.1f} ms")
    return found


def _table(
    found: dict[str, Felt], size: int, rounds: int, columns: list[str], rows: dict[str, list[str]]
) -> Table:
    """The percentiles of each job, and more columns behind them."""
    percentiles = {name: felt.percentiles for name, felt in found.items()}
    return Table(
        f"{size:,} rows, {RATE} transactions/s, {rounds} rounds together",
        ["p50 ms", "p95 ms", "p99 ms", "most, ms", *columns],
        {name: [*(f"{value:,.1f}" for value in values), *rows[name]]
         for name, values in percentiles.items()},
        Plot(
            "milliseconds (logarithmic)",
            list(found),
            {title: [values[place] for values in percentiles.values()]
             for place, title in enumerate(("p50", "p95", "p99", "most"))},
            logarithmic=True,
        ),
    )  # fmt: skip


def _traffic_beside(command: list[str] | None, size: int) -> tuple[float, list[float]]:
    """Seconds that the job took, and the milliseconds of each transaction that was due meanwhile."""
    with tempfile.TemporaryDirectory() as place:
        script = Path(place, "traffic.sql")
        script.write_text(SCRIPT.format(size=size))
        server = bench_server()
        address = server.address("bench")
        traffic = subprocess.Popen(
            [
                str(server.binaries / "pgbench"),
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
