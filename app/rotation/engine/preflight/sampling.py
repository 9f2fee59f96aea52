"""What the preflight says about copies of tokens: in a sample of values, and what may make some."""

import re
import time
from collections.abc import Generator, Iterator
from dataclasses import replace

from ..db.session import Session
from ..db.statements import Fragment
from ..errors import DatabaseFailure, LockConflict
from ..events import NOTE, REFUSE, WARN, Found, FoundElsewhere
from ..proof.candidates import CandidateTable, Column, list_candidates
from ..table.target import Target
from ..text import count, one_line

PAGE_BYTES = 8192  # on nearly every server
SAMPLED_PAGES = 100  # of a table
SAMPLED_ROWS = 10_000  # of those pages, at most
SAMPLED_VALUES = 1000  # of a column
SMALL_PAGES = 1000  # 8 MB: tables up to this size may be read as a whole
TABLE_SECONDS = 1.0  # limit for sampling one table
ALL_SECONDS = 5.0  # after which no further table is sampled
MOST_NAMED = 5  # tables that a note names
#: Tables with these words in their names probably keep old versions of rows.
TELLING = re.compile(
    r"histor(y|ies|ical)|(^|_)hist(_|$)|audit|archive|back_?up|(^|_)bak(_|$)|(^|_)version"
    r"|(^|_|event|change|access)log(s|entry|entries|ged)?(_|$)|(^|_)old(_|$)|(^|_)shadow(_|$)",
)


def findings(session: Session, target: Target) -> Iterator[Found]:
    """What the preflight says about copies that already exist or are likely to be made.

    Uses its own transactions, which write nothing and are short. Raises LockConflict when a stop
    is requested.
    """
    with session.reading():
        candidates = list_candidates(session, target)
    copies = yield from _sample(session, target, candidates)
    copiers = [one.label for one in candidates if _tells(one.table) and one.label not in copies]
    if copiers:
        named = ", ".join(copiers[:MOST_NAMED])
        more = f" and {len(copiers) - MOST_NAMED} more" if len(copiers) > MOST_NAMED else ""
        yield FoundElsewhere(
            NOTE,
            f"{named}{more} may keep old tokens: afterwards run {target.search}",
        )


def _tells(table: str) -> bool:
    if table == "django_admin_log":  # what the admin's users did; it would be named everywhere
        return False
    return TELLING.search(re.sub("(?<=[a-z])(?=[A-Z])", "_", table).lower()) is not None


def _sample(
    session: Session, target: Target, candidates: list[CandidateTable]
) -> Generator[Found, None, set[str]]:
    """Look up a sample of every other column's values in the target, or vice versa.

    Returns the tables that hold some.
    """
    began = time.monotonic()
    missed = set()
    copies = set()
    home = next(one for one in candidates if any(column.is_token for column in one.columns))
    home = replace(home, columns=tuple(one for one in home.columns if one.is_token))
    for candidate in candidates:
        unlike = {"document", "uuid"} if target.any_text else {"document"}
        texts = [one for one in candidate.columns if one.sort not in unlike]
        asked = tuple(one for one in texts if not (one.is_token or one.refers or one.obstacle))
        if any(one.obstacle for one in texts):
            missed.add(candidate.label)
        if not asked:
            continue
        if time.monotonic() - began > ALL_SECONDS:
            missed.add(candidate.label)
            continue
        try:
            other = replace(candidate, columns=asked)
            if not home.columns[0].indexed:  # else their sizes don't matter
                home = _measured(session, home)
                other = _measured(session, other)
            found, whole = _compare(session, home, other)
        except (LockConflict, DatabaseFailure):
            if session.stop.requested:
                raise
            found = []
            whole = False
        if not whole:
            missed.add(candidate.label)
        if found:
            copies.add(candidate.label)
        for column in found:
            yield _held(candidate, column, target)
    if missed:
        yield _not_checked(sorted(missed), target)
    return copies


def _held(candidate: CandidateTable, column: Column, target: Target) -> Found:
    """Says what it means that a column holds tokens of the target."""
    name = f"{candidate.label}.{one_line(column.name)}"
    if candidate.oid == target.oid and column.name == target.pk:
        return Found(
            REFUSE,
            f"the primary key {name} holds the tokens of {target.label} themselves, and keys are shown"
            " and stored: give the table another key first",
        )
    return FoundElsewhere(
        WARN,
        f"{name} holds values of {target.label} without a foreign key: they are not replaced, and match"
        f" no row afterwards; update them together, or find them afterwards with {target.search}",
    )


def _not_checked(tables: list[str], target: Target) -> Found:
    were = "was" if len(tables) == 1 else "were"
    named = ", ".join(tables[:MOST_NAMED]) + ", ..." * (len(tables) > MOST_NAMED)
    return FoundElsewhere(
        NOTE,
        f"{count(len(tables), 'table')} {were} not checked for values of {target.label} (too slow, not"
        f" readable, or of another owner): {named}; {target.search} has no time limit",
    )


def _measured(session: Session, candidate: CandidateTable) -> CandidateTable:
    """The same with its pages counted, if the catalog does not know them."""
    if candidate.pages:
        return candidate
    with session.reading(statement_timeout=f"{TABLE_SECONDS:.0f}s"):
        return replace(candidate, pages=_pages(session, candidate))


def _pages(session: Session, candidate: CandidateTable) -> int:
    """Its pages, at least 1, counted in the caller's transaction if the catalog does not know them."""
    plain = replace(session, variants=())  # whatever the target is: this is another table
    heap = candidate.pages * PAGE_BYTES or plain.row("measure_table", oid=candidate.oid)["heap_bytes"]
    return max(1, -(-(heap or 0) // PAGE_BYTES))


def _compare(
    session: Session, home: CandidateTable, candidate: CandidateTable
) -> tuple[list[Column], bool]:
    """The columns of `candidate` that share values with the only one of `home`, the target's token.

    And whether all could be checked: no large table is scanned, so one side needs an index.
    """
    token = home.columns[0]
    if token.indexed or home.pages <= SMALL_PAGES:
        numbers = _look_up(session, candidate, home, token)
        return [candidate.columns[number - 1] for number in numbers], True
    near = [one for one in candidate.columns if one.indexed or candidate.pages <= SMALL_PAGES]
    found = [one for one in near if _look_up(session, home, candidate, one)]
    return found, len(near) == len(candidate.columns)


def _look_up(
    session: Session, sampled: CandidateTable, looked_up: CandidateTable, column: Column
) -> list[int]:
    """Which columns of one table, by number from 1, hold a value that a column of the other holds."""
    columns = [
        f"{one.token('copied', f'column_{n}')} AS value_{n}" for n, one in enumerate(sampled.columns, 1)
    ]
    tokens = [f"({n}, value_{n})" for n in range(1, len(columns) + 1)]
    its = replace(
        session,
        names={
            **session.names,
            **sampled.names,
            "columns": Fragment(", ".join(columns)),
            "tokens": Fragment(", ".join(tokens)),
            "looked_up_table": (looked_up.schema, looked_up.table),
            # Its inheritance children are listed by themselves, and may belong to others.
            "looked_up": Fragment(("ONLY " * looked_up.plain) + "{looked_up_table}"),
            "looked_up_column": (column.name,),
            "same": Fragment(column.holds()),
        },
    )
    with its.reading(statement_timeout=f"{TABLE_SECONDS:.0f}s"):
        if column.indexed:
            its.change("prefer_indexes")
        found = its.rows(
            "sample_copies",
            percent=min(100.0, 100.0 * SAMPLED_PAGES / _pages(its, sampled)),
            rows=SAMPLED_ROWS,
            most=SAMPLED_VALUES,
        )
    return [row["number"] for row in found]
