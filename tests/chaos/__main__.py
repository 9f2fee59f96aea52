"""Do drills, in two arenas side by side; print what came of them. Exit code 1 if anything was wrong."""

import argparse
import os
import platform
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from random import Random

import django

from tests.chaos import company, hangs, kills, limits, middle, outages, shortages, traffic
from tests.chaos.arena import Arena, Result, open_arena
from tests.chaos.report import publish, table
from tests.conftest import SERVER, Database

ARENAS = 2

Harm = Callable[[Result, Arena, Random, int], None]


@dataclass(frozen=True)
class Drill:
    """What is done, how often, and how often in a quick run; in the order of what takes longest."""

    harm: Harm
    what: str
    times: int
    quick: int


DRILLS = {
    name: Drill(found[name], what, times, quick)
    for found, name, what, times, quick in (
        (traffic.DRILLS, "traffic", "hostile traffic, seconds", 600, 15),
        (kills.DRILLS, "kill-random-1", "`kill -9` at a random moment, 1 worker", 250, 6),
        (kills.DRILLS, "kill-random-4", "`kill -9` at a random moment, 4 workers", 250, 6),
        (company.DRILLS, "freeze-anywhere", "SIGSTOP at every place, another continues, SIGCONT", 19, 1),
        (kills.DRILLS, "kill-gated-1", "`kill -9` at every place, 1 worker", 57, 19),
        (kills.DRILLS, "kill-gated-4", "`kill -9` at every place, 4 workers", 57, 19),
        (company.DRILLS, "freeze", "SIGSTOP for 30 s, another takes over, SIGCONT", 5, 1),
        (outages.DRILLS, "crash", "server crash in mid-window", 100, 4),
        (outages.DRILLS, "failover", "failover to an asynchronous standby", 20, 1),
        (company.DRILLS, "triple-start", "three started at once", 25, 1),
        (company.DRILLS, "triple-pooled", "three at once through PgBouncer", 25, 1),
        (outages.DRILLS, "terminate", "`pg_terminate_backend` at a random moment", 200, 8),
        (outages.DRILLS, "commit-done", "answer to a COMMIT lost, committed", 50, 4),
        (outages.DRILLS, "commit-not-done", "connection lost during COMMIT, not committed", 50, 4),
        (hangs.DRILLS, "hang-pooler", "PgBouncer freezes, two signals", 20, 1),
        (hangs.DRILLS, "hang-network", "packets vanish, in either direction, two signals", 20, 2),
        (hangs.DRILLS, "hang-quorum", "a COMMIT waits for a quorum, two signals", 20, 1),
        (
            middle.DRILLS,
            "pooler-restart",
            "PgBouncer restarted, by session and transaction",
            50,
            3,
        ),
        (
            middle.DRILLS,
            "pooler-pause",
            "PgBouncer's PAUSE and RESUME, by session and transaction",
            20,
            2,
        ),
        (middle.DRILLS, "pooler-statement", "PgBouncer, by statement", 4, 1),
        (middle.DRILLS, "proxy-cuts", "a proxy cuts each connection after some bytes", 200, 20),
        (middle.DRILLS, "proxy-delays", "a proxy passes everything on late", 10, 1),
        (limits.DRILLS, "temp-file-limit", "`temp_file_limit` reached, raised", 10, 1),
        (limits.DRILLS, "no-locks", "`max_locks_per_transaction` used up", 20, 2),
        (limits.DRILLS, "few-files", "`ulimit -n`, 5 to 24", 30, 4),
        (limits.DRILLS, "little-memory", "`ulimit -v`, 20 to 700 MB", 30, 4),
        (limits.DRILLS, "oom-kill", "the kernel's OOM killer, in a cgroup", 20, 2),
        (shortages.DRILLS, "no-connections", "connection limit reached", 10, 1),
        (shortages.DRILLS, "disk-full", "disk full, enlarged", 10, 1),
        (shortages.DRILLS, "output-closed", "output closed", 10, 1),
        (shortages.DRILLS, "clock", "the client's clock jumps", 100, 8),
        (shortages.DRILLS, "server-clock", "the server's clock jumps", 100, 8),
        (shortages.DRILLS, "wal-disk-full", "the disk of the WAL full, enlarged", 10, 2),
    )
}


def main() -> int:
    """Do what was asked for."""
    told = "\n".join(f"{name:<21} {drill.what} ({drill.times}; quick {drill.quick})"
                     for name, drill in DRILLS.items())  # fmt: skip
    parser = argparse.ArgumentParser(
        prog="run.py chaos",
        description=f"{__doc__}\n\n{told}",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("drills", nargs="*", metavar="DRILL", help="default: all")
    parser.add_argument("--quick", action="store_true", help="each a few times, in four minutes")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    asked = parser.parse_args()
    if unknown := set(asked.drills) - set(DRILLS):
        parser.error(f"no drill {sorted(unknown)[0]!r}; there are {', '.join(DRILLS)}")
    names = [name for name in DRILLS if not asked.drills or name in asked.drills]
    say(f"seed {asked.seed}")
    began = time.monotonic()
    with ExitStack() as stack:
        arenas = [stack.enter_context(open_arena()) for _ in range(ARENAS)]
        machine = describe(arenas[0])
        done = do_all(arenas, names, asked.seed, asked.quick)
    shutil.rmtree(SERVER.home, ignore_errors=True)  # the tests' own, which never ran
    text = table({name: (DRILLS[name].what, done[name]) for name in names})
    minutes = (time.monotonic() - began) / 60
    say(f"\n{machine}, {minutes:.0f} minutes\n\n{text}")
    for name in names:
        for fault in done[name].faults:
            say(f"{name}: {fault}")
    if asked.write:
        words = [*asked.drills, *["--quick"] * asked.quick, f"--seed {asked.seed}"]
        publish(f"python3 run.py chaos {' '.join(words)}", f"{machine}, {minutes:.0f} minutes", text)
    return 0 if all(result.sound for result in done.values()) else 1


def do_all(arenas: list[Arena], names: list[str], seed: int, quick: bool) -> dict[str, Result]:
    """Do drills in all arenas, each of which takes the next one as soon as it is free."""
    waiting = iter(names)  # of a list: threads may share it
    done: dict[str, Result] = {}

    def work(arena: Arena) -> None:
        for name in waiting:
            drill, began = DRILLS[name], time.monotonic()
            # Of its own, so that what a drill does depends on no other.
            random = Random(f"{seed} {name}")
            result = done[name] = Result()
            do(drill.harm, result, arena, random, drill.quick if quick else drill.times)
            how = "sound" if result.sound else "NOT SOUND"
            how = f"skipped: {result.skipped}" if result.skipped else how
            say(f"{name:<21} {result.times:>4} times in {time.monotonic() - began:>4.0f} s: {how}")

    with ThreadPoolExecutor(len(arenas)) as threads:
        try:
            for future in [threads.submit(work, arena) for arena in arenas]:
                future.result()
        finally:
            for _ in waiting:  # interrupted: no other drill begins
                pass
    return done


def do(harm: Harm, result: Result, arena: Arena, random: Random, times: int) -> None:
    """Do a drill. One that breaks off has a fault, and the arena is put in order for the next."""
    try:
        harm(result, arena, random, times)
    except Exception as error:
        traceback.print_exc()
        arena.server.ensure()
        result.faults.append(f"broken off by {type(error).__name__}: {str(error)[:200]}")


def describe(arena: Arena) -> str:
    """What the figures depend on."""
    version = Database(arena.server, "postgres").value("SHOW server_version")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{date.today()}, PostgreSQL {version}, Python {platform.python_version()},"
        f" Django {django.__version__}, {os.cpu_count()} cores {platform.machine()},"
        f" {memory:.0f} GiB, {platform.system()} {platform.release()}"
    )


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
