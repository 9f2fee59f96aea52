"""What the proof costs: the guard on the rotation and on save(), snapshot and verification in a run."""

import json
import statistics
import subprocess
import time
from typing import Any

from benchmarks.measuring import MANAGE, OURS, PROJECT, contender, fresh_table, measure, say, spread
from benchmarks.report import Plot, Table


def guard(cursor: Any, size: int, rounds: int) -> Table:
    """The cost of the guard, each pair side by side; it knows as many tokens as there are rows."""
    fresh_table(cursor, size)
    subprocess.run(OURS, check=True)
    triggers = guards_of(cursor)
    updates, saves = [], []
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        update_seconds, save_milliseconds = [], []
        for how in ("ENABLE ALWAYS", "DISABLE"):
            for trigger in triggers:
                cursor.execute(f"ALTER TABLE ticket {how} TRIGGER {trigger}")
            update_seconds.append(measure(cursor, contender("single_update"), size).seconds)
            save_milliseconds.append(float(subprocess.check_output(contender("save"), text=True)))
        updates.append(update_seconds)
        saves.append(save_milliseconds)
    for trigger in triggers:
        cursor.execute(f"ALTER TABLE ticket ENABLE ALWAYS TRIGGER {trigger}")
    rows, series = {}, []
    for name, pairs, unit in (
        ("the rotation's UPDATE of every row", updates, "s"),
        ("one `ticket.save()`", saves, "ms"),
    ):
        with_guard, without = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = [one / other for one, other in pairs]
        rows[name] = [f"{with_guard:.3g} {unit}", f"{without:.3g} {unit}", spread(ratios)]
        series.append(statistics.median(ratios))
    caption = f"{size:,} rows and revoked tokens, medians of {rounds} rounds"
    plot = Plot("time with guard, without = 1", list(rows), {"": series})
    return Table(caption, ["with guard", "without", "ratio"], rows, plot)


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


def guards_of(cursor: Any) -> list[str]:
    """The guards on the ticket table."""
    cursor.execute(
        "SELECT quote_ident(tgname) FROM pg_trigger"
        " WHERE tgrelid = 'ticket'::regclass AND NOT tgisinternal AND tgname LIKE '%%guard%%'"
    )
    return [name for (name,) in cursor.fetchall()]
