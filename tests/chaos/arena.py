"""Where drills take place: a server, a fresh database for each rotation, and the oracle's verdict."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from app.localpg.server import Server, embedded_binaries
from tests.conftest import Database, Done, databases, migrated
from tests.maintenance.rebuilding import invalid
from tests.servers import make_server, running

COMMAND = ("rotate_tokens_sql", "--progress", "lines")


@dataclass(frozen=True)
class Arena:
    """One server, which a drill may crash."""

    server: Server

    @contextmanager
    def tickets(self, rows: int) -> Iterator[Database]:
        """A migrated database with so many tickets, and the oracle that watches them."""
        fresh = databases(self.server)
        db = next(fresh)
        try:
            db.tickets(rows)
            yield db
        finally:
            next(fresh, None)


@contextmanager
def open_arena(server: Server | None = None) -> Iterator[Arena]:
    """An arena with a server of its own, a fresh one unless told otherwise."""
    server = server or make_server(embedded_binaries())
    with running(server):
        migrated(server)
        yield Arena(server)


@dataclass
class Result:
    """The result of a drill. Everything but `times`, `notes` and `skipped` must be zero or empty."""

    times: int = 0  #: the harm was done
    rotations: int = 0  #: that ended and were judged
    lost: int = 0  #: rows that still had not changed at the end of their rotation
    twice: int = 0  #: rows that one rotation changed more than once
    survivors: int = 0  #: rows that held a revoked token, by value
    faults: list[str] = field(default_factory=list)  #: anything else that must not be
    notes: list[str] = field(default_factory=list)
    where: Counter[str] = field(default_factory=Counter)  #: how often it hit what
    skipped: str = ""  #: why this machine can't do it

    @property
    def sound(self) -> bool:
        """Whether every count that must be 0 is 0."""
        return not (self.lost or self.twice or self.survivors or self.faults)

    def note(self) -> str:
        """The notes, and how often it hit what, in one line."""
        hits = [f"{name} {count}" for name, count in self.where.most_common()]
        if len(self.where) > 1 and len(set(self.where.values())) == 1:
            hits = [f"each {max(self.where.values())}: {', '.join(sorted(self.where))}"]
        return "; ".join([*self.notes, ", ".join(hits)] if hits else self.notes)

    def expect(self, right: bool, otherwise: str) -> None:
        """Note a fault unless it is right."""
        if not right:
            self.faults.append(otherwise)

    def agrees(self, db: Database, when: str) -> None:
        """Rows, checkpoints and journal must agree at this moment, which one statement looks at."""
        self.expect(db.value(AGREES), f"rows and checkpoint disagree {when}")

    def ended(self, child: "subprocess.Popen[str]", db: Database, seconds: float = 120) -> str:
        """A process must come to its end with exit code 0, and the rotation be right; its output."""
        out = child.communicate(timeout=seconds)[0] or ""
        self.judge(Done(child.returncode, out, ""), db)
        return out

    def judge(self, done: Done, db: Database) -> None:
        """The command must have ended with exit code 0; then the oracle has its say."""
        self.expect(done.code == 0, f"exit code {done.code}: {(done.lines or ['no output'])[-1]}")
        self.rotations += 1
        changes = db.changes()
        self.lost += changes.get(0, 0)
        self.twice += sum(rows for times, rows in changes.items() if times > 1)
        self.survivors += db.unchanged()
        self.agrees(db, "at the end")
        ends = db.sql("SELECT status FROM rotation")
        self.expect(ends == [("succeeded",)], f"rotations at the end: {ends}")
        self.expect(not invalid(db), f"INVALID indexes at the end: {invalid(db)}")


#: Exactly the rows up to the lanes' checkpoints, but for holes, changed, as often as the journal says.
AGREES = """
WITH done AS (
    SELECT ticket.id::text FROM ticket
    JOIN batchprogress ON ticket.id BETWEEN lower::bigint AND last_id::bigint
    EXCEPT
    SELECT key FROM rotation_leftover WHERE rotated_at IS NULL
)
SELECT NOT EXISTS (SELECT id FROM done EXCEPT SELECT id FROM changes)
    AND NOT EXISTS (SELECT id FROM changes EXCEPT SELECT id FROM done)
    AND (SELECT count(*) FROM changes) = (SELECT coalesce(sum(rows), 0) FROM batchprogress)
    AND (SELECT count(*) FROM changes) = (SELECT coalesce(sum(rows), 0) FROM rotation_window)
"""


def any_flags(random: Random, workers: int) -> list[str]:
    """Flags of a run, by chance: few lanes or many, indexes rebuilt or not."""
    lanes = random.choice([[], ["--lanes", str(workers)], ["--lanes", "7"]])
    return ["--workers", str(workers), *lanes, *random.choice([[], [], ["--reindex"]])]
