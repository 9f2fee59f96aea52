"""How much WAL a row costs in a table of any size: the model of docs/scale.md, checked at 1 : 500."""

import os
import shutil
import subprocess
import tempfile
from contextlib import closing
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

import psycopg2

from app.localpg.server import Server
from benchmarks.measuring import MANAGE, bench_server, say
from benchmarks.report import Plot, Table
from benchmarks.scale import WORKERS, costs

BILLION = 10**9
SHARED_BUFFERS = 16 * 2**30  # of the server that has a billion rows
MAX_WAL_SIZES = {f"{size} GB": size * 2**30 for size in (16, 64, 256)}
COMPRESSED = 64 * 2**30  # max_wal_size of the run with wal_compression
BENCH_MAX_WAL_SIZE = 4 * 2**30  # of the server of the other benchmarks
COMPLETION_TARGET = 0.9  # checkpoint_completion_target
VACUUMS = 10  # one every tenth of the rows
PAGE = 8192
SEGMENT = 16 * 2**20  # of WAL


@dataclass(frozen=True)
class Constants:
    """What the model takes from measurements; bytes."""

    record: float  #: WAL of a row without images of pages
    image: float  #: WAL of one image of a page
    entry: float  #: of the index on the token, for a row of the table
    ordered: float  #: of pages that are changed in the key's order, each as often as that happens


def wal_per_row(rows: int, max_wal_size: float, its: Constants) -> tuple[float, float]:
    """WAL of a row in bytes, and images of pages a row, in a table of so many rows.

    The first change of a page after a checkpoint writes all of it (full_page_writes). New tokens are
    random: each goes to any of the P pages of the token's index, so r rows leave P exp(-r / P) of them
    alone, if no vacuum passes meanwhile, which touches all. Other pages are changed in the key's order,
    once by each pass. A checkpoint begins every max_wal_size / (1 + checkpoint_completion_target)
    bytes in whole segments (CalculateCheckpointSegments in PostgreSQL's xlog.c), which gives r.
    """
    pages = rows * its.entry / PAGE
    distance = max(1, max_wal_size // SEGMENT / (1 + COMPLETION_TARGET) // 1) * SEGMENT

    def images(between: float) -> float:
        vacuumed = min(1, VACUUMS * between / rows)
        return pages * (1 - (1 - vacuumed) * exp(-between / pages)) + between * its.ordered / PAGE

    low, high = 1.0, distance / its.record
    while high - low > 1:
        between = (low + high) / 2
        fits = between * its.record + images(between) * its.image < distance
        low, high = (between, high) if fits else (low, between)
    return distance / low, images(low) / low


def billion(_: Any, size: int, rounds: int) -> Table:
    """A billion rows at a smaller scale, of memory and of the distance between checkpoints, too."""
    measured = {
        name: at_scale(size, max_wal_size * size // BILLION)
        for name, max_wal_size in MAX_WAL_SIZES.items()
    }
    (most, *_, least) = measured.values()
    image = (most.wal - least.wal) / (most.images - least.images)
    record = (least.wal - image * least.images) / size
    # The row's old and new version and their removal; the new key's entry and its removal.
    ordered = (3 * least.heap + 2 * least.key) / size
    its = Constants(record, image, least.index / size, ordered)
    say(f"{its}")
    rows, paces = {}, []
    for name, found in measured.items():
        wal, images = wal_per_row(size, MAX_WAL_SIZES[name] * size / BILLION, its)
        rows[f"`max_wal_size` {name}"] = [
            f"{found.images / size:.2f}", f"{images:.2f}",
            f"{found.wal / size:,.0f}", f"{wal:,.0f}", f"{100 * (wal * size / found.wal - 1):+.0f} %",
            f"{1e6 * found.windows / size:.1f}",
        ]  # fmt: skip
        paces.append(1e6 * found.windows / size)
    packed = at_scale(size, COMPRESSED * size // BILLION, wal_compression="on")
    rows[f"`max_wal_size` {COMPRESSED >> 30} GB, `wal_compression`"] = beyond_the_model(packed, size)
    shares = []
    for name in ("16 GB", "64 GB"):
        local = at_scale(size, MAX_WAL_SIZES[name] * size // BILLION, "--local-tokens")
        rows[f"`max_wal_size` {name}, `--local-tokens`"] = beyond_the_model(local, size)
        time = local.windows / measured[name].windows
        shares.append(
            f"{time:.2f} of the windows' time and {local.wal / measured[name].wal:.2f} of the WAL"
        )
    columns = ["images of pages a row", "by the model", "WAL a row, bytes", "by the model", "off by",
               f"windows with {WORKERS} workers, µs a row"]  # fmt: skip
    caption = f"10⁹ rows at 1 : {BILLION // size}"
    here = ", ".join(
        f"{wal_per_row(some, BENCH_MAX_WAL_SIZE, its)[0]:,.0f} for {some:,}"
        for some in (1_000_000, 5_000_000, 20_000_000)
    )
    remark = (
        f"Constants: {its.record:,.0f} bytes of WAL a row without images, {its.image:,.0f} an image,"
        f" {its.entry:.0f} of the token's index a row, {its.ordered:.0f} of pages in the key's order."
        f" With them and `max_wal_size` 4 GB the model says, in bytes of WAL a row: {here} rows."
        f" `--local-tokens`: {', and '.join(shares)}."
    )
    plot = Plot("microseconds a row, windows", list(measured), {"windows": paces})
    return Table(caption, columns, rows, plot, [remark])


def beyond_the_model(found: "Scaled", size: int) -> list[str]:
    """The row of a run of which the model says nothing."""
    images, wal = f"{found.images / size:.2f}", f"{found.wal / size:,.0f}"
    return [images, "", wal, "", "", f"{1e6 * found.windows / size:.1f}"]


@dataclass
class Scaled:
    """A run in a server that is smaller by as much as the table; seconds, bytes, images of pages."""

    windows: float
    wal: float
    images: float
    index: float
    key: float
    heap: float


def at_scale(size: int, max_wal_size: int, *flags: str, **also: str) -> Scaled:
    """Rotate so many rows in a server of its own, which is as much smaller as its table."""
    megabyte = 2**20
    settings = {
        "shared_buffers": f"{SHARED_BUFFERS * size // BILLION // megabyte}MB",
        "max_wal_size": f"{max_wal_size // megabyte}MB",
        "min_wal_size": "32MB",
        **also,
    }
    say(f"{settings} {flags}")
    home = Path(tempfile.mkdtemp(prefix="billion-"))
    server = Server(bench_server().binaries, home, settings)
    asked = os.environ["DATABASE_URL"]
    try:
        server.ensure("bench")
        os.environ["DATABASE_URL"] = server.url("bench")
        subprocess.run([*MANAGE, "migrate", "-v", "0"], check=True)
        with closing(psycopg2.connect(**server.address("bench"))) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            found = costs(cursor, size, *flags)
            cursor.execute(
                "SELECT pg_relation_size('ticket_token_key'), pg_relation_size('ticket_pkey'),"
                " pg_relation_size('ticket')"
            )
            sizes = map(float, cursor.fetchone())
            return Scaled(found.windows, found.wal, found.images, *sizes)
    finally:
        os.environ["DATABASE_URL"] = asked
        server.stop("immediate")
        shutil.rmtree(home)
