"""What a run costs for a row, by phase, in ever larger tables: the constants of docs/scale.md."""

import json
import subprocess
import time
from dataclasses import dataclass, fields
from typing import Any

from benchmarks.measuring import OURS, PROJECT, fresh_table, require_rotated, say
from benchmarks.report import Plot, Table

WORKERS = 2


@dataclass
class Costs:
    """Of one run; seconds, and bytes."""

    start: float  #: Python, catalog, guard, barrier, lanes
    snapshot: float
    windows: float
    verification: float  #: and the end
    wal: float
    images: float  #: of pages, in the WAL
    hashes: float  #: the set of revoked tokens, with its index
    growth: float  #: of the table with its indexes
    journal: float  #: rows of the journal


NAMES = {
    "start": "start, whatever the size, s",
    "snapshot": "snapshot, µs a row",
    "windows": f"windows with {WORKERS} workers, µs a row",
    "verification": "verification, µs a row",
    "wal": "WAL, bytes a row",
    "images": "images of pages in it, a thousand rows",
    "hashes": "set of hashes, bytes a token",
    "growth": "growth of table and indexes, bytes a row",
    "journal": "windows for a million rows",
}
UNITS = {"images": 1e3, "snapshot": 1e6, "windows": 1e6, "verification": 1e6, "journal": 1e6}


def scale(cursor: Any, size: int, rounds: int) -> Table:
    """A run's costs at a twentieth, a quarter and all of the rows, and what the smaller two foretell."""
    sizes = (size // 20, size // 4, size)
    measured = []
    for some in sizes:
        say(f"{some:,} rows")
        measured.append(costs(cursor, some))
    rows, off = {}, {}
    for field in fields(Costs):
        unit = UNITS.get(field.name, 1)
        totals = [getattr(one, field.name) for one in measured]
        shown = [
            total if field.name == "start" else unit * total / some
            for total, some in zip(totals, sizes, strict=True)
        ]
        foretold = line_through(sizes, totals)
        off[field.name] = 100 * (foretold / totals[-1] - 1)
        rows[NAMES[field.name]] = [*(f"{one:.3g}" for one in shown), f"{off[field.name]:+.0f} %"]
    whole = [one.start + one.snapshot + one.windows + one.verification for one in measured]
    error = 100 * (line_through(sizes, whole) / whole[-1] - 1)
    rows["the whole run, s"] = [*(f"{one:.1f}" for one in whole), f"{error:+.0f} %"]
    columns = [*(f"{some:,} rows" for some in sizes), "the last, foretold by the first two"]
    plot = Plot(
        "microseconds for a row",
        [f"{some:,} rows" for some in sizes],
        {
            name: [1e6 * getattr(one, name) / some for one, some in zip(measured, sizes, strict=True)]
            for name in ("snapshot", "windows", "verification")
        },
    )
    return Table(f"one run each, {WORKERS} workers", columns, rows, plot)


def line_through(sizes: tuple[int, ...], totals: list[float]) -> float:
    """What a straight line through the first two says of the last."""
    (one, two, last), (low, high, *_) = sizes, totals
    return low + (high - low) * (last - one) / (two - one)


def costs(cursor: Any, size: int, *flags: str) -> Costs:
    """Rotate a fresh table once, and take its costs from the events, the WAL and the catalog."""
    before = fresh_table(cursor, size)
    cursor.execute("CREATE TABLE bench_before AS SELECT token FROM ticket; CHECKPOINT")
    cursor.execute("SELECT pg_current_wal_insert_lsn(), wal_fpi FROM pg_stat_wal")
    position, images_before = cursor.fetchone()
    command = [*OURS[:-1], "json", "--workers", str(WORKERS), "--min-free", "off", *flags]
    began = time.monotonic()
    child = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    phases = {}
    for line in child.stdout or ():
        event = json.loads(line)
        if event["event"] == "phase":
            phases[event["number"]] = time.monotonic()
    if child.wait():
        raise SystemExit(f"{command} ended with {child.returncode}")
    ended = time.monotonic()
    require_rotated(cursor, "rotate_tokens_sql")
    cursor.execute(
        "SELECT pg_current_wal_insert_lsn() - %s::pg_lsn, pg_total_relation_size('ticket'),"
        " pg_total_relation_size('rotation_revoked_' || (SELECT max(set_id) FROM rotation)),"
        " (SELECT count(*) FROM rotation_window WHERE rotation_id = (SELECT max(id) FROM rotation)),"
        " (SELECT wal_fpi FROM pg_stat_wal)",
        [position],
    )
    wal, after, hashes, journal, images = map(float, cursor.fetchone())
    return Costs(
        start=phases[1] - began,
        snapshot=phases[2] - phases[1],
        windows=phases[3] - phases[2],
        verification=ended - phases[3],
        wal=wal,
        images=images - images_before,
        hashes=hashes,
        growth=after - before,
        journal=journal,
    )
