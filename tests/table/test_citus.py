"""Tables that Citus distributes: `python -m tests.citus_cluster pytest tests/table/test_citus.py`.

ROTATION_CITUS_URL names a database on the coordinator; the role may create databases on every node.
"""

import re
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.citus_cluster import execute
from tests.conftest import kill, until
from tests.table.citus import DISTRIBUTE, DROP_GUARD, ROWS, URL, Cluster
from tests.work.gates import RUN, gate, waiting_at_gate

pytestmark = pytest.mark.skipif(not URL, reason="ROTATION_CITUS_URL is not set")
ROTATE = ("rotate_tokens_sql", "--no-guard", "--no-wait-replicas", "--progress", "none")
KILLED = (*RUN, "--no-guard", "--no-wait-replicas")


@pytest.mark.parametrize("kind", DISTRIBUTE)
def test_rotated_and_verified(citus: Cluster, kind: str) -> None:
    citus.distribute(kind)
    done = citus.run(*ROTATE, "--window", "100")
    assert done.code == 0, done.lines
    citus.rotated()
    verified = citus.run("rotation", "verify")
    assert verified.code == 0, verified.lines
    assert "0 of 1000 revoked tokens survive" in verified.out
    again = citus.run(*ROTATE)
    assert again.code == 0
    citus.rotated()


@pytest.mark.parametrize("kind", DISTRIBUTE)
def test_dry_run_writes_nothing(citus: Cluster, kind: str) -> None:
    citus.distribute(kind)
    first = citus.run("rotate_tokens_sql", "--no-guard", "--dry-run", "--window", "100")
    assert first.code == 0, first.lines
    assert "found by" not in first.out  # what the statement calls is not there yet
    assert not citus.sql("SELECT 1 FROM pg_proc WHERE proname = 'rotation_new_token'")
    assert citus.run(*ROTATE).code == 0
    then = citus.run("rotate_tokens_sql", "--no-guard", "--dry-run", "--new", "--window", "100")
    assert then.code == 0, then.lines
    assert "using ticket_pkey" in then.out
    citus.rotated()


def test_text_tokens_by_uuid_keys_in_lanes(citus: Cluster) -> None:
    citus.sql(
        "CREATE TABLE note (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), token varchar(36))",
    )
    citus.sql("SELECT create_distributed_table('note', 'id', shard_count := 4)")
    citus.sql(
        "INSERT INTO note (token) SELECT CASE n % 3 WHEN 0 THEN upper(token) WHEN 1 THEN token"
        " ELSE replace(token, '-', '') END"
        " FROM (SELECT n, gen_random_uuid()::text AS token FROM generate_series(1, 600) AS n) AS made"
    )
    citus.sql("INSERT INTO note (token) VALUES (NULL)")
    kinds = (
        "SELECT count(*) FILTER (WHERE token LIKE '%-%'), count(*) FILTER (WHERE token = lower(token)),"
        " count(*) FILTER (WHERE token IS NULL) FROM note"
    )
    before, were = citus.sql(kinds), citus.sql("SELECT token FROM note WHERE token IS NOT NULL")
    done = citus.run(*ROTATE, "--table", "note", "--lanes", "3", "--workers", "2", "--window", "50")
    assert done.code == 0, done.lines
    assert citus.sql(kinds) == before
    tokens = {token for (token,) in citus.sql("SELECT token FROM note WHERE token IS NOT NULL")}
    assert len(tokens) == 600
    assert not tokens & {token for (token,) in were}
    assert citus.value("SELECT count(*) FROM batchprogress") == 3


@pytest.mark.parametrize("kind", DISTRIBUTE)
def test_killed_and_resumed(citus: Cluster, kind: str) -> None:
    citus.distribute(kind, 250)
    with gate(citus, "batchprogress", "BEFORE UPDATE", passes="NEW.rows < 200"):
        child = citus.start(*KILLED)
        until(lambda: waiting_at_gate(citus))
        kill(child)
        until(lambda: not waiting_at_gate(citus), 5)
    reached = citus.agree()
    assert reached == 100
    rotated = citus.tokens(f"id <= {reached}")
    done = citus.run(*KILLED)
    assert done.code == 0, done.lines
    citus.rotated(250)
    assert citus.tokens(f"id <= {reached}") == rotated


def test_two_processes_of_two_workers(citus: Cluster) -> None:
    citus.distribute("hash", 4000)
    flags = (*ROTATE, "--lanes", "6", "--workers", "2", "--window", "50")
    children = [citus.start(*flags), citus.start(*flags)]
    for child in children:
        out = child.communicate(timeout=120)[0]
        assert child.returncode == 0, out
    citus.rotated(4000)
    assert citus.value("SELECT count(DISTINCT worker) FROM rotation_window") > 1


def test_cluster_is_prepared_once(citus: Cluster) -> None:
    citus.distribute("hash")
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with closing(citus.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('rotation_prepare_citus'))")
        children = [citus.start(*ROTATE) for _ in range(2)]
        until(lambda: citus.value(waiting) == 2)
        holder.rollback()
    for child in children:
        out = child.communicate(timeout=60)[0]
        assert child.returncode == 0, out
    citus.rotated()


def test_workers_do_not_wait_for_one_another(citus: Cluster) -> None:
    citus.distribute("hash", 2000)
    others = (
        "SELECT sum(windows) FROM batchprogress WHERE lane <> 1"  # of ten windows each, in three lanes
    )
    with gate(
        citus, "batchprogress", "BEFORE UPDATE", passes="NEW.lane <> 1 OR NEW.windows = OLD.windows"
    ):
        child = citus.start(*ROTATE, "--lanes", "4", "--workers", "2", "--window", "50")
        until(lambda: waiting_at_gate(citus))
        until(lambda: (citus.value(others) or 0) > 25)
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    citus.rotated(2000)


def test_locked_row_becomes_a_hole(citus: Cluster) -> None:
    citus.distribute("hash")
    with closing(citus.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("UPDATE ticket SET title = 'held' WHERE id = 500")
        began = time.monotonic()
        # The barrier waits for the holder, unless the rotation is past it.
        stopped = citus.run(*ROTATE, "--lock-patience", "1")
        assert stopped.code == 3
        assert " on 127.0.0.1:" in stopped.lines[-1]
        holder.rollback()
        with gate(citus, "batchprogress", "BEFORE UPDATE", passes="NEW.rows < 200"):
            child = citus.start(*ROTATE, "--window", "100", "--lock-patience", "6")
            until(lambda: waiting_at_gate(citus))
            cursor.execute("UPDATE ticket SET title = 'held' WHERE id = 500")
        out = child.communicate(timeout=60)[0]
        assert child.returncode == 4, out
        assert "stayed locked" in out
        assert time.monotonic() - began < 40
        holder.commit()  # it was nobody's victim
    left = citus.value("SELECT count(*) FROM rotation_leftover WHERE rotated_at IS NULL")
    assert left >= 1
    done = citus.run(*ROTATE)
    assert done.code == 0, done.lines
    citus.rotated()
    assert citus.value("SELECT title FROM ticket WHERE id = 500") == "held"


def test_locked_reference_table_is_waited_for(citus: Cluster) -> None:
    citus.distribute("reference")
    with closing(citus.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        slow = ("--window", "50", "--max-rate", "100", "--lock-patience", "3")
        child = citus.start(*ROTATE, *slow)
        until(lambda: citus.value("SELECT max(rows) FROM batchprogress"))
        cursor.execute("UPDATE ticket SET title = 'held' WHERE id = 1000")
        out = child.communicate(timeout=60)[0]
        assert child.returncode == 3, out
        assert "no window got its locks for 3 s" in out
        holder.commit()
    done = citus.run(*ROTATE)
    assert done.code == 0, done.lines
    citus.rotated()


@pytest.mark.parametrize(
    ("kind", "crashed"), [("hash", "worker"), ("hash", "coordinator"), ("one shard", "worker")]
)
def test_lost_second_phase_is_recovered_before_the_end(citus: Cluster, kind: str, crashed: str) -> None:
    """A node crashes when a window is committed on the coordinator and only prepared on the workers."""
    citus.distribute(kind)
    with gate(citus, "batchprogress", "BEFORE UPDATE", passes="NEW.rows < 500"):
        child = citus.start(*KILLED)
        until(lambda: waiting_at_gate(citus))
        # A COMMIT waits for this standby after it has happened here, before it goes to the workers.
        citus.sql("ALTER SYSTEM SET synchronous_standby_names = 'nosuch'")
        citus.sql("SELECT pg_reload_conf()")
        time.sleep(0.5)
    try:
        node = until(citus.preparing)[0]
        if crashed == "coordinator":
            node = citus.nodes[0]
        with pytest.raises(psycopg2.OperationalError):
            execute(node, "COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'")
        until(lambda: answers(node))
        left = citus.preparing()
    finally:
        citus.sql("ALTER SYSTEM RESET synchronous_standby_names")
        citus.sql("SELECT pg_reload_conf()")
    out = child.communicate(timeout=90)[0]
    assert left
    assert child.returncode == 0, out
    citus.rotated()


def answers(address: dict[str, Any]) -> bool:
    """Whether a node is through its recovery."""
    try:
        return bool(execute(address, "SELECT true"))
    except psycopg2.OperationalError:
        return False


def test_prepared_by_others_is_recovered_at_the_barrier(citus: Cluster) -> None:
    citus.distribute("hash")
    shard = citus.value(
        "SELECT shardid FROM pg_dist_shard WHERE logicalrelid = 'ticket'::regclass LIMIT 1"
    )
    owner = next(
        worker
        for worker in citus.workers
        if execute(worker, "SELECT to_regclass(%s)", f"ticket_{shard}")[0][0]
    )
    with closing(psycopg2.connect(**owner)) as connection, connection.cursor() as cursor:
        cursor.execute("SET citus.enable_manual_changes_to_shards TO on")
        cursor.execute(f"UPDATE ticket_{shard} SET title = 'prepared'")
        changed = cursor.rowcount
        cursor.execute("PREPARE TRANSACTION 'citus_0_999999_1_1'")
    citus.sql(
        "INSERT INTO pg_dist_transaction (groupid, gid)"
        " SELECT groupid, 'citus_0_999999_1_1' FROM pg_dist_node WHERE nodeport = %s",
        owner["port"],
    )
    done = citus.run(*ROTATE)
    assert done.code == 0, done.lines
    citus.rotated()
    assert citus.value("SELECT count(*) FROM ticket WHERE title = 'prepared'") == changed


def test_survivors_are_found_and_repaired(citus: Cluster) -> None:
    citus.distribute("hash")
    assert citus.run(*ROTATE).code == 0
    for key in (7, 900):
        old = citus.value("SELECT token FROM before WHERE id = %s", str(key))
        citus.sql("UPDATE ticket SET token = %s WHERE id = %s", old, key)
    found = citus.run("rotation", "verify")
    assert found.code == 4
    assert "2 of 1000 revoked tokens survive" in found.err
    assert "7, 900" in found.err
    done = citus.run(*ROTATE)
    assert done.code == 0, done.lines
    tokens = citus.tokens()
    assert len(set(tokens.values())) == ROWS
    assert citus.unchanged() == 0


def test_listed_tokens(citus: Cluster, tmp_path: Path) -> None:
    citus.distribute("hash")
    leaked = tmp_path / "leaked.txt"
    leaked.write_text("\n".join(citus.tokens("id <= 10").values()))
    assert citus.run(*ROTATE, "--leaked", str(leaked)).code == 0
    verified = citus.run("rotation", "verify", "--leaked", str(leaked))
    assert verified.code == 0, verified.lines
    old = citus.value("SELECT token FROM before WHERE id = '3'")
    citus.sql("UPDATE ticket SET token = %s WHERE id = 3", old)
    assert (
        "1 row of public.ticket.token holds one of 10"
        in citus.run("rotation", "verify", "--leaked", str(leaked)).err
    )


MAKER = (
    "CREATE OR REPLACE FUNCTION rotation_new_token(key anyelement) RETURNS uuid LANGUAGE sql IMMUTABLE"
    " AS $$ SELECT CASE WHEN key::text::bigint > {} THEN md5('x')::uuid ELSE gen_random_uuid() END $$"
)


@pytest.mark.parametrize(("after", "code"), [(0, 1), (990, 4)])
def test_equal_tokens_are_noticed(citus: Cluster, after: int, code: int) -> None:
    """By the canary, or at the end."""
    citus.distribute("hash")
    assert citus.run(*ROTATE).code == 0
    citus.sql(MAKER.format(after))
    done = citus.run(*ROTATE, "--new", "--window", "100")
    assert done.code == code, done.lines
    assert ("got only 1 different tokens" if code == 1 else "held by more than one row") in done.err


def refused(citus: Cluster, *flags: str) -> str:
    done = citus.run(*(flags or ROTATE))
    assert done.code == 1, done.lines
    assert not citus.sql("SELECT 1 FROM rotation")
    return done.lines[-1]


def test_refusals(citus: Cluster) -> None:
    citus.distribute("hash", 10)
    assert "no guard is possible on public.ticket" in refused(citus, "rotate_tokens_sql")
    assert "--reindex" in refused(citus, *ROTATE, "--reindex")
    citus.sql("CREATE TABLE note (id bigint PRIMARY KEY, token uuid)")
    citus.sql("SELECT citus_add_local_table_to_metadata('note')")
    assert "neither hash-distributed nor a reference" in refused(citus, *ROTATE, "--table", "note")


@pytest.mark.parametrize(
    "flags",
    [
        ("--expression", "gen_random_uuid()"),
        ("--also", "title='x'"),
        ("--where", "id > 0"),
        ("--walk", "id"),
        ("--local-tokens",),
    ],
    ids=lambda flags: flags[0],
)
def test_refuses_what_was_not_tried(citus: Cluster, flags: tuple[str, ...]) -> None:
    citus.distribute("hash", 10)
    assert f"{flags[0]} is not for public.ticket, which Citus distributes" in refused(
        citus, *ROTATE, *flags
    )


def test_refuses_several_copies_of_a_shard(citus: Cluster) -> None:
    citus.sql(DROP_GUARD)
    citus.sql("ALTER TABLE ticket DROP CONSTRAINT ticket_token_key")
    citus.sql("SET citus.shard_replication_factor = 2; SELECT create_distributed_table('ticket', 'id')")
    assert "each shard of public.ticket has 2 copies" in refused(citus)


def test_guarded_table_can_not_be_distributed(citus: Cluster) -> None:
    """The workers have no revoked set that a guard could look into."""
    citus.sql("ALTER TABLE ticket DROP CONSTRAINT ticket_token_key")
    with pytest.raises(psycopg2.errors.UndefinedTable, match="rotation_revoked"):
        citus.sql("SET citus.enable_unsafe_triggers TO on;" + DISTRIBUTE["hash"])


def test_refuses_an_unknown_coordinator(citus: Cluster) -> None:
    citus.sql("SELECT citus_remove_node(nodename, nodeport) FROM pg_dist_node WHERE groupid = 0")
    citus.sql(DROP_GUARD)
    citus.sql("ALTER TABLE ticket DROP CONSTRAINT ticket_token_key")
    citus.sql(DISTRIBUTE["hash"])
    assert "don't know their coordinator" in refused(citus)


def test_refuses_a_worker_node(citus: Cluster) -> None:
    citus.distribute("hash", 10)
    worker = citus.workers[0]
    there = f"postgres://{worker['user']}@{worker['host']}:{worker['port']}/{citus.name}"
    for command in (ROTATE, ("rotate_tokens_sql", "--dry-run"), ("rotation", "status")):
        done = citus.run(*command, env=citus.environment(DATABASE_URL=there))
        assert done.code == 1, done.lines
        assert "a worker node of Citus: point the command at the coordinator" in done.lines[-1]


def test_removing_the_state_leaves_nothing_behind(citus: Cluster) -> None:
    # Not a model's table with its guard: Citus refuses the migrations of triggers, too.
    citus.sql("CREATE TABLE note (id bigint PRIMARY KEY, token uuid)")
    citus.sql("SELECT create_distributed_table('note', 'id', shard_count := 4)")
    citus.sql("INSERT INTO note SELECT n, gen_random_uuid() FROM generate_series(1, 10) AS n")
    assert citus.run(*ROTATE, "--table", "note").code == 0
    removed = citus.run("migrate", "rotation", "zero", "-v", "0")
    assert removed.code == 0, removed.lines
    for node in citus.nodes:
        assert execute(node, "SELECT relname FROM pg_class WHERE relname ~ 'rotation'") == []
        assert execute(node, "SELECT proname FROM pg_proc WHERE proname ~ 'rotation'") == []


def test_a_plain_table_beside_is_rotated_with_its_guard(citus: Cluster) -> None:
    citus.insert("SELECT generate_series(1, %s)", 100)
    citus.remember("ticket", "id")
    done = citus.run("rotate_tokens_sql")
    assert done.code == 0, done.lines
    citus.rotated(100)
    assert citus.value("SELECT to_regclass('rotation_two_phase') IS NULL")


@pytest.mark.parametrize("kind", DISTRIBUTE)
def test_tokens_of_a_format(citus: Cluster, kind: str) -> None:
    citus.sql("CREATE TABLE note (id bigint PRIMARY KEY, token varchar(48))")
    citus.sql(DISTRIBUTE[kind].replace("ticket", "note"))
    citus.sql("INSERT INTO note SELECT n, 'sk_' || left(encode(sha256(n::text::bytea), 'hex'), 45)"
              " FROM generate_series(1, 500) AS n")  # fmt: skip
    citus.remember("note", "id")
    done = citus.run(*ROTATE, "--table", "note", "--format", "sk_{base62:45}", "--window", "100")
    assert done.code == 0, done.lines
    tokens = [token for (token,) in citus.sql("SELECT token FROM note")]
    assert len(tokens) == len(set(tokens)) == 500
    assert all(re.fullmatch("sk_[0-9A-Za-z]{45}", token) for token in tokens)
    assert citus.run("rotation", "verify").code == 0
    keys = citus.run("rotation", "keys")
    assert keys.code == 0, keys.lines
    assert sorted(map(int, keys.out.split()[1:])) == list(range(1, 501))
