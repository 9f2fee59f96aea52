"""Tables that Citus distributes: what of the work is done in another way there, and why.

Workers make the tokens of a hash-distributed table, by a function that is called with each row's key,
because Citus refuses a volatile one. Those of a reference table are made once, here, and sent to every
copy. Both commit in two phases, with the checkpoint on the coordinator.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.db import transaction

from ..db.session import Row, Session
from ..db.sqlstate import translated
from ..db.statements import Form, Fragment, Name
from ..errors import ConnectionLost, LockConflict, Refused, Stopped
from ..events import NOTE, REFUSE, WARN, Found
from ..options import Options
from .target import RANDOM_UUID, Distribution, Target

HASH, REFERENCE = "hash", "reference"
MOST_LEFT = 100  # rows of a window that are left for later because one of them is locked
OLDEST = 11  # the first version with run_command_on_all_nodes()
#: Statements that have another form on every table that Citus distributes.
FORMS = {
    "open_window": "citus/open_window",
    "prefer_indexes": "citus/prefer_indexes",
    "measure_table": "citus/measure_table",
}
#: On a hash-distributed one: the workers have no state of ours, and some queries can't be run on shards.
HASH_FORMS = {
    "find_window": "citus/hash/find_window",
    "draw_lanes": "citus/hash/draw_lanes",
    "check_window": "citus/hash/check_window",
    "count_survivors": "citus/hash/count_survivors",
    "name_survivors": "citus/hash/name_survivors",
    "note_survivors": "citus/hash/note_survivors",
}
REFERENCE_FORMS = {"rotate_window": "citus/reference/rotate_window"}


def adapt(session: Session, target: Target, present: bool) -> Target:
    """The target with what Citus, if it is present, makes of it.

    Raises Refused for a way of distributing it that can't be rotated.
    """
    if not present:
        return target
    found = session.row("find_distribution", oid=target.oid, state=session.state_schema)
    _refuse(found, f"{target.schema}.{target.table}")
    kind = found["kind"]
    if kind is None:
        return target
    forms = FORMS | (HASH_FORMS if kind == HASH else REFERENCE_FORMS)
    names: dict[str, Name] = {name: Form(form) for name, form in forms.items()}
    state = session.state_schema
    names |= {name: (state, name) for name in ("rotation_new_token", "rotation_two_phase")}
    # Not every PostgreSQL has a least uuid; as text they sort alike.
    as_text = ' ::text COLLATE "C"' if target.pk_type == "uuid" else ""
    names["comparable_key"] = Fragment("target.{pk}" + as_text)
    if kind == HASH:
        made = "{rotation_new_token}(target.{pk})"
        names["new_token"] = Fragment(target.new_token.replace(RANDOM_UUID, made))
    known = Distribution(kind, found["shards"], found["prepared"], names, found["deadlock_timeout_ms"])
    return replace(target, distribution=known)


def _refuse(found: Row, label: str) -> None:
    if found["kind"] is None:
        return
    if int(found["version"].split(".")[0]) < OLDEST:
        raise Refused(f"Citus {found['version']} is too old: upgrade it to {OLDEST} or later")
    if not found["coordinator_known"]:
        raise Refused(
            "the nodes of this Citus cluster don't know their coordinator:"
            " SELECT citus_set_coordinator_host('its name')"
        )
    if found["kind"] not in (HASH, REFERENCE) or found["partitioned"]:
        raise Refused(
            f"{label} is known to Citus, but neither hash-distributed nor a reference table, or it is"
            " partitioned besides: distribute it by hash, or take it out of Citus, first"
        )
    if found["kind"] == HASH and found["copies"] > 1:
        raise Refused(
            f"each shard of {label} has {found['copies']} copies, which would get different tokens:"
            " distribute it with citus.shard_replication_factor = 1 first"
        )


def findings(session: Session, target: Target, options: Options) -> Iterator[Found]:
    """What the preflight has to say about a distributed table."""
    distribution, table = target.distribution, f"{target.schema}.{target.table}"
    if distribution is None:
        return
    if options.guard:
        yield Found(
            REFUSE,
            f"the guard can't stand on {table}, which Citus distributes: triggers run on the workers,"
            " where the revoked set is not; restart what may still hold old tokens, then run with"
            " --no-guard, and verify once more later",
        )
    for one in session.rows("inspect_guard", oid=target.oid, attnum=target.attnum):
        yield Found(
            REFUSE, f"the guard {one['name']} fails on the shards of {table}: DROP TRIGGER it first"
        )
    if options.reindex:
        yield Found(
            REFUSE, f"--reindex does not rebuild indexes of shards: REINDEX {table} by hand afterwards"
        )
    how = f"hash-distributed over {distribution.shards} shards"
    yield Found(
        NOTE,
        f"{table} is {how if distribution.kind == HASH else 'a reference table'} of Citus: every window"
        " commits in two phases",
    )
    if options.wait_replicas:
        yield Found(
            WARN,
            "only standbys of the coordinator are waited for and measured, not those of the workers",
        )


def prepare(session: Session, target: Target) -> Target:
    """Make what a rotation needs on every node, unless it is there; see citus/prepare_nodes.sql."""
    distribution = target.distribution
    if distribution is None or distribution.prepared:
        return target
    with session.durable():
        session.rows("claim_preparation")
        found = session.row("find_distribution", oid=target.oid, state=session.state_schema)
        if not found["prepared"]:
            session.rows("prepare_nodes", state=session.state_schema)
    return replace(target, distribution=replace(distribution, prepared=True))


def list_writers(session: Session, target: Target) -> set[str]:
    """The transactions that write to the table now, on whatever node."""
    found = _on_all_nodes(session, "list_node_writers", oid=target.oid)
    if any(", prepared on " in one for one in found):
        session.rows("recover_prepared")  # if its second phase is under way, this leaves it alone
    return found


def settle(session: Session, target: Target, options: Options) -> None:
    """Return when every COMMIT until now has reached every node.

    A node that was away at the second phase shows the old tokens until what it has prepared is committed
    there. Raises Stopped if it does not come to that within the patience.
    """
    if target.distribution is None:
        return
    began = time.monotonic()
    pending = _on_all_nodes(session, "list_prepared")
    while pending:
        session.rows("recover_prepared")
        pending &= _on_all_nodes(session, "list_prepared")
        if pending and time.monotonic() - began > options.lock_patience:
            raise Stopped(
                f"{len(pending)} prepared transactions are not committed on every node"
                f" ({sorted(pending)[0]}): see that all nodes are up, then run the same command again"
            )
        if pending and session.stop.wait(0.2):
            raise Stopped(f"by {session.stop.reason}")


def _on_all_nodes(session: Session, statement: str, **parameters: Any) -> set[str]:
    """What a statement found, with the node's name. Raises ConnectionLost if a node is away."""
    found = set()
    for node in session.rows(statement, **parameters):
        if not node["answered"]:
            raise ConnectionLost(f"node {node['node']} does not answer")
        found |= {f"{one} on {node['node']}" for one in json.loads(node["found"])}
    return found


def open_window(session: Session, target: Target, lock_timeout_ms: int, bounded: bool) -> Row:
    """Set what holds for a window's transaction; see open_window.sql."""
    if target.distribution and bounded:
        # As open_window.sql does it by itself; the workers need a number.
        lock_timeout_ms = min(lock_timeout_ms, target.distribution.deadlock_timeout_ms // 2)
    its = {"lock_timeout": f"{lock_timeout_ms}ms", "bounded": bounded, "worker": session.worker}
    if target.distribution:
        session.change("set_on_workers", **its)
    return session.row("open_window", **its, active=target.active)


def rotate_or_leave(
    session: Session, target: Target, lane_id: int, lo: str, hi: str, held_by: str, size: int
) -> tuple[int, list[Row]]:
    """Replace the tokens of a window but for rows whose locks are not to be had, which become holes.

    Returns how many were replaced, and the holes. Citus has no SKIP LOCKED on shards: there it is all of
    the window or none, and a large one raises LockConflict, until it has been halved often enough.
    """
    if target.distribution is None:
        holes = session.rows("skip_locked", lane_id=lane_id, lo=lo, hi=hi, held_by=held_by)
        return session.change("rotate_unlocked", lane_id=lane_id, lo=lo, hi=hi), holes
    if target.distribution.kind == REFERENCE:
        # Its writers wait for one another, whatever rows they write: no other window would do better.
        return session.change("rotate_window", lo=lo, hi=hi), []
    try:
        return _rotate(session, lo, hi), []
    except LockConflict:
        if size > MOST_LEFT:
            raise
        return 0, session.rows("leave_window", lane_id=lane_id, lo=lo, hi=hi, held_by=held_by)


def rotate_leftovers(session: Session, target: Target, lane_id: int, after: int, size: int) -> Row:
    """Replace the tokens of the next rows left over in a lane; see rotate_leftovers.sql.

    On Citus row by row, up to the first whose lock is not to be had.
    """
    if target.distribution is None:
        return session.row("rotate_leftovers", lane_id=lane_id, after=after, size=size)
    last, rows, closed = None, 0, []
    for entry in session.rows("list_leftovers", lane_id=lane_id, after=after, size=size):
        last = entry["id"]
        try:
            rows += _rotate(session, entry["key"], entry["key"])
        except LockConflict:
            break
        closed.append(last)
    return {"last": last, "rows": rows, **session.row("close_leftovers", ids=closed)}


def _rotate(session: Session, lo: str, hi: str) -> int:
    """Replace the tokens of a range; a conflict undoes only that."""
    with translated("going back to a savepoint"), transaction.atomic(using=session.alias):
        return session.change("rotate_window", lo=lo, hi=hi)


def shard_plan(explained: dict[str, Any]) -> dict[str, Any]:
    """An EXPLAIN's plan as PostgreSQL would give it: the scans on one shard, with the table's names."""
    return {"Node Type": "Append", "Plans": list(_scans(explained))}


def _scans(found: Any) -> Iterator[dict[str, Any]]:
    if isinstance(found, list):
        for one in found:
            yield from _scans(one)
    elif isinstance(found, dict):
        for one in found.values():
            yield from _scans(one)
        if "Scan" in found.get("Node Type", "") and ("Relation Name" in found or "Index Name" in found):
            scan = {"Node Type": found["Node Type"]}
            if "Index Name" in found:
                scan["Index Name"] = found["Index Name"].rsplit("_", 1)[0]
            yield scan
