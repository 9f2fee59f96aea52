"""More than one process on one rotation: three started at once, one that freezes and comes back."""

import signal
from contextlib import closing, nullcontext
from functools import partial
from random import Random
from time import sleep

from tests.chaos.arena import COMMAND, Arena, Result, any_flags
from tests.chaos.kills import FEW, PLACES, WINDOWS, Child
from tests.conftest import Done, until
from tests.work.pooler import PGBOUNCER, pooling

ROWS = 3000


def triple_starts(result: Result, arena: Arena, random: Random, times: int, pooled: bool) -> None:
    """Start the same command three times at once; through PgBouncer they share three connections."""
    if pooled and not PGBOUNCER:
        result.skipped = "pgbouncer is not installed"
        return
    while result.times < times:
        with arena.tickets(ROWS) as db, pooling(db) if pooled else nullcontext(db.url) as url:
            flags = [*random.choice(WINDOWS), *any_flags(random, random.choice([1, 2]))]
            environment = db.environment(DATABASE_URL=url)
            children = [db.start(*COMMAND, *flags, env=environment) for _ in range(3)]
            result.times += 1
            for child in children:
                out = child.communicate(timeout=120)[0]
                result.expect(child.returncode == 0, f"exit code {child.returncode}: {out[-200:]}")
            result.judge(Done(0, "", ""), db)


def frozen(result: Result, arena: Arena, random: Random, times: int, seconds: float) -> None:
    """SIGSTOP between two windows; another process takes over and finishes; then SIGCONT."""
    while result.times < times:
        with arena.tickets(ROWS) as db:
            first = db.start(*COMMAND, "--window", "15", "--workers", random.choice("14"))
            count, least = "SELECT count(*) FROM rotation_window", random.randrange(100)
            until(lambda: db.value(count) > least)  # noqa: B023
            with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
                cursor.execute("SELECT FROM batchprogress FOR UPDATE")
                first.send_signal(signal.SIGSTOP)
                sleep(0.3)  # a claim that was under way finds no lane
            result.times += 1
            second = db.start(*COMMAND)
            sleep(seconds)
            result.ended(second, db)
            first.send_signal(signal.SIGCONT)
            result.ended(first, db)


def frozen_anywhere(result: Result, arena: Arena, random: Random, times: int) -> None:
    """SIGSTOP at every place in turn, with the locks that it holds there; another continues; SIGCONT.

    The server ends what stands idle in a transaction: a window's after 8 s, others after 5 s.
    """
    while result.times < times:
        place = list(PLACES)[result.times % len(PLACES)]
        lasting = ["--workers", random.choice("14"), *(["--reindex"] if "index" in place else [])]
        with arena.tickets(FEW) as db:

            def start(*more: str) -> Child:
                patient = ("--window", "20", "--lock-timeout", "600000", *more)
                return db.start(*COMMAND, *lasting, *patient)  # noqa: B023

            with PLACES[place](db, start) as first:
                first.send_signal(signal.SIGSTOP)
            result.times += 1
            result.where[place] += 1
            result.ended(db.start(*COMMAND, *lasting), db)
            first.send_signal(signal.SIGCONT)
            result.ended(first, db)


DRILLS = {
    "triple-start": partial(triple_starts, pooled=False),
    "triple-pooled": partial(triple_starts, pooled=True),
    "freeze": partial(frozen, seconds=30),
    "freeze-anywhere": frozen_anywhere,
}
