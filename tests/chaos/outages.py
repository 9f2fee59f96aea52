"""The database goes away: crashes, failovers, lost connections, answers to COMMIT that never come."""

import os
import shutil
import signal
import subprocess
from contextlib import ExitStack, suppress
from random import Random
from time import sleep

from app.localpg.server import Server
from tests.chaos.arena import COMMAND, Arena, Result, open_arena
from tests.conftest import Database, databases, kill, read_until, until
from tests.cutter import cutting
from tests.servers import standby_of
from tests.work.gates import GATES, build_gate, closed_gate, waiting_at_gate

ROWS = 4000
FLAGS = ("--window", "20", "--lock-timeout", "600000")


def crashes(result: Result, arena: Arena, random: Random, times: int) -> None:
    """Crash the server in mid-window (stop -m immediate) and start it: the same process continues."""
    while result.times < times:
        workers = random.choice("14")
        with arena.tickets(ROWS) as db:
            build_gate(db, *GATES[random.choice(["after the UPDATE", "after the checkpoint"])])
            child = db.start(*COMMAND, *FLAGS, "--workers", workers, "--lanes", workers)
            while result.times < times and goes_on(db, child, random.randrange(10)):
                with closed_gate(db):
                    if not stands(db, child):
                        break
                    arena.server.stop("immediate")
                result.times += 1
                arena.server.ensure()
                result.agrees(db, "after a crash")
            out = result.ended(child, db)
            result.expect("reconnected after" in out, "it never reconnected")


def goes_on(db: Database, child: "subprocess.Popen[str]", windows: int) -> bool:
    """Wait until so many more windows are done; False if it ended."""
    count = "SELECT count(*) FROM rotation_window"
    before = db.value(count)
    until(lambda: child.poll() is not None or db.value(count) > before + windows)
    return child.poll() is None


def stands(db: Database, child: "subprocess.Popen[str]") -> int | None:
    """Wait until it stands at the gate: the backend's pid; None if it ended."""
    until(lambda: waiting_at_gate(db) or child.poll() is not None)
    return waiting_at_gate(db)


def terminations(result: Result, arena: Arena, random: Random, times: int) -> None:
    """Terminate any of its backends at any moment: the same process continues."""
    theirs = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend' ORDER BY pid"
    )
    while result.times < times:
        workers = random.choice("14")
        with arena.tickets(ROWS) as db:
            child = db.start(*COMMAND, *FLAGS, "--workers", workers)
            read_until(child, "started")
            while result.times < times and child.poll() is None:
                sleep(random.uniform(0, 0.2))
                pids = db.sql(theirs)
                if pids and db.value("SELECT pg_terminate_backend(%s)", random.choice(pids)[0]):
                    result.times += 1
            result.ended(child, db)


def commits_done(result: Result, arena: Arena, random: Random, times: int) -> None:
    """A COMMIT happens, and the connection breaks before its answer."""
    while result.times < times:
        workers = random.choice("14")
        first, step = random.randrange(4, 8), random.randrange(2, 5)
        numbers = set(range(first, first + step * min(times - result.times, 15), step))
        with arena.tickets(1000) as db, cutting(db, numbers) as cutter:
            flags = ("--window", "20", "--workers", workers, "--lanes", workers)
            there = db.environment(DATABASE_URL=cutter.url)
            result.judge(db.run(*COMMAND, *flags, env=there), db)
            result.times += cutter.cut


def commits_not_done(result: Result, arena: Arena, random: Random, times: int) -> None:
    """The connection breaks during a COMMIT that is not final yet."""
    while result.times < times:
        workers = random.choice("14")
        with arena.tickets(ROWS) as db:
            build_gate(db, *GATES["during COMMIT"])
            child = db.start(*COMMAND, *FLAGS, "--workers", workers, "--lanes", workers)
            while result.times < times and goes_on(db, child, random.randrange(10)):
                with closed_gate(db):
                    pid = stands(db, child)
                    if pid is None or not db.value("SELECT pg_terminate_backend(%s, 5000)", pid):
                        break
                result.times += 1
                result.agrees(db, "after a lost COMMIT")
            result.ended(child, db)


def failovers(result: Result, arena: Arena, random: Random, times: int) -> None:
    """The primary dies; the command continues on the promoted asynchronous standby, the next to die.

    In half of the cases the standby stops receiving a moment before, so that committed windows are lost.
    """
    behind = 0
    with ExitStack() as stack:
        primary = stack.enter_context(open_arena()).server
        for _ in range(times):
            db = next(databases(primary))  # never dropped there: that server dies
            db.tickets(ROWS)
            standby = stack.enter_context(standby_of(primary))
            promoted = Database(standby, db.name)
            behind += _fail_over(db, promoted, random)
            result.times += 1
            result.agrees(promoted, "at the promoted standby")
            result.judge(promoted.run(*COMMAND, *FLAGS), promoted)
            Database(standby, "postgres").sql(f"DROP DATABASE {db.name}")
            shutil.rmtree(primary.home)
            primary = standby
    result.notes.append(f"{behind} windows committed at a primary had not reached the standby")


def _fail_over(db: Database, promoted: Database, random: Random) -> int:
    """Let the primary die under the command, and promote the standby; how many windows that loses."""
    standby, windows = promoted.server, "SELECT count(*) FROM rotation_window"
    child = db.start(*COMMAND, *FLAGS, "--workers", random.choice("14"))
    read_until(child, "started")
    receiver = until(lambda: promoted.sql("SELECT pid FROM pg_stat_wal_receiver"))[0][0]
    sleep(random.uniform(0, 1))
    if may_signal(standby) and random.random() < 0.5:
        os.kill(receiver, signal.SIGSTOP)
        sleep(random.uniform(0, 0.3))
    before = db.value(windows)
    db.server.stop("immediate")
    kill(child)
    if child.stdout:
        child.stdout.close()
    for number in (signal.SIGTERM, signal.SIGCONT) if may_signal(standby) else ():
        with suppress(ProcessLookupError):
            os.kill(receiver, number)
    done = standby._run("pg_ctl", "promote", "-D", standby.data, "-w")
    assert done.returncode == 0, done.stdout
    return max(0, before - promoted.value(windows))


def may_signal(server: Server) -> bool:
    """Whether this process may send signals to a server's."""
    return os.geteuid() in (0, server.data.stat().st_uid)


DRILLS = {
    "crash": crashes,
    "failover": failovers,
    "commit-done": commits_done,
    "commit-not-done": commits_not_done,
    "terminate": terminations,
}
