"""What each thread of this process is waiting for the database to do, and since when."""

import contextlib
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Call:
    """One thread's call to a database."""

    doing: str
    alias: str
    since: float  #: monotonic time

    @property
    def seconds(self) -> float:
        """How long it has been without an answer."""
        return time.monotonic() - self.since


_calls: dict[int, Call] = {}  # by thread; only the thread itself changes its entry


@contextlib.contextmanager
def calling(doing: str, alias: str = "") -> Iterator[None]:
    """Note that this thread calls a database within the block; by default, that of the block around.

    A transaction is such a block: it contains the calls of its statements, and after each of them waits
    anew, finally for its COMMIT.
    """
    thread = threading.get_ident()
    around = _calls.get(thread)
    alias = alias or (around.alias if around else "")
    _calls[thread] = Call(doing, alias, time.monotonic())
    try:
        yield
    finally:
        if around:
            _calls[thread] = replace(around, since=time.monotonic())
        else:
            del _calls[thread]


def longest(alias: str, but: Collection[int | None] = ()) -> Call | None:
    """The call to this database that has been without an answer for longest; not of those threads."""
    calls = [call for thread, call in list(_calls.items()) if call.alias == alias and thread not in but]
    return min(calls, key=lambda call: call.since, default=None)
