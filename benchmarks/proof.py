"""What the proof costs: which part of a run snapshot and verification take."""

import json
import statistics
import subprocess
import time
from typing import Any

from benchmarks.measuring import MANAGE, PROJECT, fresh_table, say, spread
from benchmarks.report import Plot, Table

PHASES = ("snapshot", "windows", "verification", "the rest")


def share(cursor: Any, size: int, rounds: int) -> Table:
    """What part of a whole run each phase takes, of a twentieth, a quarter and all of the rows."""
    columns, series = [], {}
    rows: dict[str, list[str]] = {name: [] for name in PHASES}
    for some in (size // 20, size // 4, size):
        parts = []
        for number in range(max(1, rounds * size // 20 // some)):
            say(f"{some:,} rows, round {number + 1}")
            fresh_table(cursor, some)
            cursor.execute("CHECKPOINT")
            parts.append([100 * part for part in phases_of_a_run()])
        columns.append(f"{some:,} rows")
        for name, found in zip(PHASES, zip(*parts, strict=True), strict=True):
            rows[name].append(spread(list(found), 0) if len(found) > 1 else f"{found[0]:.0f}")
        series[columns[-1]] = [statistics.median(found) for found in zip(*parts, strict=True)]
    plot = Plot("percent of the whole process's time", list(PHASES), series)
    return Table(f"percent of the time, medians of {rounds} rounds, or one", columns, rows, plot)


def phases_of_a_run() -> tuple[float, float, float, float]:
    """Run the command; the parts of its time that snapshot, windows, verification and the rest take."""
    began = time.monotonic()
    command = [*MANAGE, "rotate_tokens_sql", "--progress", "json"]
    child = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    phases, last_window = {}, 0.0
    for line in child.stdout or ():
        event = json.loads(line)
        if event["event"] == "phase":
            phases[event["number"]] = time.monotonic()
        if event["event"] == "window_done":
            last_window = time.monotonic()
    child.wait()
    whole = time.monotonic() - began
    snapshot = (phases[2] - phases[1]) / whole
    windows = (last_window - phases[2]) / whole
    verification = (phases[4] - last_window) / whole
    return snapshot, windows, verification, 1 - snapshot - windows - verification
