"""Limits: of temporary files and locks, of the client's open files and memory; the OOM killer."""

import os
import resource
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from time import sleep

import psycopg2

from app.localpg.server import embedded_binaries
from tests.chaos.arena import COMMAND, Arena, Result, open_arena
from tests.conftest import PROJECT, Database, Done, read_until
from tests.servers import make_server

ROWS = 4000
FLAGS = ("--window", "20", "--ack-triggers")
CGROUPS = Path("/sys/fs/cgroup/memory")  # of version 1; of version 2 only a whole tree may be ours
MB = 2**20


def temporary_files(result: Result, arena: Arena, random: Random, times: int) -> None:
    """The set of hashes is sorted on a disk of which the role may use nothing; then it may."""
    while result.times < times:
        with arena.tickets(40_000) as db:
            limit = random.choice(["0", "'100kB'", "'300kB'"])
            db.sql(f"ALTER DATABASE {db.name} SET temp_file_limit = {limit};"
                   f"ALTER DATABASE {db.name} SET maintenance_work_mem = '1MB'")  # fmt: skip
            full = db.run(*COMMAND, "--window", "5000")
            result.times += 1
            names_it(result, full, 1, "temp_file_limit")
            result.agrees(db, "where no temporary file was possible")
            db.sql(f"ALTER DATABASE {db.name} RESET temp_file_limit")
            result.judge(db.run(*COMMAND, "--window", "5000"), db)


def locks_exhausted(result: Result, arena: Arena, random: Random, times: int) -> None:
    """Another session holds every lock that the server has room for, from some moment on."""
    server = make_server(embedded_binaries(), max_locks_per_transaction="10", max_connections="20")
    with open_arena(server) as its:
        while result.times < times:
            with its.tickets(ROWS) as db:
                child = db.start(*COMMAND, "--window", "20", "--max-rate", "3000")
                read_until(child, random.choice(["started", "phase 1", "phase 2"]))
                sleep(random.uniform(0, 0.5))
                with closing(db.connect()) as hog, hog.cursor() as cursor:
                    with suppress(psycopg2.errors.OutOfMemory):
                        cursor.execute(
                            "SELECT pg_advisory_lock(n) FROM generate_series(1, 1000000) AS n"
                        )
                    result.times += 1
                    sleep(random.uniform(0.5, 2))
                out = child.communicate(timeout=120)[0]
                result.agrees(db, "where no lock was left")
                if child.returncode == 0:
                    result.where["went through"] += 1
                    result.judge(Done(0, out, ""), db)
                    continue
                names_it(result, Done(child.returncode, "", out), 1, "max_locks_per_transaction")
                result.where["ended with the reason"] += 1
                result.judge(db.run(*COMMAND, "--window", "20"), db)


def names_it(result: Result, done: Done, code: int, setting: str) -> None:
    """It must have ended with this code and with a line that names the setting."""
    last = (done.err.strip().splitlines() or ["nothing"])[-1]
    result.expect(done.code == code, f"exit code {done.code}: {last[:200]}")
    result.expect(setting in last, f"{setting} is not named: {last[:200]}")
    result.expect("Traceback" not in done.err, f"a traceback: {last[:200]}")


def few_files(result: Result, arena: Arena, random: Random, times: int) -> None:
    """`ulimit -n`: from so few that nothing can be imported to so many that only a worker is missing."""
    while result.times < times:
        with arena.tickets(ROWS) as db:
            limited(result, db, (resource.RLIMIT_NOFILE, random.randrange(5, 25)))


def little_memory(result: Result, arena: Arena, random: Random, times: int) -> None:
    """`ulimit -v`: of what an unlimited run needs, any part."""
    while result.times < times:
        with arena.tickets(ROWS) as db:
            limited(result, db, (resource.RLIMIT_AS, random.randrange(20, 700) * MB))


def limited(result: Result, db: Database, limit: tuple[int, int]) -> None:
    """Run under a limit: it goes through, or says in one line that it can't; unlimited it does."""
    workers = ("--workers", "4", "--lanes", "4")
    done = subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), *COMMAND, *FLAGS, *workers],
        env=db.environment(), capture_output=True, text=True, timeout=180,
        preexec_fn=lambda: resource.setrlimit(limit[0], (limit[1], limit[1])),
    )  # fmt: skip
    result.times += 1
    last = (done.stderr.strip().splitlines() or [""])[-1]
    result.where["went through" if done.returncode == 0 else "ended"] += 1
    if done.returncode:
        result.expect(done.returncode in (1, 3), f"{limit}: exit code {done.returncode}: {last[:200]}")
        result.expect("Traceback" not in done.stderr, f"{limit}: a traceback: {last[:200]}")
        result.expect(bool(last), f"{limit}: no word")
        result.agrees(db, "where it ended")
    result.judge(db.run(*COMMAND, "--window", "20"), db)


def out_of_memory(result: Result, arena: Arena, random: Random, times: int) -> None:
    """The kernel kills it, in a cgroup whose memory is too small, early or in its windows."""
    with cgroup() as group:
        if group is None:
            result.skipped = "no right to make a cgroup for memory (version 1)"
            return
        while result.times < times:
            with arena.tickets(ROWS) as db:
                (group / "memory.limit_in_bytes").write_text(str(random.randrange(15, 60) * MB))
                killed = subprocess.run(
                    ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", sys.executable,
                     str(PROJECT / "manage.py"), *COMMAND, *FLAGS],
                    env=db.environment(), capture_output=True, text=True, timeout=180,
                )  # fmt: skip
                result.where[
                    "killed" if killed.returncode == -9 else f"exit code {killed.returncode}"
                ] += 1
                result.times += killed.returncode == -9
                result.expect(killed.returncode in (-9, 0), f"exit code {killed.returncode}")
                result.agrees(db, "where it was killed")
                result.judge(db.run(*COMMAND, "--window", "20"), db)


@contextmanager
def cgroup() -> Iterator[Path | None]:
    """A cgroup of our own that limits memory, or None where that can't be had."""
    group = CGROUPS / f"rt-{uuid.uuid4().hex[:8]}"
    if not (os.access(CGROUPS, os.W_OK) and shutil.which("sh")):
        yield None
        return
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


DRILLS = {
    "temp-file-limit": temporary_files,
    "no-locks": locks_exhausted,
    "few-files": few_files,
    "little-memory": little_memory,
    "oom-kill": out_of_memory,
}
