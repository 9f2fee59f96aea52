"""Probes: measure the server against the limits of a run, and give reasons to wait."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from ..db.driver import condition
from ..db.session import Row, Session
from ..errors import ConnectionLost, DatabaseFailure, RotationError, Stopped
from ..hours import Hours
from ..options import Options
from ..table.disk import find_free
from ..text import count, size
from .bucket import Bucket
from .standbys import UNMEASURABLE, LagClock, read_standbys

SQL_TIMEOUT = "5s"  # for --throttle-sql
MOST_WAL_SECONDS = 5.0  # that windows wait for WAL that was written faster than --max-wal-rate
#: SQLSTATEs for a cursor on anything but one query, and for a write.
NO_CURSOR = "42P11"
READ_ONLY = "25006"


@dataclass(frozen=True)
class Measure:
    """What some limits need, and what a role, or a managed server, may not let us measure."""

    what: str
    limits: tuple[str, ...]  #: the options
    read: Callable[[Session], list[Row]]
    needs: str  #: the rights
    without: str  #: what follows if it can't be measured

    def limited(self, options: Options) -> bool:
        """Whether any of the limits is on."""
        return any(getattr(options, name) not in (None, ()) for name in self.limits)

    def asked(self, options: Options) -> list[str]:
        """The limits that somebody asked for: those that are on, and no defaults."""
        return [
            name
            for name in self.limits
            if getattr(options, name) not in (None, (), getattr(Options, name))
        ]


LSN = "EXECUTE ON FUNCTION pg_current_wal_lsn()"
MEASURES = {
    "read_standbys": Measure(
        "how far standbys are behind",
        ("max_lag", "max_lag_bytes", "critical_lag", "standbys"),
        read_standbys,
        f"pg_monitor, and {LSN}",
        "windows don't wait for standbys, nor does the end",
    ),
    "read_wal": Measure(
        "how much WAL is retained",
        ("max_wal", "critical_wal"),
        lambda session: session.rows("read_wal"),
        f"pg_monitor, and {LSN}",
        "",
    ),
    "read_wal_position": Measure(
        "how much WAL is written",
        ("max_wal_rate",),
        lambda session: session.rows("read_wal_position"),
        LSN,
        "",
    ),
}


def is_blind(error: RotationError) -> bool:
    """Whether this role can't measure something, or the server has no such thing."""
    return isinstance(error, DatabaseFailure) and error.sqlstate in UNMEASURABLE


class Probes:
    """Measures the server on the monitor's connection."""

    def __init__(self, session: Session, rotation: int, oid: int) -> None:
        self._session = session
        self._rotation = rotation
        self._oid = oid  #: of the target
        self._clock = LagClock()
        self._written: int | None = None  #: bytes of WAL at the latest look
        self._wal_bucket = Bucket()

    def reasons(self, options: Options, now: datetime) -> Iterator[str]:
        """Yield why the next window should wait. An error in a probe is a reason too: it fails closed.

        `now` is the server's time: all processes agree on it. Raises Stopped if a critical limit is
        exceeded.
        """
        if options.only_between is not None and (why := Hours.parse(options.only_between).wait(now)):
            yield why
        for what, probe, measure in (
            ("replica lag", self._standbys, "read_standbys"),
            ("retained WAL", self._wal, "read_wal"),
            ("the rate of WAL", self._wal_rate, "read_wal_position"),
            ("free disk", self._disk, ""),
            ("waiting sessions", self._waiting, ""),
            ("--throttle-sql", self._asked, ""),
        ):
            try:
                yield from probe(options)
            except (Stopped, ConnectionLost):
                raise
            except RotationError as error:
                if not is_blind(error) or measure not in MEASURES or MEASURES[measure].asked(options):
                    yield f"{what} could not be measured ({error})"

    def _standbys(self, options: Options) -> Iterator[str]:
        limits = (options.max_lag, options.max_lag_bytes, options.critical_lag)
        if not options.standbys and limits == (None, None, None):
            return
        with self._session.reading(SQL_TIMEOUT):
            standbys = read_standbys(self._session)
        connected = {row["name"] for row in standbys if row["replayed"] is not None}
        for name in options.standbys:
            if name not in connected:
                yield f"standby {name} is not connected"
        for row in standbys:
            if row["replayed"] is not None:
                yield from self._lag(row, options)

    def _lag(self, row: Row, options: Options) -> Iterator[str]:
        behind = row["written"] - row["replayed"]
        seconds = self._clock.lag(row["written"], row["replayed"])
        if behind and row["replay_lag"]:
            seconds = max(seconds, row["replay_lag"])
        lag = f"replica lag {seconds:.0f} s"
        name = row["name"]
        if options.critical_lag is not None and seconds > options.critical_lag:
            raise Stopped(
                f"{lag} on {name} exceeds --critical-lag {options.critical_lag:g}:"
                " run the same command again when the standby has caught up"
            )
        if options.max_lag is not None and seconds > options.max_lag:
            yield f"{lag} on {name} (limit {options.max_lag:g} s)"
        if options.max_lag_bytes is not None and behind > options.max_lag_bytes:
            yield f"{name} is {size(behind)} of WAL behind (limit {size(options.max_lag_bytes)})"

    def _wal(self, options: Options) -> Iterator[str]:
        if options.max_wal is None and options.critical_wal is None:
            return
        with self._session.reading(SQL_TIMEOUT):
            keepers = self._session.rows("read_wal")
        for row in keepers:
            kept = f"{row['keeper']} holds back {size(row['bytes'])} of WAL"
            if options.critical_wal is not None and row["bytes"] > options.critical_wal:
                raise Stopped(
                    f"{kept}, more than --critical-wal {size(options.critical_wal)}:"
                    " fix that, then run the same command again"
                )
            if options.max_wal is not None and row["bytes"] > options.max_wal:
                yield f"{kept} (limit {size(options.max_wal)})"

    def _wal_rate(self, options: Options) -> Iterator[str]:
        limit = options.max_wal_rate
        before = self._written
        self._written = None
        if limit is None:
            return
        with self._session.reading(SQL_TIMEOUT):
            self._written = self._session.row("read_wal_position")["written"]
        if before is None:
            self._wal_bucket = Bucket()
            return
        self._wal_bucket.spend(self._written - before)
        # What others wrote in the meantime is no reason to wait for ever afterwards.
        if self._wal_bucket.owes(limit, MOST_WAL_SECONDS):
            yield f"WAL rate (limit {size(limit)}/s)"

    def _disk(self, options: Options) -> Iterator[str]:
        if options.min_free is None:
            return
        with self._session.reading(SQL_TIMEOUT):
            found = find_free(self._session.row("locate_files", oid=self._oid))
        if found and found[0] < options.min_free:
            yield f"{size(found[0])} of disk free in {found[1]} (limit {size(options.min_free)})"

    def _waiting(self, options: Options) -> Iterator[str]:
        if options.max_waiting is None:
            return
        with self._session.reading(SQL_TIMEOUT):
            waiting = self._session.row("count_waiting", rotation=self._rotation)["waiting"]
        if waiting > options.max_waiting:
            wait = f"{count(waiting, 'session')} {'waits' if waiting == 1 else 'wait'}"
            yield f"{wait} for rows that windows hold (limit {options.max_waiting})"

    def _asked(self, options: Options) -> Iterator[str]:
        if options.throttle_sql is None:
            return
        answer = ask(self._session, options.throttle_sql)
        if answer:
            yield "--throttle-sql returned " + ("true" if answer is True else f"{answer:g}")


def ask(session: Session, query: str) -> float | bool:
    """The answer of a user's query: one row, one column, true or false or a number.

    Raises RotationError for any other answer, and for anything but one query. It can't write, nor end
    the transaction that prevents that; whatever else it did is undone.
    """
    try:
        with session.reading(SQL_TIMEOUT):
            answers = session.ask(query)
            # A query that only reads may still change e.g. settings of the session.
            transaction.set_rollback(True, using=session.alias)
    except DatabaseFailure as failure:
        if failure.sqlstate != NO_CURSOR:
            raise
        # A write without RETURNING, a command, several statements: none is one query that only reads.
        refused = DatabaseFailure(READ_ONLY, condition(READ_ONLY), "running the query")
        raise RotationError(f"{refused}: give one query that reads, and nothing else") from None
    try:
        ((_, answer),) = json.loads(answers, object_pairs_hook=list, parse_int=float)
        return answer if isinstance(answer, bool) else float(answer)
    except (TypeError, ValueError, RecursionError):
        raise RotationError("the query must return one boolean or one number") from None
