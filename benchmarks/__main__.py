"""Figures for README and docs, measured side by side on the embedded server."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2

from benchmarks.compare import compare, memory, others
from benchmarks.first_use import first_use
from benchmarks.formats import formats
from benchmarks.growth import growth, resume
from benchmarks.guard import guard
from benchmarks.latency import curve, latency
from benchmarks.measuring import MANAGE, bench_server, describe_machine, say
from benchmarks.model import billion
from benchmarks.page import page
from benchmarks.proof import share
from benchmarks.report import Table, publish
from benchmarks.scale import scale


@dataclass(frozen=True)
class Benchmark:
    """A function that measures, and how many rows and rounds it takes unless told otherwise."""

    measure: Callable[[Any, int, int], Table]
    size: int
    rounds: int


BENCHMARKS = {
    "compare": Benchmark(compare, 1_000_000, 4),
    "others": Benchmark(others, 200_000, 2),
    "growth": Benchmark(growth, 20_000_000, 2),
    "latency": Benchmark(latency, 1_000_000, 2),
    "curve": Benchmark(curve, 1_000_000, 2),
    "resume": Benchmark(resume, 1_000_000, 3),
    "share": Benchmark(share, 20_000_000, 3),
    "formats": Benchmark(formats, 500_000, 3),
    "guard": Benchmark(guard, 20_000_000, 5),
    "first-use": Benchmark(first_use, 1_000, 2),
    "memory": Benchmark(memory, 2_000_000, 1),
    "page": Benchmark(page, 100_000, 3),
    "scale": Benchmark(scale, 20_000_000, 1),
    "billion": Benchmark(billion, 2_000_000, 1),
}


def main() -> None:
    """Measure what was asked for."""
    told = (f"{name:<9} {one.measure.__doc__}" for name, one in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="run.py bench",
        description=f"{__doc__}\n\n" + "\n".join(told),
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=BENCHMARKS)
    parser.add_argument("--size", type=int, help="rows")
    parser.add_argument("--rounds", type=int)
    parser.add_argument(
        "--postgres", metavar="DIR", help="where initdb and postgres are (default: the embedded ones)"
    )
    parser.add_argument(
        "--write", action="store_true", help="put table and plot into docs/benchmarks.md"
    )
    asked = parser.parse_args()
    benchmark = BENCHMARKS[asked.what]
    size, rounds = asked.size or benchmark.size, asked.rounds or benchmark.rounds
    if asked.postgres:
        os.environ["BENCH_POSTGRES"] = asked.postgres
    server = bench_server()
    server.ensure()
    with closing(psycopg2.connect(**server.address())) as connection:
        connection.autocommit = True
        # Revoked tokens of earlier benchmarks would cost the guard a look at each of their sets.
        connection.cursor().execute("DROP DATABASE IF EXISTS bench WITH (FORCE)")
    server.ensure("bench")
    os.environ["DATABASE_URL"] = server.url("bench")
    os.environ["DJANGO_SETTINGS_MODULE"] = "app.settings"
    subprocess.run([*MANAGE, "migrate", "-v", "0"], check=True)
    with closing(psycopg2.connect(**server.address("bench"))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        machine = describe_machine(cursor)
        say(machine)
        server_version = connection.server_version
        table = benchmark.measure(cursor, size, rounds)
    flags = [word for word in sys.argv[1:] if word != "--write"]
    version = str(server_version // 10000) if asked.postgres else ""
    name = "-".join(filter(None, (asked.what, version)))
    publish(name, f"python3 run.py bench {' '.join(flags)}", machine, table, asked.write)


if __name__ == "__main__":
    main()
