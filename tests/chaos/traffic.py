"""Hostile traffic of an application, while rotations follow one another.

Nothing in the traffic is a mistake but the stale saves: it locks rows from high keys to low ones, so
that its transactions never wait for each other in a circle, and every new token is a fresh one.

What counts as what, judged by `chain`, in which a trigger of this test notes every change of a token
(what it was, what it is, whether a window did it) in the order of the row's locks:

- A token is *revoked* as soon as a window replaced it, if its row held it since before the command was
  started (one that the application set while the rotation ran is not leaked: the window replaces it
  as well, but nobody keeps the application from writing it again). A revoked token *came back* if the
  application wrote it afterwards, even for a moment; it *survives* if a row holds it at the very end.
- A row is *lost* to a rotation if its token is one that the table held when the command was started, and
  the application did not write that token again since.
- A legitimate change (a fresh token that was committed) is *lost* if it was never written, or if what
  took its place is not one of these: a window, a later legitimate change, the row's end. A stale save
  with a token that is not revoked is the application's own overwriting, which no database can tell from
  a wanted change: those are counted apart, and are no loss by a rotation.
"""

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from random import Random
from statistics import quantiles
from threading import Event, Thread
from typing import Any

import psycopg2
from psycopg2.extras import execute_values

from tests.chaos.arena import COMMAND, Arena, Result
from tests.conftest import Database

ROWS = 20_000
HELD_LONG = 7  # rows whose key it divides are held for seconds now and then
CALM = 0.1  # of the time there is no rotation, to compare the latency with
DEADLOCK = "40P01"
FRESH = count(10 * ROWS)  # keys that no row had before

CHAIN = """
CREATE TABLE chain (
    seq bigint GENERATED ALWAYS AS IDENTITY, id bigint, was uuid, "is" uuid, by_window boolean, xid xid8
);
CREATE FUNCTION note_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.token = OLD.token THEN RETURN NULL; END IF;
    INSERT INTO public.chain (id, was, "is", by_window, xid)
    VALUES (coalesce(OLD.id, NEW.id), OLD.token, NEW.token,
            coalesce(current_setting('rotation.active', true), '') <> '', pg_current_xact_id());
    RETURN NULL;
END $$;
CREATE TRIGGER note_chain AFTER INSERT OR UPDATE OR DELETE ON ticket
    FOR EACH ROW EXECUTE FUNCTION note_chain();
CREATE TABLE held (token uuid);
CREATE TABLE legitimate (token uuid);
CREATE TABLE started (seq bigint);
"""

LOST = """
SELECT count(*) FROM ticket JOIN held USING (token) WHERE NOT EXISTS (
    SELECT FROM chain WHERE "is" = token AND NOT by_window AND seq > %s
)
"""

REVOKED = """
CREATE TABLE revoked AS
SELECT was AS token, seq FROM chain WHERE by_window AND NOT EXISTS (
    SELECT FROM chain AS written
    WHERE written."is" = chain.was
        AND written.seq < chain.seq
        AND written.seq > (SELECT max(seq) FROM started WHERE started.seq <= chain.seq)
);
CREATE INDEX ON revoked (token);
ANALYZE revoked
"""

CAME_BACK = """
SELECT count(*) FROM chain JOIN revoked ON revoked.token = chain."is" AND revoked.seq < chain.seq
WHERE NOT by_window
"""

SURVIVORS = "SELECT count(*) FROM ticket WHERE token IN (SELECT token FROM revoked)"

TWICE = """
SELECT count(*) FROM (
    SELECT FROM chain JOIN rotation_window ON transaction_id = xid::text::bigint
    WHERE by_window GROUP BY rotation_id, chain.id HAVING count(*) > 1
) AS twice
"""

#: What became of the legitimate changes, and how many of each.
BECAME = """
SELECT became, count(*) FROM (
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM chain WHERE "is" = token) THEN 'lost: never written'
        WHEN next.by_window THEN 'rotated later'
        WHEN next."is" IN (SELECT token FROM legitimate) THEN 'changed again'
        WHEN next.seq IS NOT NULL AND next."is" IS NULL THEN 'deleted'
        WHEN next.seq IS NOT NULL THEN 'overwritten by a stale save of a valid token'
        WHEN EXISTS (SELECT FROM ticket WHERE ticket.token = legitimate.token) THEN 'kept'
        ELSE 'lost: gone'
    END AS became
    FROM legitimate LEFT JOIN LATERAL (
        SELECT * FROM chain WHERE was = token ORDER BY seq LIMIT 1
    ) AS next ON true
) AS each GROUP BY became ORDER BY became
"""


class Application:
    """Sessions of an application, each a thread with a connection, that run until it is over."""

    def __init__(self, db: Database, random: Random, rows: int) -> None:
        self.errors: list[str] = []  #: SQLSTATEs
        self.commits = 0
        self.refused = 0  #: stale saves whose row kept its own token
        self.seconds: list[float] = []  #: that ordinary transactions took
        self.legitimate: list[str] = []  #: tokens whose COMMIT was answered
        self._db = db
        self._blocks = rows // HELD_LONG
        self._over = Event()
        parts = [*2 * [self.ordinary], *2 * [self.stale_saves], *2 * [self.opposite_order],
                 *(self.new_tokens, self.births_and_deaths, self.moves, self.long_ones)]  # fmt: skip
        self._threads = [Thread(target=self._serve, args=(part, Random(random.random())))
                         for part in parts]  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[None]:
        """It runs for the time of the block."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def _serve(self, part: Callable[[Any, Random], Iterator[float]], random: Random) -> None:
        """Do one transaction after the other; a part yields the seconds that pass before the next."""
        with closing(self._db.connect(autocommit=False)) as connection, connection.cursor() as cursor:
            steps = part(cursor, random)
            while not self._over.is_set():
                pause = 0.0
                try:
                    pause = next(steps)
                    connection.commit()
                    self.commits += 1
                except psycopg2.Error as error:
                    self.errors.append(error.pgcode or str(error))
                    connection.rollback()
                    steps = part(cursor, random)
                self._over.wait(pause)

    def _any(self, random: Random) -> int:
        """A key, but none of those that are held for long."""
        return random.randrange(self._blocks) * HELD_LONG + random.randrange(1, HELD_LONG)

    def ordinary(self, cursor: Any, random: Random) -> Iterator[float]:
        """Read a row and write it: what is measured."""
        while True:
            key, began = self._any(random), time.monotonic()
            cursor.execute("SELECT title FROM ticket WHERE id = %s", [key])
            cursor.execute("UPDATE ticket SET title = 'read', updated_at = now() WHERE id = %s", [key])
            cursor.connection.commit()
            self.seconds.append(time.monotonic() - began)
            yield 0.005

    def stale_saves(self, cursor: Any, random: Random) -> Iterator[float]:
        """Write a row back as it was read, perhaps several rotations ago, with all its columns."""
        read: deque[tuple[Any, ...]] = deque(maxlen=500)
        while True:
            cursor.execute(
                "SELECT title, status, token, created_at, updated_at, id FROM ticket WHERE id = %s",
                [self._any(random)],
            )
            read.extend(cursor.fetchall())
            yield 0.002
            if not read:  # the row that was asked for is gone
                continue
            cursor.execute(
                "UPDATE ticket SET title = %s, status = %s, token = %s, created_at = %s, updated_at = %s"
                " WHERE id = %s RETURNING token",
                saved := random.choice(read),
            )
            self.refused += cursor.rowcount and cursor.fetchone()[0] != saved[2]
            yield 0.002

    def opposite_order(self, cursor: Any, random: Random) -> Iterator[float]:
        """Lock a high key, then a low one."""
        while True:
            low, high = sorted(self._any(random) for _ in range(2))
            cursor.execute("UPDATE ticket SET title = 'high' WHERE id = %s", [high])
            time.sleep(0.01)
            cursor.execute("UPDATE ticket SET title = 'low' WHERE id = %s", [low])
            yield 0

    def new_tokens(self, cursor: Any, random: Random) -> Iterator[float]:
        """Change a token, as the application may."""
        while True:
            token = str(uuid.uuid4())
            cursor.execute("UPDATE ticket SET token = %s WHERE id = %s", [token, self._any(random)])
            changed = cursor.rowcount
            cursor.connection.commit()
            self.legitimate += [token] * changed
            yield 0.005

    def births_and_deaths(self, cursor: Any, random: Random) -> Iterator[float]:
        """Insert a row with a fresh token; delete another."""
        while True:
            cursor.execute(
                "INSERT INTO ticket (id, title, status, token, created_at, updated_at)"
                " VALUES (%s, 'new', 'open', gen_random_uuid(), now(), now())",
                [next(FRESH) * random.choice([1, -1])],
            )
            yield 0.02
            cursor.execute("DELETE FROM ticket WHERE id = %s", [self._any(random)])
            yield 0.02

    def moves(self, cursor: Any, random: Random) -> Iterator[float]:
        """Give a row another key, before all others or behind them."""
        while True:
            new = next(FRESH) * random.choice([1, -1])
            cursor.execute("UPDATE ticket SET id = %s WHERE id = %s", [new, self._any(random)])
            yield 0.02

    def long_ones(self, cursor: Any, random: Random) -> Iterator[float]:
        """Hold a row for seconds."""
        while True:
            held = random.randrange(self._blocks) * HELD_LONG
            cursor.execute("UPDATE ticket SET title = 'held' WHERE id = %s", [held])
            self._over.wait(random.uniform(1, 3))
            yield 1


def hostile_traffic(result: Result, arena: Arena, random: Random, times: int, rows: int = ROWS) -> None:
    """Rotate again and again for so many seconds while all of that runs."""
    with arena.tickets(rows) as db:
        db.sql(f"{CHAIN}; DROP TRIGGER note ON ticket")  # this oracle in place of the other
        calm = Application(db, random, rows)
        with calm.running():
            time.sleep(max(1, CALM * times))
        busy, began = Application(db, random, rows), time.monotonic()
        with busy.running():
            while time.monotonic() - began < times:
                _rotate(result, db, random)
        result.times = round(time.monotonic() - began)
        _judge(result, db, busy)
    for errors in (calm.errors, busy.errors):
        result.expect(not errors, f"{len(errors)} errors in the application: {set(errors)}")
    result.notes += [f"{busy.commits} transactions of the application",
                     f"{busy.errors.count(DEADLOCK)} of them deadlock victims",
                     f"{busy.refused} stale saves of a revoked token met the guard",
                     f"ordinary ones took {latency(busy)};"
                     f" {latency(calm)} without a rotation"]  # fmt: skip


def _rotate(result: Result, db: Database, random: Random) -> None:
    window = random.choice([None, 50, 400, 2000])
    flags = ["--new"] if result.rotations else []
    flags += ["--window", str(window)] if window else []
    flags += ["--workers", random.choice("14"), "--lanes", random.choice(["1", "4", "16"])]
    start = db.value("SELECT coalesce(max(seq), 0) FROM chain")
    db.sql("INSERT INTO started VALUES (%s)", start)
    db.sql("TRUNCATE held; INSERT INTO held SELECT token FROM ticket")
    done = db.run(*COMMAND, *flags)
    result.expect(done.code == 0, f"exit code {done.code}: {(done.lines or ['no output'])[-1]}")
    result.rotations += 1
    result.lost += db.value(LOST, start)


def _judge(result: Result, db: Database, application: Application) -> None:
    with closing(db.connect()) as connection, connection.cursor() as cursor:
        execute_values(cursor, "INSERT INTO legitimate VALUES %s", [[t] for t in application.legitimate])
    db.sql('CREATE INDEX ON chain (was); CREATE INDEX ON chain ("is"); ANALYZE')
    db.sql(REVOKED)
    result.twice += db.value(TWICE)
    result.survivors += db.value(SURVIVORS)
    back = db.value(CAME_BACK)
    result.expect(not back, f"{back} writes of a revoked token by the application took effect")
    became = dict(db.sql(BECAME))
    lost = sum(number for what, number in became.items() if what.startswith("lost"))
    result.expect(not lost, f"{lost} legitimate changes lost")
    told = ", ".join(f"{what} {number}" for what, number in became.items())
    result.notes.append(f"{len(application.legitimate)} legitimate changes: {told}")
    verified = db.run("rotation", "verify")
    result.expect(verified.code == 0, f"verification: {verified.lines[-1:]}")


def latency(application: Application) -> str:
    """Percentiles of the ordinary transactions, in words."""
    cuts = quantiles(application.seconds, n=100)
    return "/".join(f"{1000 * cuts[at - 1]:.0f}" for at in (50, 95, 99)) + " ms (p50/p95/p99)"


DRILLS = {"traffic": hostile_traffic}
