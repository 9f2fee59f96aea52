"""The plan of a rotation: its lanes and windows. A dry run prints it, the driver executes it."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..db.session import Session
from ..errors import Refused
from ..options import Options
from .lanes import Lane, draw_lanes
from .size import Size, measure
from .target import Target
from .windows import TYPICAL_SIZE, Window, find_window

#: Parts of an EXPLAIN that find no rows of the window.
BY_ITSELF = {"SubPlan", "InitPlan"}


@dataclass(frozen=True)
class Plan:
    """What a run does: which rows, in which lanes, by which statement."""

    target: Target
    options: Options
    size: Size
    lanes: tuple[Lane, ...]
    statement: str = ""  #: the SQL of the first window, empty if no row is left, or not known yet
    explained: str = ""  #: how PostgreSQL would find that window's rows

    @property
    def window_size(self) -> int:
        """Rows of the windows shown; without --window, the run adapts their size."""
        return self.options.window or TYPICAL_SIZE

    def windows(self, session: Session) -> Iterator[Window]:
        """Walk the windows that are left, in the order in which one worker takes them."""
        for lane in self.lanes:
            position = lane.last_id
            while position != lane.upper:
                window = find_window(session, lane.lower, lane.upper, position, self.window_size)
                if window is None:
                    break
                yield window
                position = window.hi


def make_plan(
    session: Session,
    target: Target,
    options: Options,
    lanes: tuple[Lane, ...] | None,
    count: bool = False,
) -> Plan:
    """Plan a rotation from its lanes, or a new one over all keys that the table has now.

    `count` asks for an exact number of rows, if that is quick. A run does without it: its snapshot
    counts them.
    Raises Refused if PostgreSQL would not find a window's rows by the primary key's index.
    """
    size = measure(session, target, count)
    with session.reading():
        if lanes is None:
            lanes = draw_lanes(session, target, options.lanes)
        plan = Plan(target, options, size, lanes)
        first = next(plan.windows(session), None)
        if first is None or not target.placement.ready:
            return plan
        session.change("prefer_indexes")
        statement, found = session.explain("rotate_window", **target.window(first.lo, first.hi))
        explained = target.placement.read_plan(found)
        indexes = session.rows("list_key_indexes", oid=target.oid, pk=target.pk)
    scans = _require_index(explained, {row["name"] for row in indexes}, target)
    return Plan(target, options, size, lanes, statement, _describe_scans(scans, size.parts))


def _describe_scans(scans: list[str], parts: int) -> str:
    """How a window's rows are found, and in how many partitions."""
    if parts == 1:
        return ", ".join(scans)
    partitions = f"{len(scans)} of {parts} partitions"
    return (
        f"{scans[0]}, in {partitions}" if len(scans) == 1 else f"{scans[0]} and others, in {partitions}"
    )


def _require_index(explained: dict, indexes: set[str], target: Target) -> list[str]:
    """Return the scans of an EXPLAIN as 'Index Scan using name'; refuse any other kind."""
    scans = []
    nodes = [explained]
    while nodes:
        node = nodes.pop()
        # What expressions of the operator look up is theirs.
        nodes += [
            one for one in node.get("Plans", []) if one.get("Parent Relationship") not in BY_ITSELF
        ]
        if "Scan" in node["Node Type"] and node["Node Type"] != "Bitmap Heap Scan":
            index = node.get("Index Name")
            scans.append(f"{node['Node Type']} using {index}" if index else node["Node Type"])
            if index not in indexes:
                raise Refused(
                    f"PostgreSQL would find a window's rows by {scans[-1]}, not by the index of"
                    f" {target.pk}: check that the primary key's index is valid, and ANALYZE the table"
                )
    return scans
