"""Where the rows of a table are, and the work that depends on it.

`Placement` is the interface; a table on one server has `Plain`, one that Citus distributes another kind
(citus.py). Code that works on a table asks its placement, and never what kind it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from ..db.blockers import describe_pids
from ..db.session import Row, Session
from ..db.statements import Name
from ..events import Found
from ..options import Options

#: The backend of each transaction that writes to the target; None if not known.
Writers = Mapping[str, int | None]


class Placement(ABC):
    """How the rows of a table are placed."""

    variants: tuple[str, ...] = ()  #: folders of `sql/` whose statements replace their namesakes
    names: Mapping[str, Name] = {}  #: what fills braces in those
    takes_guard = True  #: a trigger on the rows can read the revoked set
    locks_by_value = False  #: rows can be locked by the value of their token
    ready = True  #: whether what a rotation needs exists, see `prepare`

    def make_token(self, new_token: str) -> str:
        """The expression of a new token, evaluated where the row is."""
        return new_token

    @abstractmethod
    def findings(self, table: str, options: Options) -> Iterator[Found]:
        """What the preflight says about it."""

    @abstractmethod
    def prepare(self, session: Session, oid: int) -> None:
        """Create what a rotation needs, unless it exists."""

    @abstractmethod
    def find_amcheck(self, session: Session) -> list[Row]:
        """The extension amcheck, if it can check the table's indexes."""

    @abstractmethod
    def cut_by_partitions(self, session: Session, oid: int, pk: str) -> list[str]:
        """The keys after which another partition starts."""

    @abstractmethod
    def read_plan(self, explained: dict[str, Any]) -> dict[str, Any]:
        """An EXPLAIN's plan, with the table's own names in it."""

    @abstractmethod
    def open_window(
        self, session: Session, active: str, lock_timeout_ms: int, bounded: bool, *then: str, **its: Any
    ) -> Row:
        """Set what holds for a window's transaction; see open_window.sql.

        `then`: statements in the same message, with `its` parameters. Returns the row of the last one.
        """

    def hold_partitions(self, session: Session, lo: str | None, hi: str | None) -> None:
        """Lock the partitions that hold a window's rows; see hold_partitions.sql."""
        session.rows("hold_partitions", lo=lo, hi=hi)

    @abstractmethod
    def rotate_or_skip(
        self, session: Session, lane_id: int, window: dict[str, str], held_by: str, size: int
    ) -> tuple[int, list[Row]]:
        """Replace the tokens of a window, except rows whose locks are held, which become holes.

        `window`: as Target.window gives it. Returns how many were replaced, and the holes.
        """

    @abstractmethod
    def rotate_leftovers(self, session: Session, lane_id: int, after: int, size: int) -> Row:
        """Replace the tokens of the next rows left over in a lane; see rotate_leftovers.sql."""

    @abstractmethod
    def list_writers(self, session: Session, oid: int, rotation: int) -> Writers:
        """Every transaction that has written to the table and is still open."""

    @abstractmethod
    def name_writers(self, session: Session, writers: Writers) -> str:
        """Some of those in words."""

    @abstractmethod
    def settle(self, session: Session, patience: float) -> None:
        """Return when every COMMIT until now is visible everywhere.

        Raises Stopped if that takes longer than `patience` seconds.
        """

    @abstractmethod
    def count_repeated(self, session: Session) -> int:
        """Tokens that more than one row holds, where no unique index can prevent it."""


class Plain(Placement):
    """The rows are on this server, in one table or in its partitions."""

    locks_by_value = True

    def findings(self, table: str, options: Options) -> Iterator[Found]:
        """Nothing."""
        return iter(())

    def prepare(self, session: Session, oid: int) -> None:
        """Nothing to create."""

    def find_amcheck(self, session: Session) -> list[Row]:
        """The extension, if it is installed."""
        return session.rows("find_amcheck")

    def cut_by_partitions(self, session: Session, oid: int, pk: str) -> list[str]:
        """The keys, where partitions are ranges of the primary key."""
        return [row["cut"] for row in session.rows("cut_by_partitions", oid=oid, pk=pk)]

    def read_plan(self, explained: dict[str, Any]) -> dict[str, Any]:
        """The plan as it is."""
        return explained

    def open_window(
        self, session: Session, active: str, lock_timeout_ms: int, bounded: bool, *then: str, **its: Any
    ) -> Row:
        """One statement of settings that end with the transaction."""
        return session.row(
            "open_window",
            *then,
            lock_timeout=f"{lock_timeout_ms}ms",
            bounded=bounded,
            active=active,
            **its | {"worker": session.worker},
        )

    def rotate_or_skip(
        self, session: Session, lane_id: int, window: dict[str, str], held_by: str, size: int
    ) -> tuple[int, list[Row]]:
        """Lock what can be locked at once; note the rest as holes."""
        holes = session.rows("skip_locked", lane_id=lane_id, held_by=held_by, **window)
        return session.change("rotate_unlocked", lane_id=lane_id, **window), holes

    def rotate_leftovers(self, session: Session, lane_id: int, after: int, size: int) -> Row:
        """One statement."""
        return session.row("rotate_leftovers", lane_id=lane_id, after=after, size=size)

    def list_writers(self, session: Session, oid: int, rotation: int) -> Writers:
        """By the locks that they hold."""
        rows = session.rows("list_writers", oid=oid, rotation=rotation)
        return {row["transaction"]: row["pid"] for row in rows}

    def name_writers(self, session: Session, writers: Writers) -> str:
        """By their backends."""
        return describe_pids(session, list(writers.values()))

    def settle(self, session: Session, patience: float) -> None:
        """A COMMIT is visible at once."""

    def count_repeated(self, session: Session) -> int:
        """None: a unique index prevents it, where that is wanted."""
        return 0


PLAIN = Plain()
