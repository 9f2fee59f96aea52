"""An index that is being rebuilt, who keeps it waiting, and what is left of it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.conftest import Database


def invalid(db: Database) -> list[str]:
    return [name for (name,) in db.sql(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid OR NOT indisready"
    )]  # fmt: skip


@contextmanager
def writer(db: Database) -> Iterator[int]:
    """An open transaction that has written to the table, for which a rebuild waits."""
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("UPDATE ticket SET title = 'busy' WHERE id = 1; SELECT pg_backend_pid()")
        yield cursor.fetchone()[0]
        holder.rollback()


def rebuilding(db: Database) -> int:
    """The pid of the session that rebuilds an index and waits for another, if there is one."""
    pids = db.sql("SELECT pid FROM pg_stat_progress_create_index WHERE current_locker_pid <> 0")
    return pids[0][0] if pids else 0
