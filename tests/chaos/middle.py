"""What is before the server: a pooler that goes and comes, a proxy that cuts or delays."""

import subprocess
from contextlib import suppress
from random import Random
from threading import Thread
from time import monotonic, sleep

import psycopg2

from tests.chaos.arena import COMMAND, Arena, Result
from tests.conftest import Database, Done, until
from tests.cutter import unreliable
from tests.work.pooler import PGBOUNCER, Pooler, pooler

ROWS = 6000
FLAGS = ("--window", "20", "--max-rate", "3000")
#: One that PgBouncer has, in which no transaction is possible, is told apart.
MODES = ("session", "transaction")
NO_TRANSACTIONS = "pool_mode=statement"
AGAIN = "run the same command again"


def pooler_restarted(result: Result, arena: Arena, random: Random, times: int) -> None:
    """PgBouncer ends at any moment, is away for up to two seconds, and is started again."""
    while not lacks_pgbouncer(result) and result.times < times:
        mode = random.choice(MODES)
        with arena.tickets(ROWS) as db, pooler(db, mode, default_pool_size=10) as one:
            child = begin(db, one.url, random)
            while result.times < times and child.poll() is None:
                sleep(random.uniform(0, 1))
                one.restart(random.uniform(0, 2))
                result.times += 1
                result.where[mode] += 1
            result.ended(child, db)


def pooler_paused(result: Result, arena: Arena, random: Random, times: int) -> None:
    """PAUSE for up to eight seconds, then RESUME; in session mode it waits for all who are connected."""
    while not lacks_pgbouncer(result) and result.times < times:
        mode = random.choice(MODES)
        with arena.tickets(ROWS) as db, pooler(db, mode, default_pool_size=10) as one:
            child = begin(db, one.url, random)
            # Not joined: by session PgBouncer may answer only as it ends.
            pause = Thread(target=pausing, args=[one], daemon=True)
            pause.start()
            sleep(random.uniform(0.2, 8))
            result.where[mode] += 1
            one.command("RESUME")
            result.times += 1
            out = result.ended(child, db)
            result.where["told what it waits for"] += "no answer for" in out


def pausing(one: Pooler) -> None:
    """PAUSE; where it still waits, RESUME ends it with an error, or its connection."""
    with suppress(psycopg2.Error):
        one.command("PAUSE")


def pooler_of_statements(result: Result, arena: Arena, random: Random, times: int) -> None:
    """In a pool of statements it ends with the reason; anywhere else the same command does the work.

    In half of the cases the pool became one in the middle of a run.
    """
    while not lacks_pgbouncer(result) and result.times < times:
        with arena.tickets(ROWS) as db:
            if random.random() < 0.5:
                child = begin(db, db.url, random)
                child.kill()
                child.wait()
            with pooler(db, "statement") as one:
                began = monotonic()
                child = db.start(*COMMAND, env=db.environment(DATABASE_URL=one.url))
                out = child.communicate(timeout=120)[0]
                result.times += 1
            result.expect(child.returncode == 3, f"exit code {child.returncode}")
            result.expect(
                NO_TRANSACTIONS in out and AGAIN in out, f"the mode is not named: {out[-300:]}"
            )
            result.expect(monotonic() - began < 80, f"it ended after {monotonic() - began:.0f} s")
            result.agrees(db, "where no transaction was possible")
            result.judge(db.run(*COMMAND, *FLAGS), db)


def proxy_cuts(result: Result, arena: Arena, random: Random, times: int) -> None:
    """Each connection is cut after a random number of bytes, in either direction, wherever that is."""
    while result.times < times:
        with arena.tickets(ROWS) as db:
            with unreliable(db, lambda: random.uniform(1000, 60_000), lambda: 0) as proxy:
                while (done := through(db, proxy.url, random)).code == 3 and proxy.cut < times:
                    result.expect(AGAIN in done.err, f"ended with {done.lines[-1:]}")
                    result.agrees(db, "where it ended")
            result.times += proxy.cut
            result.where["ended, resumable" if done.code else "went through"] += 1
            result.judge(db.run(*COMMAND, *FLAGS) if done.code == 3 else done, db)


def proxy_delays(result: Result, arena: Arena, random: Random, times: int) -> None:
    """Everything comes late: each message by up to 50 ms, and now and then by two seconds."""
    while result.times < times:
        with arena.tickets(1000) as db:
            slow = lambda: 2 if random.random() < 0.005 else random.uniform(0, 0.05)  # noqa: E731
            with unreliable(db, lambda: float("inf"), slow) as proxy:
                result.judge(through(db, proxy.url, random), db)
            result.times += 1


def through(db: Database, url: str, random: Random) -> Done:
    flags = ("--window", "50", "--workers", random.choice("13"))
    return db.run(*COMMAND, *flags, env=db.environment(DATABASE_URL=url), timeout=300)


def begin(db: Database, url: str, random: Random) -> "subprocess.Popen[str]":
    """A run that is in its windows."""
    workers = ("--workers", random.choice("14"), "--lanes", "8")
    child = db.start(*COMMAND, *FLAGS, *workers, env=db.environment(DATABASE_URL=url))
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    return child


def lacks_pgbouncer(result: Result) -> bool:
    """Whether there is none, which skips the drill."""
    result.skipped = "" if PGBOUNCER else "pgbouncer is not installed"
    return not PGBOUNCER


DRILLS = {
    "pooler-restart": pooler_restarted,
    "pooler-pause": pooler_paused,
    "pooler-statement": pooler_of_statements,
    "proxy-cuts": proxy_cuts,
    "proxy-delays": proxy_delays,
}
