"""Figures for README and docs, measured side by side on the embedded server.

compare  each contender on a fresh table of the same size, in turn, for several rounds
memory   the client's peak memory with few rows and with many
guard    what the guard costs the rotation's UPDATE, and an ordinary save()
share    what part of a run snapshot, windows and verification take
"""

import argparse
import os
import subprocess
from contextlib import closing

import psycopg2

from app.localpg.server import project_server
from benchmarks.compare import COMMANDS, FAST, compare, memory
from benchmarks.measuring import MANAGE, describe_machine
from benchmarks.proof import guard, share


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        prog="run.py bench",
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("compare", "memory", "guard", "share"))
    parser.add_argument("--size", type=int, default=200_000, help="rows (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--fast", action="store_true", help="only what keeps up with a single UPDATE")
    asked = parser.parse_args()
    server = project_server()
    server.ensure("bench")
    os.environ["DATABASE_URL"] = server.url("bench")
    subprocess.run([*MANAGE, "migrate", "-v", "0"], check=True)
    with closing(psycopg2.connect(**server.address("bench"))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        describe_machine(cursor)
        if asked.what == "memory":
            memory(cursor)
        elif asked.what == "compare":
            names = list(COMMANDS)[: FAST if asked.fast else None]
            compare(cursor, names, asked.size, asked.rounds)
        else:
            {"guard": guard, "share": share}[asked.what](cursor, asked.size, asked.rounds)


if __name__ == "__main__":
    main()
