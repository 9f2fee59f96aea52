"""Tables that Citus distributes: what is done differently there, and why.

Workers make the tokens of a hash-distributed table, with a function that is called with each row's key,
because Citus refuses a volatile one. Those of a reference table are made once, here, and sent to every
copy. Both commit in two phases, with the checkpoint on the coordinator.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.db import transaction

from ..db.retry import Wait
from ..db.session import Row, Session
from ..db.sqlstate import translated
from ..db.statements import Fragment, Name
from ..errors import ConnectionLost, LockConflict, Refused, Stopped
from ..events import NOTE, REFUSE, WARN, Found
from ..options import Options
from .placement import Placement, Writers
from .target import Target
from .values import RANDOM_UUID

HASH = "hash"
REFERENCE = "reference"
MOST_LEFT = 100  # largest window left for later as a whole because one of its rows is locked
OLDEST = 11  # the first version with run_command_on_all_nodes()


def place(session: Session, target: Target, present: bool) -> Target:
    """The target with the placement that Citus, if present, gives it.

    Raises Refused for a kind of distribution that can't be rotated.
    """
    if not present:
        return target
    found = session.row("find_distribution", oid=target.oid, state=session.state_schema)
    _refuse(found, f"{target.schema}.{target.table}")
    if found["kind"] is None:
        return target
    recipe = target.recipe
    its = {"expression": recipe.expression, "also": recipe.companions, "where": recipe.where}
    for name in filter(its.get, its):
        raise Refused(_not_for(name, f"{target.schema}.{target.table}"))
    kind = HashDistributed if found["kind"] == HASH else Reference
    return replace(target, placement=kind(found, session.state_schema, target.pk_type))


def _not_for(option: str, table: str) -> str:
    return f"--{option.replace('_', '-')} is not for {table}, which Citus distributes"


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
            " partitioned as well: distribute it by hash, or take it out of Citus first"
        )
    if found["kind"] == HASH and found["copies"] > 1:
        raise Refused(
            f"each shard of {label} has {found['copies']} copies, which would get different tokens:"
            " distribute it with citus.shard_replication_factor = 1 first"
        )


class Citus(Placement):
    """What both kinds of tables have in common."""

    takes_guard = False
    how = ""  #: how Citus stores the table, in words

    def __init__(self, found: Row, state: str, pk_type: str) -> None:
        self.ready: bool = found["prepared"]
        self._deadlock_timeout_ms: int = found["deadlock_timeout_ms"]
        # Not every PostgreSQL has min(uuid); as text they sort the same.
        as_text = ' ::text COLLATE "C"' if pk_type == "uuid" else ""
        self.names: dict[str, Name] = {
            "rotation_new_token": (state, "rotation_new_token"),
            "rotation_two_phase": (state, "rotation_two_phase"),
            "comparable_key": Fragment("target.{pk}" + as_text),
        }

    def findings(self, table: str, options: Options) -> Iterator[Found]:
        """No guard, no rebuilt indexes, and which standbys are not waited for."""
        if options.guard:
            yield Found(
                REFUSE,
                f"no guard is possible on {table}, which Citus distributes: triggers run on the workers,"
                " which don't have the revoked set; restart what may still hold old tokens, then run"
                " with --no-guard, and verify again later",
            )
        if options.reindex:
            yield Found(
                REFUSE,
                f"--reindex does not rebuild indexes of shards: REINDEX {table} by hand afterwards",
            )
        for name in ("local_tokens", "walk"):
            if getattr(options, name):
                yield Found(REFUSE, _not_for(name, table))
        yield Found(NOTE, f"{table} is {self.how} of Citus: every window commits in two phases")
        if options.wait_replicas:
            yield Found(
                WARN,
                "only standbys of the coordinator are waited for and measured, not those of the workers",
            )

    def prepare(self, session: Session, oid: int) -> None:
        """Make one function and one empty table on every node; see prepare_nodes.sql."""
        if self.ready:
            return
        state = session.state_schema
        with session.durable():
            session.rows("claim_preparation")
            if not session.row("find_distribution", oid=oid, state=state)["prepared"]:
                session.rows("prepare_nodes", state=state)
        self.ready = True

    def find_amcheck(self, session: Session) -> list[Row]:
        """None: it can't check shards from here."""
        return []

    def cut_by_partitions(self, session: Session, oid: int, pk: str) -> list[str]:
        """None: a distributed table that is also partitioned is refused."""
        return []

    def read_plan(self, explained: dict[str, Any]) -> dict[str, Any]:
        """The scans on one shard, with the table's names."""
        return {"Node Type": "Append", "Plans": list(_scans(explained))}

    def open_window(
        self, session: Session, active: str, lock_timeout_ms: int, bounded: bool, *then: str, **its: Any
    ) -> Row:
        """On the workers too."""
        if bounded:
            # As open_window.sql does itself; the workers need a number.
            lock_timeout_ms = min(lock_timeout_ms, self._deadlock_timeout_ms // 2)
        lasting = {"lock_timeout": f"{lock_timeout_ms}ms", "bounded": bounded, "worker": session.worker}
        session.change("set_on_workers", **lasting)
        return session.row("open_window", *then, **its | lasting, active=active)

    def hold_partitions(self, session: Session, lo: str | None, hi: str | None) -> None:
        """Nothing: to plan it is to ask the workers."""

    def rotate_leftovers(self, session: Session, lane_id: int, after: int, size: int) -> Row:
        """Row by row, up to the first whose lock is held."""
        last = None
        rows = 0
        closed = []
        for entry in session.rows("list_leftovers", lane_id=lane_id, after=after, size=size):
            last = entry["id"]
            try:
                rows += _rotate(session, entry["key"], entry["key"])
            except LockConflict:
                break
            closed.append(last)
        return {"last": last, "rows": rows, **session.row("close_leftovers", ids=closed)}

    def list_writers(self, session: Session, oid: int, rotation: int) -> Writers:
        """On every node, by its name."""
        found = _on_all_nodes(session, "list_node_writers", oid=oid)
        if any(", prepared on " in one for one in found):
            session.rows("recover_prepared")  # leaves alone one whose second phase is running
        return dict.fromkeys(found)

    def name_writers(self, session: Session, writers: Writers) -> str:
        """As their nodes name them."""
        return " and ".join(sorted(writers)[:3])

    def settle(self, session: Session, patience: float) -> None:
        """Wait until what is prepared on any node is committed there.

        A node that was down at the second phase shows the old tokens until then.
        """
        wait = Wait(session, patience)
        pending = _on_all_nodes(session, "list_prepared")
        while pending:
            session.rows("recover_prepared")
            pending &= _on_all_nodes(session, "list_prepared")
            if pending and wait.over:
                raise Stopped(
                    f"{len(pending)} prepared transactions are not committed on every node"
                    f" ({sorted(pending)[0]}): make sure all nodes are up, then run the same command"
                    " again"
                )
            if pending:
                wait.rest(0.2)

    def count_repeated(self, session: Session) -> int:
        """By value, over all shards: they can have no unique index."""
        with session.reading():
            session.change("read_heap")
            return int(session.row("count_repeated")["repeated"])


class HashDistributed(Citus):
    """Rows spread over shards: the workers have no state of ours, and generate the tokens."""

    variants = ("citus/hash", "citus")

    def __init__(self, found: Row, state: str, pk_type: str) -> None:
        super().__init__(found, state, pk_type)
        self.how = f"hash-distributed over {found['shards']} shards"

    def make_token(self, new_token: str) -> str:
        """With a function that is given the row's key, because Citus refuses a volatile one."""
        return new_token.replace(RANDOM_UUID, "{rotation_new_token}(target.{pk})")

    def rotate_or_skip(
        self, session: Session, lane_id: int, window: dict[str, str], held_by: str, size: int
    ) -> tuple[int, list[Row]]:
        """All of the window or none of it: Citus has no SKIP LOCKED on shards.

        A large one raises LockConflict, until it has been halved often enough.
        """
        try:
            return _rotate(session, window["lo"], window["hi"]), []
        except LockConflict:
            if size > MOST_LEFT:
                raise
            its = {"lane_id": lane_id, "lo": window["lo"], "hi": window["hi"]}
            return 0, session.rows("leave_window", **its, held_by=held_by)


class Reference(Citus):
    """A copy of every row on every node."""

    variants = ("citus/reference", "citus")
    how = "a reference table"

    def rotate_or_skip(
        self, session: Session, lane_id: int, window: dict[str, str], held_by: str, size: int
    ) -> tuple[int, list[Row]]:
        """All of it: its writers wait for each other, whatever rows they write."""
        return session.change("rotate_window", **window), []


def _on_all_nodes(session: Session, statement: str, **parameters: Any) -> set[str]:
    """What a statement found, with the node's name. Raises ConnectionLost if a node is down."""
    found = set()
    for node in session.rows(statement, **parameters):
        if not node["answered"]:
            raise ConnectionLost(f"node {node['node']} does not answer")
        found |= {f"{one} on {node['node']}" for one in json.loads(node["found"])}
    return found


def _rotate(session: Session, lo: str, hi: str) -> int:
    """Replace the tokens of a range; a conflict undoes nothing else."""
    with translated("going back to a savepoint"), transaction.atomic(using=session.alias):
        return session.change("rotate_window", lo=lo, hi=hi)


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
