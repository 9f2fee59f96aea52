"""What a machine runs out of: disk, connections, a clock that can be trusted, somebody who reads."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any

import psycopg2

from app.localpg.server import embedded_binaries
from tests.chaos.arena import COMMAND, Arena, Result, open_arena
from tests.conftest import PROJECT, Database, Done, read_until, until
from tests.servers import make_server
from tests.throttle.tablespace import may_mount, small_tablespace

ROWS = 3000
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
NO_FAKETIME = "libfaketime is not installed (Debian: faketime)"
CLOCKS = ["+0", "+1h", "-1h", "+400d", "-400d", "-3s", "+3s"]


def full_disk(result: Result, arena: Arena, random: Random, times: int) -> None:
    """The table's disk fills up; the command says so and ends; enlarged, the same command continues."""
    if not may_mount():
        result.skipped = "no right to mount a small file system"
        return
    while result.times < times:
        with arena.tickets(8000) as db, small_tablespace(db, 64) as place:
            db.sql(f"ALTER TABLE ticket SET TABLESPACE {db.name}")
            resize(place, used(place) + random.randrange(50_000, 400_000))
            flags = (
                "--min-free",
                "off",
                "--vacuum",
                "off",
                "--window",
                "200",
                "--workers",
                random.choice("14"),
            )
            full = db.run(*COMMAND, *flags)
            result.expect(full.code not in (0, 2), f"exit code {full.code} where the disk is full")
            result.expect("disk full" in full.err, f"a full disk is not named: {full.lines[-1:]}")
            result.times += 1
            result.agrees(db, "where the disk is full")
            resize(place, 64_000_000)
            result.judge(db.run(*COMMAND, *flags), db)


def full_wal(result: Result, arena: Arena, random: Random, times: int) -> None:
    """The disk with the WAL fills up, so that the server crashes and stays down; then it is enlarged.

    In half of the cases windows are told to leave some of it free: then the server must not crash.
    """
    if not may_mount():
        result.skipped = "no right to mount a small file system"
        return
    while result.times < times:
        careful = result.times % 2 == 1
        with small_wal(400) as (its, place), its.tickets(40_000) as db:
            db.sql("CHECKPOINT")
            free = random.randrange(1, 15) * 1_000_000
            resize(place, used(place) + free + careful * 20_000_000)
            flags = ("--min-free", "40MB" if careful else "off", "--window", "200", "--vacuum", "off")
            child = db.start(*COMMAND, *flags, "--workers", random.choice("14"))
            if careful:
                read_until(child, "of disk free in")
            else:
                until(lambda: child.poll() is not None or "PANIC" in its.server.log.read_text())  # noqa: B023
            sleep(random.uniform(0, 5))
            crashed = "PANIC" in its.server.log.read_text()
            result.expect(crashed != careful, f"crashed: {crashed}, {careful=}, {free} bytes free")
            result.times += 1
            resize(place, 400_000_000)
            its.server.ensure()
            result.agrees(db, "where the disk was full")
            out = child.communicate(timeout=120)[0]
            if child.returncode and not careful:
                result.where["ended, resumable"] += 1
                told = "disk full" in out or "no database" in out
                result.expect(told and child.returncode != 2, f"{child.returncode}: {out[-200:]}")
                result.judge(db.run(*COMMAND, *flags), db)
            else:
                result.where["waited" if careful else "continued after a crash"] += 1
                result.judge(Done(child.returncode, out, ""), db)


@contextmanager
def small_wal(megabytes: int) -> Iterator[tuple[Arena, Path]]:
    """An arena whose server writes its WAL to a file system of so many MB, and where that is mounted."""
    server = make_server(embedded_binaries(), max_wal_size="64MB", wal_recycle="off")
    with open_arena(server) as its:
        server.stop("fast")
        wal, place, first = server.data / "pg_wal", server.home / "wal", server.home / "first"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
        subprocess.run(mount, check=True)
        try:
            wal.rename(first)
            subprocess.run(["cp", "-a", f"{first}/.", place], check=True)
            wal.symlink_to(place)
            server.ensure()
            yield its, place
        finally:
            server.stop("immediate")
            subprocess.run(["umount", place], check=True)


def used(place: Path) -> int:
    """Bytes in use on a file system."""
    return int(subprocess.check_output(["df", "-B1", "--output=used", place], text=True).split()[1])


def resize(place: Path, size: int) -> None:
    """Make a file system in memory smaller or larger."""
    subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)


def no_connections(result: Result, arena: Arena, random: Random, times: int) -> None:
    """Its connections are terminated, and the others take every one that the server has, for a while."""
    while result.times < times:
        with arena.tickets(ROWS) as db:
            workers = random.choice("14")
            child = db.start(*COMMAND, "--window", "10", "--workers", workers, "--max-rate", "3000")
            read_until(child, "phase 2")
            hogs: list[Any] = []
            try:
                hog_all(db, hogs)
                result.times += 1
                sleep(random.uniform(0.2, 3))
                result.expect(child.poll() is None, "it ended without a connection")
            finally:
                for hog in hogs:
                    hog.close()
            out = result.ended(child, db)
            result.expect("no database: " in out, "it had a connection all the time")


def hog_all(db: Database, hogs: list[Any]) -> None:
    """Take all connections, those of the client too."""
    deadline = monotonic() + 30
    rest = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> ALL (%s)"
    rest += " AND backend_type = 'client backend' AND datname = current_database()"
    while monotonic() < deadline:
        with suppress(psycopg2.OperationalError):
            while True:
                hogs.append(db.connect())
        with hogs[0].cursor() as cursor:
            cursor.execute(rest, [[hog.info.backend_pid for hog in hogs]])
            if not cursor.rowcount:
                return
    raise AssertionError("the client kept a connection")


def clock_jumps(result: Result, arena: Arena, random: Random, times: int) -> None:
    """The client's clock jumps back and forth, by seconds and by years, while it runs."""
    if FAKETIME is None:
        result.skipped = NO_FAKETIME
        return
    with wrong_clock() as (fake, jump):
        while result.times < times:
            with arena.tickets(ROWS) as db:
                rotate_while(result, db, random, jump, db.environment(**fake))


def server_clock_jumps(result: Result, arena: Arena, random: Random, times: int) -> None:
    """The same with the clock of a server, and what it dates: signs of life, windows, ends."""
    if FAKETIME is None:
        result.skipped = NO_FAKETIME
        return
    with wrong_clock() as (fake, jump), open_arena() as its:
        its.server.stop("fast")
        start = (its.server.binaries / "pg_ctl", "start", "-D", its.server.data, "-w")
        variables = [f"{name}={value}" for name, value in fake.items()]
        started = its.server._run("/usr/bin/env", *variables, *start, "-l", its.server.log)
        assert started.returncode == 0, started.stdout
        while result.times < times:
            with its.tickets(ROWS) as db:
                rotate_while(result, db, random, jump, db.environment())


@contextmanager
def wrong_clock() -> Iterator[tuple[dict[str, str], Callable[[str], object]]]:
    """The environment of processes whose clock is wrong, and what makes it jump."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server may run as another user
        clock, following = Path(folder, "clock"), Path(folder, "next")

        def jump(offset: str) -> None:
            following.write_text(offset)
            following.replace(clock)

        jump("+0")
        yield (
            {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DISABLE_SHM": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
            },
            jump,
        )


def rotate_while(
    result: Result,
    db: Database,
    random: Random,
    jump: Callable[[str], object],
    environment: dict[str, str],
) -> None:
    """Rotate while a clock jumps; then the right time again."""
    flags = ("--progress", "json", "--window", "50", "--workers", random.choice("14"))
    child = db.start(COMMAND[0], *flags, "--max-rate", "3000", env=environment)
    while child.poll() is None:
        jump(random.choice(CLOCKS))
        result.times += 1
        sleep(random.uniform(0.05, 0.3))
    out = result.ended(child, db)
    jump("+0")
    result.expect(plausible(out), "progress that can't be")


def plausible(out: str) -> bool:
    """Whether all progress is what can be: nothing below 0, nothing above the whole or an hour."""
    told = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    shares = [one["percent"] for one in told if one.get("percent") is not None]
    remaining = [one["eta_seconds"] for one in told if one.get("eta_seconds") is not None]
    return (
        bool(shares)
        and all(0 <= share <= 100 for share in shares)
        and all(0 <= seconds < 3600 for seconds in remaining)
    )


def nobody_reads(result: Result, arena: Arena, random: Random, times: int) -> None:
    """Its output is closed: before it starts, or by its reader at any moment."""
    command = [sys.executable, str(PROJECT / "manage.py"), *COMMAND, "--ack-triggers", "-v", "2"]
    while result.times < times:
        with arena.tickets(ROWS) as db:
            flags = ("--window", "20", "--workers", random.choice("14"))
            if random.random() < 0.3:
                closed = ["sh", "-c", 'exec "$@" >&-', "sh", *command, *flags]
                done = subprocess.run(closed, env=db.environment(), stderr=subprocess.PIPE, text=True)
                code, err = done.returncode, done.stderr
            else:
                child = db.start(*COMMAND, *flags, "-v", "2", stderr=subprocess.PIPE)
                assert child.stdout is not None and child.stderr is not None
                for _ in range(random.randrange(1, 100)):
                    child.stdout.readline()
                child.stdout.close()
                code, err = child.wait(60), child.stderr.read()
            result.times += 1
            result.expect((code, err) == (0, ""), f"exit code {code}: {err[-200:]}")
            result.judge(Done(0, "", ""), db)


DRILLS = {
    "disk-full": full_disk,
    "no-connections": no_connections,
    "clock": clock_jumps,
    "server-clock": server_clock_jumps,
    "wal-disk-full": full_wal,
    "output-closed": nobody_reads,
}
