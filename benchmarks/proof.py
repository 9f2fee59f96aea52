"""What the proof costs: which part of a run snapshot and verification take."""

import json
import statistics
import subprocess
import time
from typing import Any

from benchmarks.measuring import MANAGE, PROJECT, fresh_table, say, spread
from benchmarks.report import Plot, Table


def share(cursor: Any, size: int, rounds: int) -> Table:
    """What part of a whole run each phase takes, the start of Python included."""
    parts: dict[str, list[float]] = {"snapshot": [], "windows": [], "verification": [], "the rest": []}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        fresh_table(cursor, size)
        cursor.execute("CHECKPOINT")
        for name, part in zip(parts, phases_of_a_run(), strict=True):
            parts[name].append(part)
    percents = {name: [100 * part for part in found] for name, found in parts.items()}
    rows = {name: [spread(found, 0)] for name, found in percents.items()}
    middle = [statistics.median(found) for found in percents.values()]
    plot = Plot("percent of the whole process's time", list(rows), {"": middle})
    return Table(f"{size:,} rows, medians of {rounds} rounds", ["percent of the time"], rows, plot)


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
