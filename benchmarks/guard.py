"""What the guard costs the application: whatever writes a new token, and what does not."""

import io
import json
import statistics
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from app.rotation.engine.text import count
from benchmarks.measuring import MANAGE, OURS, contender, fresh_table, say, spread
from benchmarks.report import Plot, Table

#: How many rotations are known of the column, and what part of the rows the table has: the guard's cost
#: must grow with neither.
STAGES = ((0, 20), (1, 20), (10, 20), (1, 4), (1, 1))
NEW = 20_000  # rows of one statement
INSERT = (
    "INSERT INTO ticket (title, status, token, created_at, updated_at)"
    " SELECT 'x', 'open', gen_random_uuid(), now(), now() FROM generate_series(1, %s)"
)


def guard(cursor: Any, size: int, rounds: int) -> Table:
    """What the guard costs a row after 0, 1, 10 rotations of a twentieth of the rows; 1 of more."""
    columns, series = [], {}
    rows: dict[str, list[str]] = {name: [] for name in WRITES}
    rotated = known = 0
    for rotations, part in STAGES:
        some = size // part
        if some != rotated:
            forget_rotations()
            fresh_table(cursor, some)
            rotated, known = some, 0
        for _ in range(rotations - known):
            subprocess.run([*OURS, "--new"], check=True)
        known = rotations
        cursor.execute("VACUUM ANALYZE ticket")
        columns.append(f"{count(rotations, 'rotation')} of {some:,} rows")
        taxes = []
        for name, write in WRITES.items():
            say(f"{columns[-1]}: {name}")
            tax, plain = measure_tax(cursor, write, rounds)
            rows[name].append(f"{spread(tax, 1)} on {statistics.median(plain):.1f}")
            taxes.append(statistics.median(tax))
        series[columns[-1]] = taxes
    caption = f"µs a row that the guard adds, on what it takes without, medians of {rounds}"
    return Table(caption, columns, rows, Plot("microseconds a row", list(WRITES), series))


def forget_rotations() -> None:
    """Begin with a state that knows of none."""
    for target in (["rotation", "zero"], []):
        subprocess.run([*MANAGE, "migrate", *target, "-v", "0"], check=True)


def measure_tax(
    cursor: Any, write: Callable[[Any], float], rounds: int
) -> tuple[list[float], list[float]]:
    """Microseconds a row that the guard adds, and what the write takes without it, pair by pair."""
    taxes, plains = [], []
    for number in range(rounds):
        taken = {}
        # In turn: the second may find warm what the first has fetched.
        for guarded in (True, False) if number % 2 else (False, True):
            if guarded:
                taken[guarded] = write(cursor)
            else:
                with no_guard(cursor):
                    taken[guarded] = write(cursor)
        taxes.append(taken[True] - taken[False])
        plains.append(taken[False])
    return taxes, plains


@contextmanager
def no_guard(cursor: Any) -> Iterator[None]:
    """Drop the guard, because one that is only disabled still has each row locked; and put it back."""
    cursor.execute(
        "SELECT quote_ident(tgname), pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE tgrelid = 'ticket'::regclass AND tgname LIKE '%guard%'"
    )
    triggers = cursor.fetchall()
    for name, _ in triggers:
        cursor.execute(f"DROP TRIGGER {name} ON ticket")
    yield
    for name, definition in triggers:
        cursor.execute(f"{definition}; ALTER TABLE ticket ENABLE ALWAYS TRIGGER {name}")


def timed(cursor: Any, statement: str, *parameters: Any, rows: int = NEW) -> float:
    """Microseconds a row that a statement takes, which is rolled back."""
    cursor.execute("BEGIN")
    began = time.perf_counter()
    cursor.execute(statement, parameters or None)
    seconds = time.perf_counter() - began
    cursor.execute("ROLLBACK")
    return 1e6 * seconds / rows


def insert_select(cursor: Any) -> float:
    """INSERT … SELECT of new rows."""
    return timed(cursor, INSERT, NEW)


def copy(cursor: Any) -> float:
    """COPY of new rows."""
    lines = "".join(f"x\topen\t{uuid.uuid4()}\t2026-01-01\t2026-01-01\n" for _ in range(NEW))
    cursor.execute("BEGIN")
    began = time.perf_counter()
    cursor.copy_expert(
        "COPY ticket (title, status, token, created_at, updated_at) FROM STDIN", io.StringIO(lines)
    )
    seconds = time.perf_counter() - began
    cursor.execute("ROLLBACK")
    return 1e6 * seconds / NEW


def bulk_update(cursor: Any) -> float:
    """One UPDATE that gives many rows new tokens."""
    return timed(cursor, "UPDATE ticket SET token = gen_random_uuid() WHERE id <= %s", NEW)


def other_columns(cursor: Any) -> float:
    """One UPDATE of another column of many rows."""
    return timed(cursor, "UPDATE ticket SET title = 'y' WHERE id <= %s", NEW)


def by_django(what: str) -> Callable[[Any], float]:
    """What one of benchmarks.contenders measures, in a process of its own."""

    def run(cursor: Any) -> float:
        return 1e3 * float(json.loads(subprocess.check_output(contender(what), text=True)))

    return run


WRITES: dict[str, Callable[[Any], float]] = {
    "INSERT … SELECT": insert_select,
    "COPY": copy,
    "UPDATE of tokens": bulk_update,
    "UPDATE of another column": other_columns,
    "`bulk_create()`": by_django("bulk_create"),
    "`save()` of a new row": by_django("save_new"),
    "`save()` of a loaded row": by_django("save"),
}
