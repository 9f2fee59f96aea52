"""What tokens of each format cost, and what is set along with them, beside one plain UPDATE."""

import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks.guard import forget_rotations
from benchmarks.measuring import OURS, PROJECT, require_rotated, say, spread, windows_took
from benchmarks.report import Plot, Table

RUN = [*OURS, "--table", "bench_secret"]
FORTY = ["--format", "{hex:40}"]
DIGEST = "checksum=encode(sha256(new_token::bytea), 'hex')"
#: What is set by hand instead, in one statement.
PLAIN = "UPDATE bench_secret SET token = gen_random_uuid()::text"
WAYS = {
    "UUIDs": [],
    "`{uuid}`": ["--format", "{uuid}"],
    "`{hex:40}`": FORTY,
    "`{hex:128}`": ["--format", "{hex:128}"],
    "`{urlsafe:43}`": ["--format", "{urlsafe:43}"],
    "`{base62:43}`": ["--format", "{base62:43}"],
    "`{alnum:64}`": ["--format", "{alnum:64}"],
    "`--expression`, `md5` of two UUIDs": [
        *("--expression", "md5(gen_random_uuid()::text || gen_random_uuid()::text)")
    ],
    "`{hex:40}`, one companion": [*FORTY, "--also", "status='rotated'"],
    "`{hex:40}`, its SHA-256": [*FORTY, "--also", DIGEST],
    "`{hex:40}`, `--where` for all rows": [*FORTY, "--where", "id > 0"],
}


def formats(cursor: Any, size: int, rounds: int) -> Table:
    """What each format, companions and conditions cost against one plain UPDATE of the table."""
    whole: dict[str, list[float]] = {name: [] for name in WAYS}
    windows: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}: single UPDATE")
        _fresh(cursor, size)
        began = time.monotonic()
        cursor.execute(PLAIN)
        plain = time.monotonic() - began
        for name, flags in WAYS.items():
            say(f"round {number + 1} of {rounds}: {name}")
            _fresh(cursor, size)
            began = time.monotonic()
            if subprocess.run([*RUN, *flags], cwd=PROJECT).returncode:
                sys.exit(f"{name} failed")
            whole[name].append((time.monotonic() - began) / plain)
            windows[name].append(windows_took(cursor) / plain)
            require_rotated(cursor, name, "bench_secret")
    rows = {name: [spread(whole[name]), spread(windows[name])] for name in WAYS}
    cursor.execute("DROP TABLE bench_secret, bench_before")
    ratios = [statistics.median(of) for of in whole.values()]
    plot = Plot("time of the whole process, single UPDATE = 1", list(rows), {"": ratios})
    caption = f"{size:,} rows of text, medians of {rounds} rounds"
    return Table(caption, ["time, single UPDATE = 1", "its windows alone"], rows, plot)


def _fresh(cursor: Any, size: int) -> None:
    """A table whose tokens are text, of which no rotation is known."""
    forget_rotations()
    cursor.execute(
        "DROP TABLE IF EXISTS bench_secret, bench_before;"
        "CREATE TABLE bench_secret (id bigint PRIMARY KEY, token text NOT NULL UNIQUE, checksum text,"
        " status text, title text)"
    )
    cursor.execute(
        "INSERT INTO bench_secret SELECT n, gen_random_uuid()::text, repeat('x', 64), 'open',"
        " 'ticket ' || n FROM generate_series(1, %s) AS n",
        [size],
    )
    cursor.execute("CREATE TABLE bench_before AS SELECT token FROM bench_secret")
    cursor.execute("VACUUM ANALYZE bench_secret")
    cursor.execute("CHECKPOINT")
