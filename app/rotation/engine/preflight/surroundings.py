"""What the preflight finds about the server: vacuum, disk, old snapshots, standbys."""

from collections.abc import Iterator

from ..db.session import Row, Session
from ..errors import DatabaseFailure
from ..events import NOTE, REFUSE, WARN, Found
from ..options import Options
from ..table.disk import find_free
from ..table.target import Target
from ..text import count, size
from ..throttle.connections import FEWEST, KEPT_FREE, workers_of
from ..throttle.probes import MEASURES, Measure, is_blind
from ..throttle.standbys import read_standbys


def of_server(session: Session, table: Row, target: Target, options: Options) -> Iterator[Found]:
    """Yield what would slow the run or bloat the table; `table` is a row of describe_table.sql."""
    yield from _of_vacuum(table, target, options)
    yield from _of_disk(session, target, options)
    access = session.row("check_session_access")
    yield from _of_access(access)
    if not access["needed"]:
        yield from _of_connections(session, options)
        if not access["hidden"]:
            yield from _of_old_snapshots(session)


def _of_access(access: Row) -> Iterator[Found]:
    """What a role can't see of others' sessions; see check_session_access.sql."""
    if access["needed"]:
        yield Found(
            REFUSE,
            f"this role may not read {access['needed']}, which tells who else writes to the table: GRANT"
            f" SELECT ON {access['needed']} to it",
        )
    if not access["all"]:
        yield Found(
            NOTE,
            "this role can't see other roles' sessions: GRANT pg_monitor to it, so that those that hold"
            " vacuum back are named",
        )
    if access["hidden"]:
        yield Found(
            NOTE,
            f"this role may not read {access['hidden']}: what holds vacuum back is not named; GRANT"
            f" SELECT ON {access['hidden']} to change that",
        )


def _of_connections(session: Session, options: Options) -> Iterator[Found]:
    connections = session.row("count_connections")
    free = connections["free"]
    most = workers_of(free)
    if connections["allowed"] is not None and connections["allowed"] < FEWEST:
        yield Found(
            REFUSE,
            f"this role may open {count(connections['allowed'], 'connection')} to this database, and a"
            f" run needs {FEWEST} at least: raise CONNECTION LIMIT of the role or of the database",
        )
    if options.workers > most:
        yield Found(
            WARN,
            f"--workers {options.workers}: the server has {count(max(free, 0), 'free connection')}, of"
            f" which {KEPT_FREE} are kept for the application: {count(most, 'worker')} will be started",
        )


def _of_vacuum(table: Row, target: Target, options: Options) -> Iterator[Found]:
    if options.vacuum and not table["may_vacuum"]:
        yield Found(
            NOTE,
            f"this role may not vacuum {target.schema}.{target.table}: unless autovacuum keeps up, it"
            " may grow to twice its size; to avoid that run as its owner, or with MAINTAIN on it (from"
            " PostgreSQL 17 on)",
        )
    if options.reindex and not table["may_rebuild"]:
        yield Found(
            REFUSE,
            f"this role may not rebuild the indexes of {target.schema}.{target.table}: run as its owner,"
            " with MAINTAIN on it (from PostgreSQL 17 on), or without --reindex",
        )


def _of_disk(session: Session, target: Target, options: Options) -> Iterator[Found]:
    found = find_free(session.row("locate_files", oid=target.oid))
    if found is None:
        if options.min_free not in (None, Options.min_free):
            yield Found(
                REFUSE,
                "--min-free: free disk can't be seen from here: run on the server's host as its owner,"
                " with a role in pg_monitor, or use --throttle-sql",
            )
        return
    free, place = found
    table = session.row("measure_table", oid=target.oid)
    growth = table["heap_bytes"] + table["index_bytes"]
    kept = options.min_free or 0
    if free < growth + kept:
        yield Found(
            WARN,
            f"{size(free)} of disk free in {place}: without vacuum the table grows by {size(growth)};"
            f" windows wait when less than {size(kept)} is free (--min-free)",
        )


def _of_old_snapshots(session: Session) -> Iterator[Found]:
    for holder in session.rows("list_old_snapshots", mark=None):
        since = f" for {holder['seconds']:.0f} s" if holder["seconds"] else ""
        yield Found(
            WARN,
            f"{holder['holder']} has held an old snapshot{since}:"
            " until it ends, vacuum can't remove the rotation's dead rows",
        )


def of_limits(session: Session, options: Options) -> Iterator[Found]:
    """Yield what can't be measured here: a limit that was asked for is refused, a default is not.

    Not within a transaction: what can't be measured ends it.
    """
    for measure in MEASURES.values():
        if not measure.limited(options):
            continue
        try:
            with session.reading():
                found = measure.read(session)
        except DatabaseFailure as failure:
            if not is_blind(failure):
                raise
            yield _of_blindness(measure, f"{failure.subject}, SQLSTATE {failure.sqlstate}", options)
        else:
            if measure.read is read_standbys:
                yield from _of_standbys(found, measure, options)


def _of_blindness(measure: Measure, why: str, options: Options) -> Found:
    text = f"this role can't see {measure.what} ({why})"
    if asked := measure.asked(options):
        flags = " ".join("--" + name.replace("_", "-") for name in asked)
        off = "without --standby" if "standbys" in asked else f"with {flags} off"
        return Found(REFUSE, f"{text}: GRANT {measure.needs} to it, or run {off}")
    return Found(NOTE, f"{text}: {measure.without}; GRANT {measure.needs} to change that")


def _of_standbys(standbys: list[Row], measure: Measure, options: Options) -> Iterator[Found]:
    if any(row["state"] is None for row in standbys):
        yield _of_blindness(measure, "some are connected", options)
    for name in options.standbys:
        if name not in {row["name"] for row in standbys}:
            yield Found(WARN, f"standby {name} is not connected: windows wait until it is")
