"""Lanes: the table's primary keys, cut once into ranges that workers can do in parallel."""

import uuid
from dataclasses import dataclass

from ..db.session import Session
from ..options import MOST_LANES
from .target import NUMBER_TYPES, Target

EVEN = {*NUMBER_TYPES, "uuid"}  # types with distances between keys
USUAL = 16  # lanes of a table that is not small
SMALL_BYTES = 16 * 2**20  # a heap below this gets one lane: a second worker would not help


@dataclass(frozen=True)
class Lane:
    """A range of primary keys, inclusive, rotated in order from `last_id` on."""

    lane: int
    lower: str
    upper: str
    last_id: str | None = None


def draw_lanes(session: Session, target: Target, wanted: int | None) -> tuple[Lane, ...]:
    """Cut all keys that the table has now into at most `wanted` lanes of about equal size.

    None: 16, or one for a small table; and if partitions are ranges of the key, every lane lies in one
    partition (unless there are too many), so that its windows need no other. Cuts come from the
    planner's histogram if there is one that the table has not outgrown, else from equal ranges of
    numbers or UUIDs; text without statistics makes one lane. An empty table has no lane.
    """
    by_partition: list[str] = []
    if wanted is None:
        small = session.row("measure_table", oid=target.oid)["heap_bytes"] < SMALL_BYTES
        wanted = 1 if small else USUAL
        found = target.placement.cut_by_partitions(session, target.oid, target.pk)
        by_partition = found if len(found) < MOST_LANES else []
    cuts = by_partition
    if len(cuts) < wanted - 1:
        cuts = cuts + find_cuts(session, target, wanted)
    drawn = session.rows("draw_lanes", cuts=cuts)
    return tuple(Lane(number, lane["lower"], lane["upper"]) for number, lane in enumerate(drawn))


def find_cuts(session: Session, target: Target, wanted: int) -> list[str]:
    """The last keys of all lanes but the last one; fewer if some coincide."""
    found = session.rows("read_histogram", oid=target.oid, pk=target.pk)
    if found and not (found[0]["outgrown"] and target.pk_type in EVEN):
        bounds = found[0]["bounds"]
        cuts = [bounds[len(bounds) * number // wanted] for number in range(1, wanted)]
    else:
        whole = session.rows("draw_lanes", cuts=[])
        cuts = even_cuts(target.pk_type, whole[0]["lower"], whole[0]["upper"], wanted) if whole else []
    return list(dict.fromkeys(cuts))


def even_cuts(pk_type: str, floor: str, ceiling: str, wanted: int) -> list[str]:
    """Cuts at equal distances between two keys; none for a type without distances."""
    if pk_type not in EVEN:
        return []
    numbered = pk_type != "uuid"
    first, last = (int(key) if numbered else uuid.UUID(key).int for key in (floor, ceiling))
    cuts = [first + (last - first) * number // wanted for number in range(1, wanted)]
    return [str(cut if numbered else uuid.UUID(int=cut)) for cut in cuts]
