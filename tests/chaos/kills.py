"""kill -9 of the client: at random moments of its life, and at every place where it can be held."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from random import Random
from subprocess import Popen
from time import monotonic, sleep

from tests.chaos.arena import COMMAND, Arena, Result, any_flags
from tests.conftest import Database, kill, read_until, until
from tests.maintenance.rebuilding import rebuilding, writer
from tests.work.gates import GATES, build_gate, closed_gate, gate, waiting_at_gate

ROWS = 3000
FEW = 240
WINDOWS: list[list[str]] = [[], ["--window", "15"], ["--window", "50"]]

Child = Popen[str]
Start = Callable[..., Child]
Place = Callable[[Database, Start], AbstractContextManager[Child]]


def random_kills(result: Result, arena: Arena, random: Random, times: int, workers: int) -> None:
    """Kill it whenever, run the same command again, and so on until the rotation is finished."""
    lives: dict[str, float] = {}
    while result.times < times:
        with arena.tickets(ROWS) as db:
            window = random.choice(WINDOWS)
            flags = [*window, *any_flags(random, workers)]
            if str(window) not in lives:  # this one is let live, to know how long that is
                lives[str(window)] = _life(db, flags)
            while result.times < times and _killed(db, flags, random, lives[str(window)]):
                result.times += 1
                result.where[phase(db)] += 1
                result.agrees(db, "after a kill")
            result.judge(db.run(*COMMAND, *flags), db)


def _life(db: Database, flags: list[str]) -> float:
    """Seconds from a run's first line (Django is up, the preflight done) to its end."""
    child = db.start(*COMMAND, *flags)
    assert child.stdout is not None
    child.stdout.readline()
    began = monotonic()
    child.communicate()
    return monotonic() - began


def _killed(db: Database, flags: list[str], random: Random, life: float) -> bool:
    """Start it, and kill it at some moment of a life; False if it was at its end before that."""
    child = db.start(*COMMAND, *flags)
    if random.random() < 0.9:
        assert child.stdout is not None
        child.stdout.readline()
        sleep(random.uniform(0, life))
    else:  # before or at its first line
        sleep(random.uniform(0, 1))
    kill(child)
    return child.returncode < 0


def phase(db: Database) -> str:
    """In which phase of a rotation the database is."""
    return str(
        db.value("""
            SELECT coalesce((
                SELECT CASE
                    WHEN status <> 'running' THEN status
                    WHEN revoked IS NULL THEN 'snapshot'
                    WHEN NOT EXISTS (SELECT FROM rotation_window) THEN 'canary'
                    WHEN EXISTS (SELECT FROM batchprogress WHERE last_id IS DISTINCT FROM upper)
                        THEN 'windows'
                    ELSE 'end of windows'
                END FROM rotation
            ), 'nothing recorded')
        """)
    )


def gated_kills(result: Result, arena: Arena, random: Random, times: int, workers: int) -> None:
    """Hold it at every place in turn, and kill it there."""
    names = list(PLACES)
    random.shuffle(names)
    for number in range(times):
        name = names[number % len(names)]
        with arena.tickets(FEW) as db:
            _kill_at(result, name, db, ["--workers", str(workers), "--lanes", str(workers)])


def _kill_at(result: Result, name: str, db: Database, flags: list[str]) -> None:
    lasting = ["--window", "20", "--lock-timeout", "600000", *flags]
    if "index" in name:
        lasting.append("--reindex")

    def start(*more: str) -> Child:
        return db.start(*COMMAND, *lasting, *more)

    with PLACES[name](db, start) as child:
        kill(child)
        result.times += 1
        result.where[name] += 1
    result.agrees(db, f"after a kill at: {name}")
    result.judge(db.run(*COMMAND, *lasting), db)


@contextmanager
def at_gate(
    db: Database, start: Start, table: str, when: str, deferred: bool = False, passes: str = ""
) -> Iterator[Child]:
    """It stands at a gate."""
    with gate(db, table, when, deferred, passes):
        child = start()
        until(lambda: waiting_at_gate(db))
        yield child


@contextmanager
def installing_guard(db: Database, start: Start) -> Iterator[Child]:
    """CREATE TRIGGER waits for a writer."""
    for (name,) in db.sql("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'pgtrigger_guard%'"):
        db.sql(f"DROP TRIGGER {name} ON ticket")
    with writer(db):
        child = start()
        until(lambda: waits_for(db, "ticket"))
        yield child


@contextmanager
def at_barrier(db: Database, start: Start) -> Iterator[Child]:
    """It waits for a writer who began before the guard."""
    with writer(db):
        child = start("--lock-patience", "1")
        read_until(child, "the barrier waits for")
        yield child


@contextmanager
def between_windows(db: Database, start: Start) -> Iterator[Child]:
    """Holding the checkpoints keeps every window from starting."""
    child = start("--window", "1")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM batchprogress FOR UPDATE")
        yield child


@contextmanager
def noting_hole(db: Database, start: Start) -> Iterator[Child]:
    """A row stays locked, and is about to be left for later."""
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM ticket WHERE id = 130 FOR UPDATE")
        with gate(db, "rotation_leftover", "BEFORE INSERT"):
            child = start("--lock-timeout", "50")
            until(lambda: waiting_at_gate(db))
            yield child


@contextmanager
def filling_hole(db: Database, start: Start) -> Iterator[Child]:
    """The row that was left for later is being rotated."""
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM ticket WHERE id = 130 FOR UPDATE")
        child = start("--lock-timeout", "50")
        until(lambda: db.value("SELECT count(*) FROM rotation_leftover"))
        with gate(db, "rotation_leftover", "BEFORE UPDATE"):
            holder.rollback()
            until(lambda: waiting_at_gate(db))
            yield child


@contextmanager
def vacuuming(db: Database, start: Start) -> Iterator[Child]:
    """A vacuum is under way, which the database's settings make very slow."""
    slow = f"ALTER DATABASE {db.name} SET vacuum_cost_"
    db.sql(f"{slow}delay = 100; {slow}limit = 1")
    child = start("--max-rate", "100")  # it looks five times a second whether a vacuum is due
    until(lambda: db.value(VACUUMS))
    yield child
    db.sql(f"ALTER DATABASE {db.name} RESET ALL")


VACUUMS = "SELECT count(*) FROM pg_stat_progress_vacuum WHERE datname = current_database()"


@contextmanager
def rebuilding_index(db: Database, start: Start) -> Iterator[Child]:
    """All is rotated, and the rebuild of the token's index waits for a writer."""
    assert db.run(*COMMAND).code == 0
    with writer(db):
        child = start()
        until(lambda: rebuilding(db))
        yield child


@contextmanager
def verifying(db: Database, start: Start) -> Iterator[Child]:
    """All is rotated, and the comparison by value waits for somebody who locked the table."""
    build_gate(db, "rotation", "BEFORE UPDATE", passes="NEW.status <> ''verifying''")
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        with closed_gate(db):
            child = start()
            until(lambda: waiting_at_gate(db))
            cursor.execute("LOCK TABLE ticket")
        until(lambda: waits_for(db, "ticket"))
        yield child


def waits_for(db: Database, table: str) -> int:
    """How many sessions wait for a lock on a table."""
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
    return int(db.value(waits, table))


def gated(*gate: object, **also: object) -> Place:
    """The place before a gate."""
    return lambda db, start: at_gate(db, start, *gate, **also)  # type: ignore[arg-type]


PLACES: dict[str, Place] = {
    "guard being installed": installing_guard,
    "barrier": at_barrier,
    "snapshot": gated("rotation_revoked", "BEFORE INSERT", passes="false"),
    "completion of the set": gated(
        "rotation", "BEFORE UPDATE", passes="NEW.revoked IS NOT DISTINCT FROM OLD.revoked"
    ),
    "COMMIT of the completion": gated(
        "rotation", "AFTER UPDATE", True, "NEW.revoked IS NOT DISTINCT FROM OLD.revoked"
    ),
    "canary": gated("ticket", "BEFORE UPDATE", passes="EXISTS (SELECT FROM public.rotation_window)"),
    **{name: gated(*place) for name, place in GATES.items()},
    "between windows": between_windows,
    "hole being noted": noting_hole,
    "hole being filled": filling_hole,
    "vacuum": vacuuming,
    "begin of the verification": gated(
        "rotation", "BEFORE UPDATE", passes="NEW.status <> ''verifying''"
    ),
    "verification": verifying,
    "final status": gated("rotation", "BEFORE UPDATE", passes="NEW.status <> ''succeeded''"),
    "COMMIT of the final status": gated("rotation", "AFTER UPDATE", True, "NEW.status <> ''succeeded''"),
    "rebuild of an index": rebuilding_index,
}

DRILLS = {
    f"{name}-{workers}": partial(drill, workers=workers)
    for name, drill in (("kill-random", random_kills), ("kill-gated", gated_kills))
    for workers in (1, 4)
}
