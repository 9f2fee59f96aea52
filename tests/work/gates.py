"""Places at which whoever writes waits, for as long as a test likes."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg2

from tests.conftest import Database

RUN = ("rotate_tokens_sql", "--window", "100", "--progress", "lines", "--lock-timeout", "600000")

GATES = {
    "before the UPDATE": ("ticket", "BEFORE UPDATE", False),
    "after the UPDATE": ("batchprogress", "BEFORE UPDATE", False),
    "after the checkpoint": ("rotation_window", "BEFORE INSERT", False),
    "during COMMIT": ("rotation_window", "AFTER INSERT", True),
}

#: In the midst of the statement that takes the snapshot: its MVCC snapshot is taken.
SNAPSHOT_GATE = ("rotation_revoked", "BEFORE INSERT", False, "false")


@contextmanager
def gate(
    db: Database, table: str, when: str, deferred: bool = False, passes: str = ""
) -> Iterator[None]:
    """Make writers of the table wait, before or after the write or at COMMIT, in the block.

    `passes` tells who need not wait: unless it is given, at the target's gate the canary and the first
    window.
    """
    with closed_gate(db):
        build_gate(db, table, when, deferred, passes)
        yield


@contextmanager
def closed_gate(db: Database) -> Iterator[None]:
    """Close the gate that is, or will be, built, for the time of the block."""
    with closing(db.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")
        try:
            yield
        finally:
            with suppress(psycopg2.Error):  # the test crashed the server, and the gate with it
                cursor.execute("SELECT pg_advisory_unlock_all()")


def build_gate(db: Database, table: str, when: str, deferred: bool = False, passes: str = "") -> None:
    """Build an open gate; see `gate`."""
    kind = "CONSTRAINT TRIGGER" if deferred else "TRIGGER"
    passes = passes or {
        "batchprogress": "NEW.rows = OLD.rows",
        "ticket": "NOT EXISTS (SELECT FROM public.rotation_window)",
    }.get(table, "false")
    db.sql(
        "CREATE OR REPLACE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS"
        f" 'BEGIN IF {passes} THEN RETURN NEW; END IF;"
        " PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END';"
        f"CREATE {kind} gate {when} ON {table}"
        f" {'DEFERRABLE INITIALLY DEFERRED' if deferred else ''}"
        " FOR EACH ROW EXECUTE FUNCTION wait_at_gate()"
    )


def waiting_at_gate(db: Database) -> int | None:
    """The pid of the backend that waits at the gate, if one does."""
    pids = db.sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return pids[0][0] if pids else None
