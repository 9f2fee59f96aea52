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


def growth(cursor: Any, size: int, rounds: int) -> Table:
    """Microseconds for a row, in a table of a tenth of the rows, of all, and of five times as many."""
    runs: dict[str, tuple[list[float], list[float], list[float]]] = {}
    for some in (size // 10, size, 5 * size):
        whole, windows, single = runs.setdefault(f"{some:,} rows", ([], [], []))
        for number in range(rounds):
            say(f"{some} rows, round {number + 1} of {rounds}")
            ours = measure(cursor, OURS, some)
            whole.append(1e6 * ours.seconds / some)
            windows.append(1e6 * ours.window_seconds / some)
            single.append(1e6 * measure(cursor, contender("single_update"), some).seconds / some)
    middle = [statistics.median(windows) for _, windows, _ in runs.values()]
    return Table(
        f"microseconds for a row, medians of {rounds} rounds",
        ["windows alone", "whole process", "single UPDATE, whole process"],
        {name: [spread(windows, 1), spread(whole, 1), spread(single, 1)]
         for name, (whole, windows, single) in runs.items()},
        Plot(
            "microseconds for a row",
            list(runs),
            {
                "windows alone": middle,
                "whole process": [statistics.median(whole) for whole, _, _ in runs.values()],
                "single UPDATE": [statistics.median(single) for _, _, single in runs.values()],
            },
        ),
        [f"Most against least, windows alone: {max(middle) / min(middle):.2f}."],
    )  # fmt: skip


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
