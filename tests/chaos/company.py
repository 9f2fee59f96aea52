"""More than one process on one rotation: three started at once, one that freezes and comes back."""

import signal
from contextlib import closing, nullcontext
from functools import partial
from random import Random
from time import sleep

from tests.chaos.arena import COMMAND, Arena, Result, any_flags
from tests.conftest import until
from tests.test_interruption import gate, waiting_at_gate
from tests.test_many_processes import PGBOUNCER, pooling

ROWS = 3000


def triple_starts(arena: Arena, random: Random, times: int, pooled: bool) -> Result:
    """Start the same command three times at once; through PgBouncer they share three connections."""
    result = Result()
    if pooled and not PGBOUNCER:
        result.skipped = "pgbouncer is not installed"
        return result
    while result.times < times:
        with arena.tickets(ROWS) as db, pooling(db) if pooled else nullcontext(db.url) as url:
            flags = any_flags(random, random.choice([1, 2]), ROWS)
            environment = db.environment(DATABASE_URL=url)
            children = [db.start(*COMMAND, *flags, env=environment) for _ in range(3)]
            result.times += 1
            for child in children:
                out = child.communicate(timeout=120)[0]
                result.expect(child.returncode == 0, f"exit code {child.returncode}: {out[-200:]}")
            result.judge(db.run(*COMMAND), db)
    return result


def frozen(arena: Arena, random: Random, times: int, seconds: float) -> Result:
    """SIGSTOP between two windows; another process takes over and finishes; then SIGCONT."""
    result = Result()
    while result.times < times:
        with arena.tickets(ROWS) as db:
            first = db.start(*COMMAND, "--window", "15", "--workers", random.choice("14"))
            until(lambda: db.value("SELECT count(*) FROM rotation_window") > random.randrange(100))  # noqa: B023
            with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
                cursor.execute("SELECT FROM batchprogress FOR UPDATE")
                first.send_signal(signal.SIGSTOP)
            result.times += 1
            second = db.start(*COMMAND)
            sleep(seconds)
            result.ended(second, db)
            first.send_signal(signal.SIGCONT)
            result.ended(first, db)
    return result


def frozen_in_window(arena: Arena, random: Random, times: int) -> Result:
    """SIGSTOP in mid-window: the server ends that window after a minute, and another process goes on."""
    result = Result()
    while result.times < times:
        with arena.tickets(ROWS) as db:
            place = random.choice(["ticket", "batchprogress"])
            with gate(db, place, "BEFORE UPDATE"):
                first = db.start(*COMMAND, "--window", "50", "--workers", random.choice("14"))
                until(lambda: waiting_at_gate(db))
                first.send_signal(signal.SIGSTOP)
            result.times += 1
            result.ended(db.start(*COMMAND), db)
            first.send_signal(signal.SIGCONT)
            result.ended(first, db)
    return result


DRILLS = {
    "triple-start": partial(triple_starts, pooled=False),
    "triple-pooled": partial(triple_starts, pooled=True),
    "freeze": partial(frozen, seconds=30),
    "freeze-in-window": frozen_in_window,
}
