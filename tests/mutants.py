"""Deliberate defects: `python -m tests.mutants` applies each to a copy, and says which test caught it.

Those of Citus: `python -m tests.citus_cluster tests.mutants Citus`.

A defect that no test catches means that a promise is not tested; the exit code then is 1.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ENGINE = "app/rotation/engine"
STATE_SQL = "app/rotation/migrations/0002_revocation.py"
MOVED_SQL = "app/rotation/migrations/0003_moved_rows.py"
APART_SQL = "app/rotation/migrations/0007_kept_apart.py"
CITUS = "tests/test_citus.py"


@dataclass(frozen=True)
class Mutant:
    """One defect: in `file`, `old` becomes `new`; some test in `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = [
    Mutant(
        "the checkpoint is not compared with what was read",
        "sql/advance_checkpoint.sql",
        "        AND lane.last_id IS NOT DISTINCT FROM %(last_id)s\n",
        "        AND (true OR lane.last_id IS NOT DISTINCT FROM %(last_id)s)\n",
        "tests/test_state.py",
    ),
    Mutant(
        "the claim does not lock the checkpoint row",
        "sql/claim_lane.sql",
        "    FOR UPDATE SKIP LOCKED\n",
        "",
        "tests/test_many_processes.py",
    ),
    Mutant(
        "the claim waits instead of standing by",
        "sql/claim_lane.sql",
        "FOR UPDATE SKIP LOCKED",
        "FOR UPDATE",
        "tests/test_interruption.py",
    ),
    Mutant(
        "the checkpoint commits apart from its rows",
        f"{ENGINE}/stages.py",
        "        self.advance(work, window.lo, window.hi, rows)\n",
        "        __import__('django').db.connections[self.session.alias].connection.commit()\n"
        "        self.advance(work, window.lo, window.hi, rows)\n",
        "tests/test_interruption.py",
    ),
    Mutant(
        "windows begin one key too late",
        "sql/find_window.sql",
        "{pk} >= %(lower)s::{pk_type}",
        "{pk} > %(lower)s::{pk_type}",
        "tests/test_windows.py",
    ),
    Mutant(
        "a window begins at the checkpoint, not after it",
        "sql/find_window.sql",
        "OR {pk} > %(last_id)s",
        "OR {pk} >= %(last_id)s",
        "tests/test_windows.py tests/test_run.py",
    ),
    Mutant(
        "one token for all rows of a window",
        f"{ENGINE}/target.py",
        'RANDOM_UUID = "pg_catalog.gen_random_uuid()"',
        'RANDOM_UUID = "(SELECT pg_catalog.gen_random_uuid())"',
        "tests/test_run.py",
    ),
    Mutant(
        "NULL tokens are filled",
        "sql/rotate_window.sql",
        "    AND target.{column} IS NOT NULL;",
        ";",
        "tests/test_run.py",
    ),
    Mutant(
        "no lock_timeout: the application may be the deadlock victim",
        "sql/open_window.sql",
        "set_config('lock_timeout', wait.milliseconds || 'ms', true)",
        "set_config('lock_timeout', left(wait.milliseconds::text, 0) || '0', true)",
        "tests/test_locks.py",
    ),
    Mutant(
        "settings outlive the transaction",
        "sql/open_window.sql",
        "'lock_timeout', wait.milliseconds || 'ms', true",
        "'lock_timeout', wait.milliseconds || 'ms', false",
        "tests/test_many_processes.py",
    ),
    Mutant(
        "the server does not look whether its client is alive",
        "sql/open_window.sql",
        "current_setting('client_connection_check_interval', true) IS NOT NULL",
        "current_setting('client_connection_check_interval', true) = 'never'",
        "tests/test_interruption.py",
    ),
    Mutant(
        "the isolation is the role's default",
        "sql/open_window.sql",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
        "tests/test_locks.py tests/test_many_processes.py",
    ),
    Mutant(
        "hidden rows are passed over",
        "sql/open_window.sql",
        "set_config('row_security', 'off', true)",
        "set_config('row_security', 'on', true)",
        "tests/test_refusals.py",
    ),
    Mutant(
        "old statistics choose the plan",
        "sql/prefer_indexes.sql",
        "'enable_seqscan', 'off'",
        "'enable_seqscan', 'on'",
        "tests/test_dry_run.py",
    ),
    Mutant(
        "nobody looks whether the table is still the same",
        f"{ENGINE}/stages.py",
        "        if found and found[0] == self._shape:\n",
        "        if True:\n",
        "tests/test_interruption.py",
    ),
    Mutant(
        "a dry run may write",
        "sql/open_reading.sql",
        "REPEATABLE READ, READ ONLY",
        "REPEATABLE READ",
        "tests/test_dry_run.py",
    ),
    Mutant(
        "after an outage the run gives up",
        f"{ENGINE}/database.py",
        "if now - began > self.outage_seconds:",
        "if now - began >= 0:",
        "tests/test_interruption.py",
    ),
    Mutant(
        "the second signal cancels nothing",
        f"{ENGINE}/stop.py",
        "connection.cancel()",
        "pass",
        "tests/test_interruption.py",
    ),
    Mutant(
        "a closed output ends the run",
        "app/rotation/management/reporter.py",
        "except (OSError, ValueError, AttributeError):  # closed pipe",
        "except ZeroDivisionError:  # closed pipe",
        "tests/test_interruption.py",
    ),
    Mutant(
        "a conflict does not shrink the window",
        f"{ENGINE}/windows.py",
        "self._limit = max(1, self.size // 2)",
        "pass",
        "tests/test_locks.py tests/test_windows.py",
    ),
    Mutant(
        "PostgreSQL's own words are shown",
        f"{ENGINE}/errors.py",
        'f"{doing}: PostgreSQL answered {condition} (SQLSTATE {sqlstate})"',
        "f\"{doing}: {__import__('sys').exc_info()[1]}\"",
        "tests/test_refusals.py",
    ),
    Mutant(
        "a name in the catalog is matched after it was cut to 63 bytes",
        "sql/find_table.sql",
        "relation.relname::text = %(name)s",
        "relation.relname = %(name)s",
        "tests/test_refusals.py",
    ),
    Mutant(
        "a percent sign in a name is a parameter",
        f"{ENGINE}/statements.py",
        '.replace("%", "%%" if takes_parameters else "%")',
        "",
        "tests/test_refusals.py",
    ),
    Mutant(
        "no guard: nothing is revoked",
        MOVED_SQL,
        "            RETURN true;\n",
        "            RETURN false;\n",
        "tests/test_guard.py",
    ),
    Mutant(
        "session_replication_role switches the guard off",
        "app/rotation/triggers.py",
        "            ALTER TABLE {table} ENABLE ALWAYS TRIGGER {pgid};\n",
        "",
        "tests/test_guard.py",
    ),
    Mutant(
        "an INSERT passes the guard",
        "app/rotation/triggers.py",
        "operation = pgtrigger.Insert | pgtrigger.Update",
        "operation = pgtrigger.Update",
        "tests/test_guard.py",
    ),
    Mutant(
        "an old snapshot looks the revoked set up in vain",
        MOVED_SQL,
        "<> 'read committed' AND NOT",
        "= 'none' AND NOT",
        "tests/test_guard.py",
    ),
    Mutant(
        "no barrier",
        f"{ENGINE}/guard.py",
        "    waited_for = look()\n    while",
        "    waited_for = {}\n    while",
        "tests/test_proof.py",
    ),
    Mutant(
        "no barrier after the snapshot",
        f"{ENGINE}/phases.py",
        "            self._barrier()\n            session.emit(Phase(2",
        "            session.emit(Phase(2",
        "tests/test_proof.py",
    ),
    Mutant(
        "lanes are drawn before the barrier",
        f"{ENGINE}/phases.py",
        "            self._barrier()\n            self._session.through_outages",
        "            self._session.through_outages",
        "tests/test_proof.py",
    ),
    Mutant(
        "nobody counts the revoked set",
        f"{ENGINE}/revocation.py",
        "return self.found == self.expected",
        "return True",
        "tests/test_proof.py",
    ),
    Mutant(
        "the snapshot's checkpoint is not compared with what was read",
        "sql/advance_snapshot.sql",
        "    AND lane.snapshot_id IS NOT DISTINCT FROM %(last_id)s\n",
        "    AND (true OR lane.snapshot_id IS NOT DISTINCT FROM %(last_id)s)\n",
        "tests/test_proof.py tests/test_state.py",
    ),
    Mutant(
        "the end is not verified",
        f"{ENGINE}/phases.py",
        "        if options.verify:\n",
        "        if False:\n",
        "tests/test_proof.py",
    ),
    Mutant(
        "a row that moves passes the snapshot by",
        APART_SQL,
        "    WHERE known.revoked IS NULL\n        AND known.status",
        "    WHERE false\n        AND known.status",
        "tests/test_proof.py",
    ),
    Mutant(
        "a row can't move to another partition",
        "app/rotation/triggers.py",
        "                            AND NOT <state>.rotation_is_moving({column}, NEW.{pk}::text)\n",
        "",
        "tests/test_guard.py",
    ),
    Mutant(
        "an upsert with a stale token fails",
        "app/tickets/migrations/0003_guard_of_moved_rows.py",
        "IF key_is_taken IS NOT TRUE THEN",
        "IF true THEN",
        "tests/test_guard.py",
    ),
    Mutant(
        "the row of an upsert may vanish",
        "app/tickets/migrations/0003_guard_of_moved_rows.py",
        " = $1 FOR KEY SHARE",
        " = $1",
        "tests/test_guard.py",
    ),
    Mutant(
        "what a cancelled rotation replaced is forgotten",
        MOVED_SQL,
        " OR known.id < known.latest\n",
        "\n",
        "tests/test_guard.py",
    ),
    Mutant(
        "the verification forgets what a cancelled rotation revoked",
        f"{ENGINE}/phases.py",
        "[rotation, *control.given_up_before(session, rotation)]",
        "[rotation]",
        "tests/test_guard.py",
    ),
    Mutant(
        "a verification cannot be cancelled",
        f"{ENGINE}/control.py",
        "    move(session, rotation, Status.VERIFYING, Status.RUNNING)\n    for",
        "    for",
        "tests/test_state.py",
    ),
    Mutant(
        "a list that came during the verification is passed over",
        f"{ENGINE}/conclusion.py",
        "pk=rotation.pk, status=Status.VERIFYING, leaked=rotation.leaked",
        "pk=rotation.pk, status=Status.VERIFYING",
        "tests/test_proof.py",
    ),
    Mutant(
        "the set has no statistics",
        MOVED_SQL,
        "    EXECUTE 'ANALYZE {state}.rotation_revoked_' || rotation;\n",
        "",
        "tests/test_proof.py",
    ),
    Mutant(
        "a partition's guard may be off",
        "sql/find_guard.sql",
        "pg_catalog.bool_and(part.tgenabled = 'A')",
        "pg_catalog.bool_or(part.tgenabled = 'A')",
        "tests/test_guard.py",
    ),
    Mutant(
        "a foreign transaction number sends writers away",
        MOVED_SQL,
        "        SELECT known.last_value = own.system_identifier\n",
        "        SELECT true OR known.last_value = own.system_identifier\n",
        "tests/test_guard.py",
    ),
    Mutant(
        "no canary",
        f"{ENGINE}/canary.py",
        "    while not session.stop.requested:\n",
        "    while False:\n",
        "tests/test_proof.py",
    ),
    Mutant(
        "the canary counts rows and compares no values",
        f"{ENGINE}/canary.py",
        "    if unchanged or done.rows != tokens:\n",
        "    if done.rows != tokens:\n",
        "tests/test_proof.py",
    ),
    Mutant(
        "holes are forgotten",
        "sql/skip_locked.sql",
        "    AND NOT EXISTS (SELECT FROM free WHERE free.key = target.{pk})\n",
        "    AND false\n",
        "tests/test_locks.py",
    ),
    Mutant(
        "a list of leaked tokens is not added",
        "sql/add_leaked.sql",
        "FROM listed\nWHERE NOT EXISTS",
        "FROM listed\nWHERE false AND NOT EXISTS",
        "tests/test_proof.py",
    ),
    Mutant(
        "text tokens are compared as they are spelled",
        STATE_SQL,
        "pg_catalog.translate(pg_catalog.lower(token COLLATE \"C\"), '-', '')",
        "pg_catalog.translate(token, '', '')",
        "tests/test_preflight.py",
    ),
    Mutant(
        "a lane's end does not wait for the disk",
        f"{ENGINE}/stages.py",
        '        if window.hi == lane["upper"]:\n',
        "        if False:\n",
        "tests/test_lanes.py",
    ),
    Mutant(
        "what ends one worker is passed over",
        f"{ENGINE}/crew.py",
        "                raise hand.failure\n",
        "            while False:\n",
        "tests/test_lanes.py tests/test_throttle.py tests/test_locks.py",
    ),
    Mutant(
        "a probe that fails lets windows go",
        f"{ENGINE}/probes.py",
        'yield f"{what} could not be measured ({error})"',
        "return",
        "tests/test_throttle.py",
    ),
    Mutant(
        "a standby's lag is not asked for",
        f"{ENGINE}/probes.py",
        "if options.max_lag is not None and seconds > options.max_lag:",
        "if options.max_lag is not None and seconds > 10**9:",
        "tests/test_throttle.py",
    ),
    Mutant(
        "a lost standby is passed over",
        f"{ENGINE}/probes.py",
        "            if name not in connected:\n",
        "            if name in connected:\n",
        "tests/test_throttle.py",
    ),
    Mutant(
        "retained WAL is not asked for",
        f"{ENGINE}/probes.py",
        'row["bytes"] > options.max_wal:',
        'row["bytes"] > 10**18:',
        "tests/test_throttle.py",
    ),
    Mutant(
        "a critical limit ends nothing",
        f"{ENGINE}/watch.py",
        '                self._throttle.learn("", 1.0, critical)\n',
        "                self._throttle.learn(str(critical), 1.0)\n",
        "tests/test_throttle.py",
    ),
    Mutant(
        "each process takes the whole rate for itself",
        f"{ENGINE}/watch.py",
        "share = len(ours) / len(everybody) if ours else 1.0",
        "share = 1.0",
        "tests/test_throttle.py",
    ),
    Mutant(
        "the end does not wait for the standbys",
        f"{ENGINE}/replicas.py",
        "< goal]\n",
        "< 0]\n",
        "tests/test_throttle.py",
    ),
    Mutant(
        "workers do not notice a pause",
        f"{ENGINE}/worker.py",
        '            if lane["status"] in PAUSED:\n',
        '            if lane["status"] in ():\n',
        "tests/test_steering.py",
    ),
    Mutant(
        "nobody learns what was tuned",
        f"{ENGINE}/options.py",
        "        if tuned == self._tuned:\n",
        "        if True:\n",
        "tests/test_steering.py",
    ),
    Mutant(
        "every process vacuums whenever it looks",
        "sql/claim_vacuum.sql",
        ">= %(percent)s * rotation.rows_total",
        ">= 0 * %(percent)s * rotation.rows_total",
        "tests/test_vacuum.py",
    ),
    Mutant(
        "who keeps vacuum from helping is not named",
        f"{ENGINE}/vacuum.py",
        "        if self._mark is not None:\n",
        "        if self._mark == '':\n",
        "tests/test_vacuum.py",
    ),
    Mutant(
        "a vacuum under way outlives the run",
        f"{ENGINE}/vacuum.py",
        "                self._session.stop.request(self._whole.reason)\n",
        "            while False:\n",
        "tests/test_vacuum.py",
    ),
    Mutant(
        "an index that is rebuilt already is rebuilt again",
        f"{ENGINE}/rebuild.py",
        'if index["rebuilt"] or index["exclusion"]:',
        'if index["exclusion"]:',
        "tests/test_rebuild.py",
    ),
    Mutant(
        "what a broken-off rebuild left stays INVALID",
        f"{ENGINE}/rebuild.py",
        "        _run(session, target, index, _drop)\n",
        "        pass\n",
        "tests/test_rebuild.py",
    ),
    Mutant(
        "somebody else's INVALID index is dropped",
        "sql/list_rebuilds.sql",
        " OR relation.relname ~ '_cc(new|old)[0-9]*$')",
        " OR relation.relname ~ '')",
        "tests/test_rebuild.py",
    ),
    Mutant(
        "an index under a constraint is not rebuilt",
        "sql/list_rebuilds.sql",
        "(column_.attnum = ANY(index_.indkey::int2[]) OR used.objid IS NOT NULL)",
        "(used.objid IS NOT NULL)",
        "tests/test_rebuild.py",
    ),
    Mutant(
        "another server's disk is taken for ours",
        f"{ENGINE}/disk.py",
        "if apart > START_SECONDS or",
        "if apart < 0 or",
        "tests/test_disk.py",
    ),
    Mutant(
        "a disk that fills up holds nothing back",
        f"{ENGINE}/probes.py",
        "if found and found[0] < options.min_free:",
        "if found and found[0] < 0:",
        "tests/test_disk.py",
    ),
    Mutant(
        "a list is read on after an outage, not anew",
        f"{ENGINE}/leaked.py",
        "                self.stream.seek(0)\n",
        "            while False:\n",
        "tests/test_proof.py",
    ),
    Mutant(
        "the server's words are taken for Django's",
        f"{ENGINE}/database.py",
        "isinstance(error, NotSupportedError) and error.__cause__ is None:",
        "isinstance(error, NotSupportedError):",
        "tests/test_secrets.py",
    ),
    Mutant(
        "a watch without a connection lets windows go",
        f"{ENGINE}/watch.py",
        "        if isinstance(event, OutageBegan):\n",
        "        if False:\n",
        "tests/test_throttle.py",
    ),
    Mutant(
        "a standby that comes late counts as soon as it is there",
        f"{ENGINE}/replicas.py",
        '        goal = goal or max((row["written"] for row in now), default=0)\n',
        "",
        "tests/test_throttle.py",
    ),
    Mutant(
        "the end of a run waits for its vacuum",
        f"{ENGINE}/phases.py",
        '            vacuum.cancel("the end of the run")\n',
        "",
        "tests/test_vacuum.py",
    ),
    Mutant(
        "a trigger that calls a function is harmless",
        "sql/list_triggers.sql",
        "            'to_tsvector', 'setweight'\n",
        "            'to_tsvector', 'setweight', 'keep', 'to_jsonb', '\"keep it\"'\n",
        "tests/test_preflight.py",
    ),
    Mutant(
        "default privileges give the set away",
        APART_SQL,
        "        PERFORM {state}.rotation_keep_to_owner(part::regclass);\n",
        "",
        "tests/test_guard.py",
    ),
    Mutant(
        "a row's second guarded column is refused when it moves",
        APART_SQL,
        "            coalesce(current_setting('rotation.moving', true), '')\n            || ",
        "            ",
        "tests/test_guard.py",
    ),
    Mutant(
        "two processes rebuild the same index",
        "sql/claim_rebuild.sql",
        "pg_try_advisory_xact_lock(",
        "pg_try_advisory_xact_lock_shared(",
        "tests/test_rebuild.py",
    ),
    Mutant(
        "a process that freezes holds the rotation for ever",
        "sql/make_durable.sql",
        "'idle_in_transaction_session_timeout', '5s'",
        "'idle_in_transaction_session_timeout', '0'",
        "tests/test_many_processes.py",
    ),
    Mutant(
        "a process that freezes holds the table for ever",
        "sql/open_install.sql",
        "'idle_in_transaction_session_timeout', '5s'",
        "'idle_in_transaction_session_timeout', '0'",
        "tests/test_many_processes.py",
    ),
    Mutant(
        "a window reaches into several partitions",
        f"{ENGINE}/lanes.py",
        "    cuts = by_partition\n",
        "    cuts: list[str] = []\n",
        "tests/test_lanes.py",
    ),
    Mutant(
        "one database that is refused lets the others begin",
        "app/rotation/management/side_by_side.py",
        "            require_fit(alias, asked, stop)\n",
        "            pass\n",
        "tests/test_side_by_side.py",
    ),
    Mutant(
        "functions are left behind",
        "app/rotation/migrations/0001_initial.py",
        "        EXECUTE 'DROP FUNCTION ' || unused;\n",
        "        NULL;\n",
        "tests/test_guard.py",
    ),
    Mutant(
        "who steered can be altered",
        "app/rotation/migrations/0008_evidence.py",
        "AND OLD.steered IS DISTINCT FROM NEW.steered - (-1))",
        "AND false)",
        "tests/test_state.py tests/test_web.py",
    ),
    Mutant(
        "a health check needs a host's name",
        "app/middleware.py",
        '        if request.path_info == "/healthz":\n',
        "        if False:\n",
        "tests/test_web.py",
    ),
    Mutant(
        "tuning from the page takes back what another has tuned",
        "app/rotation/web/pages.py",
        """shown = asked.get(f"shown_{one['name']}", one["now"])""",
        """shown = one["now"]""",
        "tests/test_web.py",
    ),
    Mutant(
        "a process that freezes holds its claim to rebuild for ever",
        "sql/claim_rebuild.sql",
        "'idle_in_transaction_session_timeout', '5s'",
        "'idle_in_transaction_session_timeout', '0'",
        "tests/test_rebuild.py",
    ),
    Mutant(
        "Citus: one token for all rows of a shard",
        f"{ENGINE}/citus.py",
        '"{rotation_new_token}(target.{pk})"',
        '"{rotation_new_token}(1)"',
        CITUS,
    ),
    Mutant(
        "Citus: each copy of a reference table makes its own tokens",
        f"{ENGINE}/citus.py",
        "    if kind == HASH:\n        made",
        "    names.pop('rotate_window', None)\n    if kind:\n        made",
        CITUS,
    ),
    Mutant(
        "Citus: a window in one shard commits in one phase",
        "sql/open_window_citus.sql",
        "DELETE FROM {rotation_two_phase};\n",
        "",
        CITUS,
    ),
    Mutant(
        "Citus: prepared transactions are left at the end",
        f"{ENGINE}/citus.py",
        '    pending = _on_all_nodes(session, "list_prepared_citus")\n',
        "    pending = set()\n",
        CITUS,
    ),
    Mutant(
        "Citus: prepared transactions of others are left at the barrier",
        f"{ENGINE}/citus.py",
        '    if any(", prepared on " in one for one in found):\n',
        "    if False:\n",
        CITUS,
    ),
    Mutant(
        "Citus: lock_timeout does not reach the workers",
        "sql/set_on_workers.sql",
        "SET LOCAL citus.propagate_set_commands TO 'local';\n",
        "",
        CITUS,
    ),
    Mutant(
        "Citus: two processes prepare the cluster at once",
        f"{ENGINE}/citus.py",
        '        session.rows("claim_preparation")\n',
        "",
        CITUS,
    ),
    Mutant(
        "Citus: several copies of a shard are accepted",
        f"{ENGINE}/citus.py",
        'found["copies"] > 1',
        'found["copies"] > 2',
        CITUS,
    ),
    Mutant(
        "Citus: a worker node is taken for the coordinator",
        "sql/is_coordinator.sql",
        "groupid = 0",
        "true",
        CITUS,
    ),
    Mutant(
        "Citus: a survivor on a shard is not found",
        "sql/count_survivors_citus.sql",
        "AND revoked.hash = present.hash",
        "AND false",
        CITUS,
    ),
    Mutant(
        "a sign of life from the future counts",
        "sql/look_at_lanes.sql",
        "        AND lane.updated_at BETWEEN pg_catalog.clock_timestamp() - interval '2 seconds'\n"
        "            AND pg_catalog.clock_timestamp()\n",
        "        AND lane.updated_at > pg_catalog.clock_timestamp() - interval '2 seconds'\n",
        "tests/test_run.py",
    ),
]


def main() -> None:
    """Apply every mutant, or those whose names hold the words given."""
    chosen = [one for one in MUTANTS if all(word in one.name for word in sys.argv[1:])]
    survived = 0
    for mutant in chosen:
        skipped = mutant.tests == CITUS and not os.environ.get("ROTATION_CITUS_URL")
        caught = "not run: ROTATION_CITUS_URL is not set" if skipped else run(mutant)
        survived += not caught
        sys.stdout.write(f"{mutant.name:<64} {caught or 'SURVIVED'}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(chosen)} mutants, {survived} survived\n")
    sys.exit(bool(survived))


def run(mutant: Mutant) -> str:
    """Return the name of the first test that failed with the defect, or nothing."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "project"
        ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".pgdata", ".*_cache")
        shutil.copytree(PROJECT, copy, ignore=ignored)
        file = copy / mutant.file
        text = file.read_text()
        if text.count(mutant.old) != 1:
            sys.exit(f"{mutant.name}: {mutant.file} does not hold its text exactly once")
        file.write_text(text.replace(mutant.old, mutant.new))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "--timeout=60", *mutant.tests.split()],
            cwd=copy, capture_output=True, text=True,
        )  # fmt: skip
        failed = re.search(r"^FAILED \S+?::(.+?)(?: - |$)", done.stdout, re.MULTILINE)
        if done.returncode == 1 and failed:
            return failed[1]
        if done.returncode:
            sys.exit(f"{mutant.name}: pytest ended with {done.returncode}: {done.stderr[-500:]}")
        return ""


if __name__ == "__main__":
    main()
