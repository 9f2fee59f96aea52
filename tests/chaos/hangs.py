"""What hangs for ever: each signal is answered within a second, the second one ends it within five."""

import contextlib
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.chaos.arena import COMMAND, Arena, Result
from tests.conftest import Database, until
from tests.work.network import can_make_namespaces, on_a_wire
from tests.work.pooler import PGBOUNCER, pooler

ROWS = 20_000
RUN = (*COMMAND, "--window", "200", "--workers", "2", "--lanes", "2", "--max-rate", "20000")
ANSWERED, ENDED = 1.0, 5.0  # seconds: the promise


class Listener:
    """Reads a process's output as it comes, with the moment of each line."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self.child = child
        self._lines: queue.Queue[tuple[float, str]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.child.stdout or []:
            self._lines.put((time.monotonic(), line))

    def heard(self, text: str, seconds: float) -> float:
        """The moment at which a line with the text came; infinite if none came in time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                at, line = self._lines.get(timeout=left)
                if text in line:
                    return at
        return float("inf")


def end(result: Result, child: "subprocess.Popen[str]", worst: list[float], random: Random) -> None:
    """Wait until what hangs was told, signal twice, and note how long the answers and the end took."""
    listener = Listener(child)
    began = time.monotonic()
    told = listener.heard("no answer for", 15) - began
    result.expect(told <= 10, f"what hangs was told after {told:.1f} s")
    time.sleep(random.uniform(0, 2))
    answers = []
    for _ in range(2):
        asked = time.monotonic()
        child.send_signal(signal.SIGTERM)
        answers.append(listener.heard("SIGTERM received", 5) - asked)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(15)
    took = time.monotonic() - asked
    result.expect(child.poll() == 3, f"exit code {child.poll()}")
    result.expect(max(answers) <= ANSWERED, f"answered after {max(answers):.2f} s")
    result.expect(took <= ENDED, f"ended after {took:.2f} s")
    worst[:] = [max(pair) for pair in zip(worst, (told, max(answers), took), strict=True)]


def noted(worst: list[float]) -> str:
    told, answered, took = worst
    return f"at worst told after {told:.1f} s, answered after {answered:.2f} s, ended after {took:.1f} s"


def under_way(db: Database, random: Random) -> None:
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    time.sleep(random.uniform(0, 0.5))


def pooler_frozen(result: Result, arena: Arena, random: Random, times: int) -> None:
    if not PGBOUNCER:
        result.skipped = "PgBouncer is not installed"
        return
    worst = [0.0, 0.0, 0.0]
    for number in range(times):
        mode = ("transaction", "session")[number % 2]
        with arena.tickets(ROWS) as db, pooler(db, mode, default_pool_size=10) as frozen:
            child = db.start(*RUN, env=db.environment(DATABASE_URL=frozen.url))
            under_way(db, random)
            frozen.freeze()
            end(result, child, worst, random)
            frozen.thaw()
            result.times += 1
            result.judge(db.run(*RUN), db)
    result.notes.append(noted(worst))


def standby_gone(result: Result, arena: Arena, random: Random, times: int) -> None:
    """The last COMMIT waits for a quorum that is not there; PostgreSQL gives up the wait itself."""
    worst = [0.0, 0.0]
    for _ in range(times):
        with arena.tickets(2000) as db, waiting_for_a_quorum(db):
            listener = Listener(child := db.start(*RUN))
            result.expect(
                listener.heard("ANY 2 (a, b, c)", 30) < float("inf"), "the quorum was not told"
            )
            answers = []
            for _ in range(2):
                asked = time.monotonic()
                child.send_signal(signal.SIGTERM)
                answers.append(listener.heard("SIGTERM received", 5) - asked)
            result.expect(child.wait(15) == 0, f"exit code {child.poll()}")
            took = time.monotonic() - asked
            result.expect(max(answers) <= ANSWERED, f"answered after {max(answers):.2f} s")
            result.expect(took <= ENDED, f"ended after {took:.2f} s")
            worst = [max(worst[0], *answers), max(worst[1], took)]
            result.times += 1
            result.judge(db.run(*RUN), db)
    result.notes.append(f"at worst answered after {worst[0]:.2f} s, ended after {worst[1]:.1f} s")


@contextmanager
def waiting_for_a_quorum(db: Database) -> Iterator[None]:
    db.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 2 (a, b, c)'")
    db.sql("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        db.sql("ALTER SYSTEM RESET synchronous_standby_names")
        db.sql("SELECT pg_reload_conf()")


def network_gone(result: Result, arena: Arena, random: Random, times: int) -> None:
    """Packets vanish, in one direction after the other, at a random moment."""
    if not can_make_namespaces():
        result.skipped = "network namespaces need root and iproute2"
        return
    worst = [0.0, 0.0, 0.0]
    freed = 0.0
    for number in range(times):
        with on_a_wire() as wire:
            wire.db.tickets(ROWS)
            child = wire.start(*RUN)
            under_way(wire.db, random)
            wire.lose(("requests", "answers")[number % 2])
            lost = time.monotonic()
            end(result, child, worst, random)
            until(lambda: not wire.db.value(HOLD_LOCKS))
            freed = max(freed, time.monotonic() - lost)
            result.times += 1
            result.judge(wire.db.run(*RUN), wire.db)
    result.notes.append(f"{noted(worst)}; the last lock was gone {freed:.1f} s after the first loss")


HOLD_LOCKS = """
SELECT count(*) FROM pg_locks
WHERE relation IN ('ticket'::regclass, 'batchprogress'::regclass) AND pid <> pg_backend_pid()
    AND mode = 'RowExclusiveLock'
"""

DRILLS = {
    "hang-pooler": pooler_frozen,
    "hang-network": network_gone,
    "hang-quorum": standby_gone,
}
