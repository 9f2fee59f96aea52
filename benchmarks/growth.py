"""Whether the time for a row stays the same in a larger table, and what interruptions cost."""

import random
import signal
import statistics
import subprocess
import time
from typing import Any

from benchmarks.measuring import (
    OURS,
    PROJECT,
    contender,
    fresh_table,
    measure,
    require_rotated,
    say,
    spread,
)
from benchmarks.report import Plot, Table

INTERRUPTIONS = 10


COMMANDS = {
    "single UPDATE": contender("single_update"),
    "no flags": OURS,
    "`--local-tokens`": [*OURS, "--local-tokens"],
}


def growth(cursor: Any, size: int, rounds: int) -> Table:
    """Microseconds for a row: a 200th, a 20th, a quarter and all of the rows, these once."""
    found: dict[str, dict[str, list[float]]] = {}
    for some in (size // 200, size // 20, size // 4, size):
        series = found.setdefault(f"{some:,} rows", {})
        for number in range(rounds if some < size else 1):
            for name, command in COMMANDS.items():
                say(f"{some:,} rows, round {number + 1}: {name}")
                run = measure(cursor, command, some)
                series.setdefault(name, []).append(1e6 * run.seconds / some)
                if run.window_seconds:
                    series.setdefault(f"{name}, windows", []).append(1e6 * run.window_seconds / some)
    columns = list(next(iter(found.values())))
    middle = {name: [statistics.median(series[name]) for series in found.values()] for name in columns}
    rows = {
        some: [
            spread(figures, 1) if len(figures) > 1 else f"{figures[0]:.1f}"
            for figures in series.values()
        ]
        for some, series in found.items()
    }
    rows["most : least"] = [f"{max(values) / min(values):.2f}" for values in middle.values()]
    return Table(
        f"microseconds for a row, medians of {rounds} rounds, or one",
        columns,
        rows,
        Plot("microseconds for a row", list(found), middle),
    )


def resume(cursor: Any, size: int, rounds: int) -> Table:
    """A run that is killed or stopped ten times, against one that is not."""
    names = ("never interrupted", f"stopped {INTERRUPTIONS} times", f"killed {INTERRUPTIONS} times")
    whole: dict[str, list[float]] = {name: [] for name in names}
    worked: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name, how in zip(names, (None, signal.SIGTERM, signal.SIGKILL), strict=True):
            say(f"round {number + 1} of {rounds}: {name}")
            fresh_table(cursor, size)
            cursor.execute("CREATE TABLE bench_before AS SELECT token FROM ticket; CHECKPOINT")
            began = time.monotonic()
            if how:
                _interrupted(how, whole[names[0]][-1])
            else:
                subprocess.run(OURS, cwd=PROJECT, check=True)
            whole[name].append(time.monotonic() - began)
            worked[name].append(_seconds_of_windows(cursor))
            require_rotated(cursor, name)
    base, work = whole[names[0]], worked[names[0]]
    cost = {
        name: [(one - other) / INTERRUPTIONS for one, other in zip(whole[name], base, strict=True)]
        for name in names[1:]
    }
    ratios = {
        name: [one / other for one, other in zip(worked[name], work, strict=True)] for name in names
    }
    return Table(
        f"{size:,} rows, medians of {rounds} rounds",
        ["work in windows, never interrupted = 1", "whole, s", "an interruption costs, s"],
        {name: [spread(ratios[name]), spread(whole[name], 1), spread(cost[name]) if name in cost else ""]
         for name in names},
        Plot("seconds, whole", list(names), {"": [statistics.median(whole[name]) for name in names]}),
    )  # fmt: skip


def _interrupted(how: signal.Signals, usual: float) -> None:
    """Run the command again and again, each time interrupted, and at last to the end."""
    for _ in range(INTERRUPTIONS):
        child = subprocess.Popen(OURS, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5 + random.uniform(0.5, 1.5) * usual / (INTERRUPTIONS + 4))
        child.send_signal(how)
        child.wait()
    subprocess.run(OURS, cwd=PROJECT, check=True)


def _seconds_of_windows(cursor: Any) -> float:
    """What the journal says that the windows of the latest rotation took."""
    cursor.execute(
        "SELECT sum(milliseconds) / 1000.0 FROM rotation_window"
        " WHERE rotation_id = (SELECT max(id) FROM rotation)"
    )
    return float(cursor.fetchone()[0])
