"""How large a table is: counted or estimated, and what rewriting it costs."""

from dataclasses import dataclass

from ..db.session import Session
from ..errors import LockConflict
from .target import Target

COUNT_SECONDS = 2  # an exact count that takes longer is replaced by the planner's estimate


@dataclass(frozen=True)
class Size:
    """Rows and bytes of a table. Counts are None where they are not known."""

    keys: int | None  #: rows
    tokens: int | None  #: rows whose token is not NULL
    exact: bool  #: counted, not the planner's estimate
    heap_bytes: int
    index_bytes: int
    indexes: int
    parts: int  #: tables that hold its rows: 1, or its partitions

    @property
    def wal_bytes(self) -> tuple[int, int] | None:
        """Least and most bytes of WAL that rewriting every token writes; None if unknown.

        Every row version is logged whole, once for the heap (its bytes and about 60 of headers) and
        once per index (about 100: key, header, and page splits). At most, each page is also logged
        whole, once after a checkpoint (full_page_writes). The constants were fitted to
        pg_stat_wal on PostgreSQL 18; see docs/design.md.
        """
        if self.keys is None:
            return None
        share = self._share
        least = int(share * (self.heap_bytes + self.keys * (60 + 100 * self.indexes)))
        return least, least + int(2 * share * (self.heap_bytes + self.index_bytes))

    @property
    def growth_bytes(self) -> int:
        """Bytes by which heap and indexes grow at most: an UPDATE leaves each row's old version."""
        return int(self._share * (self.heap_bytes + self.index_bytes))

    @property
    def _share(self) -> float:
        """Of the rows, those with a token that is to be replaced."""
        return (self.tokens or 0) / self.keys if self.keys else 1.0


def measure(session: Session, target: Target, count: bool) -> Size:
    """The size as the planner estimates it, or its rows counted if that takes at most two seconds."""
    with session.reading():
        table = session.row("measure_table", oid=target.oid)
    keys = tokens = table["estimated_rows"]
    exact = False
    if count:
        try:
            with session.reading(statement_timeout=f"{COUNT_SECONDS}s"):
                counted = session.row("count_rows")
        except LockConflict:
            if session.stop.requested:
                raise
        else:
            keys = counted["keys"]
            tokens = counted["tokens"]
            exact = True
    return Size(
        keys=keys,
        tokens=tokens,
        exact=exact,
        heap_bytes=table["heap_bytes"],
        index_bytes=table["index_bytes"],
        indexes=table["indexes"],
        parts=table["parts"],
    )
