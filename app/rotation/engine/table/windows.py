"""Windows: their bounds, and how large they should be."""

from dataclasses import dataclass

from ..db.session import Session
from ..options import LARGEST_SIZE
from ..text import shown

FIRST_SIZE = 500  # rows: small enough to learn the table's pace without hurting anyone
TYPICAL_SIZE = 10_000  # rows: shown in a plan whose windows are sized while it runs


@dataclass(frozen=True)
class Window:
    """A range of primary keys, inclusive, that holds `keys` rows."""

    lo: str
    hi: str
    keys: int

    def __str__(self) -> str:
        return f"{shown(self.lo)}..{shown(self.hi)}"


class WindowSizer:
    """Chooses the size of the next window: aims at a duration, or keeps a fixed number of rows.

    A lock conflict halves the size; each later window raises the limit by half, so that a busy part of
    the table is crossed in small steps and the rest in large ones.
    """

    def __init__(self, fixed: int | None, seconds: float, first: int = FIRST_SIZE) -> None:
        self._fixed = fixed
        self._seconds = seconds
        self._wanted = fixed or first
        self._limit = LARGEST_SIZE
        self._most = LARGEST_SIZE

    @property
    def size(self) -> int:
        """Rows of the next window, at least 1."""
        return max(1, min(self._wanted, self._limit, self._most))

    def tune(self, fixed: int | None, most: int | None) -> None:
        """Adopt a tuned size, and the most rows that a window may hold.

        A fixed size ignores the most.
        """
        if fixed != self._fixed:
            self._fixed = fixed
            self._wanted = fixed or min(self._wanted, TYPICAL_SIZE)
        self._most = LARGEST_SIZE if fixed or most is None else most

    def learn(self, keys: int, seconds: float) -> None:
        """Take note of a window that was committed: its rows, and the seconds it took.

        The size at most doubles or halves, and grows only after a full window.
        """
        used = self.size
        self._limit = min(LARGEST_SIZE, self._limit + self._limit // 2 + 1)
        if self._fixed or used < self._wanted:
            return
        change = max(0.5, min(2.0, self._seconds / max(seconds, 1e-6)))
        if change < 1 or keys >= used:
            self._wanted = max(1, min(LARGEST_SIZE, int(self._wanted * change)))

    def conflict(self) -> None:
        """Take note of a window that could not get its locks."""
        self._limit = max(1, self.size // 2)


def find_window(
    session: Session, lower: str, upper: str, last_id: str | None, size: int
) -> Window | None:
    """Find the next window of at most `size` rows after a checkpoint; None if no row is left."""
    row = session.row("find_window", lower=lower, upper=upper, last_id=last_id, size=size)
    return Window(row["lo"], row["hi"], row["keys"]) if row["keys"] else None
