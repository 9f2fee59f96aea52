"""Windows of tables that Citus distributes, beside a plain table.

`python -m benchmarks.citus [--write]`: in a cluster of its own, a coordinator and two workers on this
machine, with the binaries that tests/citus_cluster.py finds.
"""

import os
import statistics
import subprocess
import sys
from contextlib import closing
from typing import Any

import psycopg2

from benchmarks.measuring import MANAGE, OURS, PROJECT, describe_machine, require_rotated, say, spread
from benchmarks.report import Plot, Table, publish
from tests.citus_cluster import cluster

SIZE = 300_000
ROUNDS = 3
WORKERS = {"1": "1 worker", "2": "2 workers"}
PLAIN = "plain table on the coordinator"
KINDS = {
    PLAIN: "",
    "hash-distributed, 8 shards": "SELECT create_distributed_table('bench', 'id', shard_count := 8)",
    "hash-distributed, 32 shards": "SELECT create_distributed_table('bench', 'id', shard_count := 32)",
    "reference table, three copies": "SELECT create_reference_table('bench')",
}
TABLE = """
    DROP TABLE IF EXISTS bench;
    CREATE TABLE bench (id bigint PRIMARY KEY, title text NOT NULL, status text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(), token uuid NOT NULL);
    CREATE INDEX ON bench (token);
"""
FILL = """
    INSERT INTO bench (id, title, status, token)
    SELECT n, 'ticket ' || n, 'open', gen_random_uuid() FROM generate_series(1, %s) AS n;
"""
PACE = """
    SELECT sum(rows)::float8 / extract(epoch FROM
        max(finished_at) - min(finished_at - milliseconds * interval '1 millisecond'))::float8
    FROM rotation_window WHERE rotation_id = (SELECT max(id) FROM rotation)
"""


def main() -> None:
    """Measure, in one cluster, one kind of table after the other in each round."""
    with cluster(fsync="on", shared_buffers="256MB") as url:
        os.environ["DATABASE_URL"] = url
        subprocess.run([*MANAGE, "migrate", "-v", "0"], check=True)
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'citus'")
            machine = f"Citus {cursor.fetchone()[0]}, {describe_machine(cursor)}"
            say(machine)
            table = compare(cursor)
    publish("citus", "python -m benchmarks.citus", machine, table, "--write" in sys.argv[1:],
            PROJECT / "docs" / "citus.md")  # fmt: skip


def compare(cursor: Any) -> Table:
    """Rows per second in windows, and each figure by that of the plain table in the same round."""
    paces: dict[tuple[str, str], list[float]] = {
        (kind, workers): [] for kind in KINDS for workers in WORKERS
    }
    for number in range(ROUNDS):
        for (kind, workers), found in paces.items():
            found.append(pace(cursor, kind, workers))
            say(f"round {number + 1}: {kind}, {WORKERS[workers]}: {found[-1]:,.0f} rows/s")
    columns: list[str] = []
    rows: dict[str, list[str]] = {}
    for of in WORKERS.values():
        columns += [f"{of}, thousand rows/s", "times the plain table"]
    for kind in KINDS:
        cells = []
        for workers in WORKERS:
            found, plain = paces[kind, workers], paces[PLAIN, workers]
            ratios = [one / other for one, other in zip(found, plain, strict=True)]
            cells += [spread([one / 1000 for one in found], 0), spread(ratios)]
        rows[kind] = cells
    plot = Plot(
        "thousand rows per second in windows, median",
        list(KINDS),
        {
            of: [statistics.median(paces[kind, workers]) / 1000 for kind in KINDS]
            for workers, of in WORKERS.items()
        },
    )
    return Table(f"{SIZE:,} rows, {ROUNDS} rounds", columns, rows, plot)


def pace(cursor: Any, kind: str, workers: str) -> float:
    """Rows per second from the first window's begin to the last one's end, of a fresh table."""
    cursor.execute(TABLE)
    if KINDS[kind]:
        cursor.execute(KINDS[kind])
    cursor.execute(FILL, [SIZE])
    cursor.execute("ANALYZE bench")
    cursor.execute("DROP TABLE IF EXISTS bench_before")
    cursor.execute("CREATE TABLE bench_before AS SELECT token FROM bench")
    flags = ("--table", "bench", "--no-guard", "--no-wait-replicas", "--vacuum", "off", "--lanes", "4")
    subprocess.run([*OURS, *flags, "--workers", workers], check=True, cwd=PROJECT)
    require_rotated(cursor, f"rotate_tokens_sql on a {kind}", "bench")
    cursor.execute(PACE)
    return float(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
