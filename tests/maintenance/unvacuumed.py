"""Tickets that no autovacuum sees to, and the size of their table."""

from contextlib import closing

from tests.conftest import Database


def make(db: Database, rows: int = 24_000) -> int:
    """Make tickets that no autovacuum sees to; return the bytes of the table with its indexes."""
    db.sql("ALTER TABLE ticket SET (autovacuum_enabled = off)")
    db.insert("SELECT generate_series(1, %s)", rows)
    db.remember("ticket", "id")
    connection = db.connect()
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE ticket")
    return size(db)


def size(db: Database) -> int:
    return db.value("SELECT pg_total_relation_size('ticket')")
