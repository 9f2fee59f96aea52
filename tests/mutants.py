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
GUARD = "sql/schema/guard.sql"
SET = "sql/schema/revoked_set.sql"
INITIAL = "app/rotation/migrations/0001_initial.py"
ATTACKS = "tests/test_attacks.py"
CITUS = "tests/test_citus.py"
COPIES = "tests/test_copies.py"
INDEXES = "tests/test_indexes.py"


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
        "nobody counts the revoked set",
        f"{ENGINE}/revocation.py",
        "return self.found == self.expected",
        "return True",
        "tests/test_proof.py",
    ),
    Mutant(
        "the end is not verified",
        f"{ENGINE}/phases.py",
        "        if options.verify:\n",
        "        if False:\n",
        "tests/test_proof.py",
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
        "                pass\n",
        "tests/test_leaked.py",
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
        "two processes rebuild the same index",
        "sql/claim_rebuild.sql",
        "{rotation_claim}(%(rotation)s::bigint) AS alone,",
        "true AS alone,",
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
        "who steered can be altered",
        INITIAL,
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
        "a row as a whole holds no token",
        "sql/list_triggers.sql",
        "    OR code.plain ~* '\\m(old|new)\\M'\n",
        "",
        f"{COPIES}::test_trigger_that_keeps_whole_rows_is_suspect",
    ),
    Mutant(
        "a row that a trigger reads again holds no token",
        "sql/list_triggers.sql",
        "'\\m(select|from|table)\\M'",
        "'\\m(table)\\M'",
        f"{COPIES}::test_trigger_that_keeps_whole_rows_is_suspect",
    ),
    Mutant(
        "a comment hides what a trigger calls",
        "sql/list_triggers.sql",
        "regexp_matches(code.called,",
        "regexp_matches(function.prosrc,",
        f"{COPIES}::test_trigger_that_keeps_whole_rows_is_suspect",
    ),
    Mutant(
        "a text with hyphens hides what follows it",
        "sql/list_triggers.sql",
        "|''([^'']|'''')*''|",
        "|",
        f"{COPIES}::test_trigger_that_keeps_whole_rows_is_suspect",
    ),
    Mutant(
        "a comment makes a trigger suspect",
        "sql/list_triggers.sql",
        "|-{{2}}[^\\n\\r]*|",
        "|",
        f"{COPIES}::test_trigger_that_keeps_nothing_is_slower_only",
    ),
    Mutant(
        "a token next to other digits is not found",
        "sql/search_copies.sql",
        "pg_catalog.length(digits.bytes) - 31)",
        "1)",
        f"{COPIES}::test_copy_is_found_by_value",
    ),
    Mutant(
        "a row with several tokens counts several times",
        "sql/search_copies.sql",
        "count(DISTINCT hashed.row)",
        "count(hashed.row)",
        f"{COPIES}::test_copy_is_found_by_value",
    ),
    Mutant(
        "a long row of digits is cut up once for each of them",
        "sql/search_copies.sql",
        "            OFFSET 0\n        ) AS digits",
        "        ) AS digits",
        f"{COPIES}::test_no_false_alarm",
    ),
    Mutant(
        "copies in capitals are not found",
        "sql/search_copies.sql",
        "'[0-9a-f-]{{32,}}', 'gi'",
        "'[0-9a-f-]{{32,}}', 'g'",
        f"{COPIES}::test_copy_is_found_by_value",
    ),
    Mutant(
        "an index stands for the table that is searched",
        f"{ENGINE}/copies.py",
        '        its.rows("read_heap")\n',
        "",
        f"{COPIES}::test_copies_are_searched_for_in_the_table_itself",
    ),
    Mutant(
        "what was not searched is not named",
        f"{ENGINE}/copies.py",
        "        done.skipped += _obstacles(holder)\n",
        "        _obstacles(holder)\n",
        f"{COPIES}::test_what_this_role_may_not_read_is_named",
    ),
    Mutant(
        "a table that is locked ends the search",
        f"{ENGINE}/copies.py",
        "except (LockConflict, DatabaseFailure) as error",
        "except DatabaseFailure as error",
        f"{COPIES}::test_table_that_fails_is_named_and_the_others_are_searched",
    ),
    Mutant(
        "a table is searched with its children",
        f"{ENGINE}/holders.py",
        '"ONLY {copied_table}" if',
        '"{copied_table}" if',
        f"{COPIES}::test_copy_is_found_by_value",
    ),
    Mutant(
        "a sample scans large tables",
        f"{ENGINE}/sampling.py",
        "token.indexed or home.pages <= SMALL_PAGES",
        "True or home.pages <= SMALL_PAGES",
        f"{COPIES}::test_sample_of_large_tables_uses_an_index",
    ),
    Mutant(
        "a sample waits for a locked table",
        f"{ENGINE}/sampling.py",
        'with its.reading(statement_timeout=f"{TABLE_SECONDS:.0f}s"):',
        "with its.reading():",
        f"{COPIES}::test_sample_takes_little_time",
    ),
    Mutant(
        "a foreign key to the token is warned of twice",
        f"{ENGINE}/sampling.py",
        "one.is_token or one.refers or one.obstacle",
        "one.is_token or one.obstacle",
        f"{COPIES}::test_columns_that_share_nothing_with_the_token",
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
        "a quote that does not end on its line is passed over",
        f"{ENGINE}/token_list.py",
        "delimiter=delimiter, strict=True))",
        "delimiter=delimiter, strict=False))",
        "tests/test_leaked.py",
    ),
    Mutant(
        "any first line of a list is taken for a header",
        f"{ENGINE}/token_list.py",
        "tokens[:1] or _named_columns(number, fields, column)\n",
        "tokens[:1] or _named_columns(number, fields, column) or [0]\n",
        "tests/test_leaked.py",
    ),
    Mutant(
        "rows of a list may have any number of fields",
        f"{ENGINE}/token_list.py",
        "        if len(fields) != self.width:\n",
        "        if len(fields) <= self.place:\n",
        "tests/test_leaked.py",
    ),
    Mutant(
        "a sign of life from the future counts",
        "sql/look_at_lanes.sql",
        "        AND lane.updated_at BETWEEN pg_catalog.clock_timestamp() - interval '2 seconds'\n"
        "            AND pg_catalog.clock_timestamp()\n",
        "        AND lane.updated_at > pg_catalog.clock_timestamp() - interval '2 seconds'\n",
        "tests/test_run.py",
    ),
    Mutant(
        "the name of the key's type is read as a format",
        f"{ENGINE}/target.py",
        '"pk_type": self.pk_type_name,',
        '"pk_type": Fragment(self.pk_type),',
        "tests/test_text.py",
    ),
    Mutant(
        "the type of a lane's keys is written into SQL unquoted",
        INITIAL,
        "pg_catalog.quote_ident(found.typname)",
        "found.typname",
        "tests/test_text.py",
    ),
    Mutant(
        "the throttle's query may be several statements",
        "sql/ask_throttle.sql",
        "    FOR found IN EXECUTE pg_catalog.current_setting('rotation.query') LOOP\n",
        "    EXECUTE pg_catalog.current_setting('rotation.query') INTO found;\n"
        "    FOR one IN 1..1 LOOP\n",
        "tests/test_throttle.py -k query_that_would_write",
    ),
    Mutant(
        "what the throttle's query did beside its answer stays",
        f"{ENGINE}/probes.py",
        "            transaction.set_rollback(True, using=session.alias)\n",
        "",
        "tests/test_throttle.py -k query_that_would_write",
    ),
    Mutant(
        "a process that serves runs a query that the database holds",
        "app/rotation/management/service.py",
        "        return replace(kept, throttle_sql=self.throttle_sql)\n",
        "        return replace(kept, throttle_sql=self.throttle_sql or kept.throttle_sql)\n",
        "tests/test_serve.py",
    ),
    Mutant(
        "stored options are of any type",
        f"{ENGINE}/options.py",
        "    if not fits:\n",
        "    if False:\n",
        "tests/test_serve.py",
    ),
    Mutant(
        "one bad rotation ends the process that serves all",
        "app/rotation/management/service.py",
        "            if not early:\n",
        "            raise\n            if not early:\n",
        "tests/test_serve.py",
    ),
    Mutant(
        "the plan shows any table to anybody who may add a rotation",
        "app/rotation/web/new.py",
        "    if user.is_superuser:\n",
        "    if True:\n",
        "tests/test_web.py",
    ),
    Mutant(
        "a table is one that may be seen by its name alone",
        "app/rotation/web/new.py",
        "    return bool(asked) and asked == of_model\n",
        "    return bool(asked)\n",
        "tests/test_web.py",
    ),
    Mutant(
        "an index that is not ready is trusted",
        f"{ENGINE}/indexes.py",
        '(index["valid"] and index["ready"] and index["live"])',
        '(index["valid"] and index["live"])',
        f"{INDEXES}::test_primary_key_that_is_not_whole",
    ),
    Mutant(
        "the key's indexes of partitions are not looked at",
        "sql/inspect_key_indexes.sql",
        "    SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)\n",
        "    SELECT %(oid)s::oid\n",
        f"{INDEXES}::test_key_of_a_partition_that_is_not_whole",
    ),
    Mutant(
        "a partition without the key's index is passed over",
        f"{ENGINE}/indexes.py",
        "        if table not in having:\n",
        "        if False:\n",
        f"{INDEXES}::test_partition_without_the_key",
    ),
    Mutant(
        "only the primary key's own index is looked at",
        "sql/inspect_key_indexes.sql",
        "(key.indisprimary OR (key.indisvalid AND key.indislive))",
        "key.indisprimary",
        f"{INDEXES}::test_other_index_that_windows_may_go_by",
    ),
    Mutant(
        "versions of collations are not compared",
        "sql/compare_collations.sql",
        "    AND version.recorded IS DISTINCT FROM version.actual\n",
        "    AND false\n",
        f"{INDEXES}::test_collation_of_another_version",
    ),
    Mutant(
        "the default collation is taken for one without a version",
        "sql/compare_collations.sql",
        "pg_catalog.to_jsonb(database) ->> 'datcollversion'",
        "NULL::text",
        f"{INDEXES}::test_default_collation_of_another_version",
    ),
    Mutant(
        "amcheck looks at entries only, not at rows",
        "sql/check_index.sql",
        "regclass, true)",
        "regclass, false)",
        f"{INDEXES}::test_rows_that_the_key_lacks",
    ),
    Mutant(
        "another function of the name is taken for amcheck",
        f"{ENGINE}/indexes.py",
        '(found[0]["schema"], "bt_index_check")',
        '("bt_index_check",)',
        f"{INDEXES}::test_amcheck_is_called_by_its_exact_name",
    ),
    Mutant(
        "amcheck takes as long as it likes",
        "sql/open_check.sql",
        "'statement_timeout', %(statement_timeout)s",
        "'statement_timeout', left(%(statement_timeout)s, 0) || '0'",
        f"{INDEXES}::test_amcheck_that_does_not_end_in_time",
    ),
    Mutant(
        "amcheck may write",
        "sql/open_check.sql",
        "READ COMMITTED, READ ONLY",
        "READ COMMITTED",
        f"{INDEXES}::test_expression_that_would_write",
    ),
    Mutant(
        "amcheck sees the rows of an old view",
        "sql/open_check.sql",
        "READ COMMITTED, READ ONLY",
        "REPEATABLE READ, READ ONLY",
        f"{INDEXES}::test_index_that_was_built_over_changing_rows",
    ),
    Mutant(
        "an index that was dropped meanwhile is called damaged",
        f"{ENGINE}/indexes.py",
        'if index["oid"] in present and ',
        "if ",
        f"{INDEXES}::test_index_that_is_dropped_meanwhile_is_not_damaged",
    ),
    Mutant(
        "no guard: nothing is revoked",
        GUARD,
        "    IF unknown THEN\n        RETURN NEW;",
        "    IF true THEN\n        RETURN NEW;",
        "tests/test_guard.py -k update_keeps",
    ),
    Mutant(
        "session_replication_role switches the guard off",
        GUARD,
        "' ENABLE ALWAYS TRIGGER ', quote_ident(trigger_name),",
        "' ENABLE TRIGGER ', quote_ident(trigger_name),",
        "tests/test_guard.py -k replica",
    ),
    Mutant(
        "an INSERT passes the guard",
        GUARD,
        "    IF refused THEN\n        RAISE",
        "    IF refused AND TG_OP = 'UPDATE' THEN\n        RAISE",
        "tests/test_guard.py -k insert_is_refused",
    ),
    Mutant(
        "an old view looks the revoked set up in vain",
        SET,
        "            pg_current_xact_id()::text::bigint\n",
        "            3\n",
        "tests/test_guard.py -k older_than_the_set",
    ),
    Mutant(
        "lanes are drawn before the barrier",
        f"{ENGINE}/phases.py",
        "        self._protect()\n        self._snapshot()\n        self._open()\n",
        "        self._open()\n        self._protect()\n        self._snapshot()\n",
        "tests/test_proof.py -k open_transaction_inserts",
    ),
    Mutant(
        "a guard's function may say anything",
        GUARD,
        "                OR function.prosrc <> {state}.rotation_guard_body(of_table, of_attnum)\n",
        "",
        "tests/test_guard.py -k older_version",
    ),
    Mutant(
        "a guard's trigger may fire on anything",
        GUARD,
        "            WHEN spelled.found <> spelled.wanted\n",
        "            WHEN false\n",
        "tests/test_attacks.py -k anything_else",
    ),
    Mutant(
        "a partition's guard may be off",
        GUARD,
        "                AND copied.tgenabled = 'A'\n",
        "",
        "tests/test_guard.py -k switched_off_on_a_partition",
    ),
    Mutant(
        "a row can't move to another partition",
        GUARD,
        "                OR NOT EXISTS (\n                    SELECT FROM pg_class",
        "                OR true OR EXISTS (\n                    SELECT FROM pg_class",
        "tests/test_guard.py -k moves",
    ),
    Mutant(
        "an INSERT into a partition passes for ever",
        GUARD,
        "OR latest.strict\n                OR known.status = 'succeeded'\n",
        "",
        "tests/test_guard.py -k moves_to_another",
    ),
    Mutant(
        "an upsert with a stale token fails",
        GUARD,
        "' AFTER INSERT'",
        "' BEFORE INSERT'",
        "tests/test_guard.py -k upsert",
    ),
    Mutant(
        "a cancelled rotation still revokes",
        GUARD,
        "other.revoked IS NOT NULL AND other.status <> 'cancelled'",
        "other.revoked IS NOT NULL",
        "tests/test_guard.py -k cancelled",
    ),
    Mutant(
        "what a cancelled rotation replaced is forgotten",
        GUARD,
        "AND known.id <= latest.id",
        "AND known.id = latest.id",
        "tests/test_guard.py -k cancelled",
    ),
    Mutant(
        "a foreign transaction number sends writers away",
        SET,
        "        SELECT known.last_value = own.system_identifier\n",
        "        SELECT true\n",
        "tests/test_guard.py -k elsewhere",
    ),
    Mutant(
        "text tokens are compared as they are spelled",
        SET,
        ") OPERATOR(pg_catalog.~) '^[0-9a-f]{1,32}$'",
        ") OPERATOR(pg_catalog.~) '^never$'",
        "tests/test_attacks.py -k spells",
    ),
    Mutant(
        "default privileges give the set away",
        SET,
        "        PERFORM {state}.rotation_keep_to_owner('pg_class', part::regclass);\n",
        "",
        "tests/test_guard.py -k owner_only",
    ),
    Mutant(
        "functions are left behind",
        "sql/schema/remove_functions.sql",
        "            AND NOT EXISTS (",
        "            AND EXISTS (",
        "tests/test_guard.py -k removing",
    ),
    Mutant(
        "survivors are looked for by the index only",
        f"{ENGINE}/phases.py",
        "stage.from_heap = self._repairs > 1",
        "stage.from_heap = False",
        "tests/test_attacks.py -k keys_index",
    ),
    Mutant(
        "a detached partition is out of sight",
        f"{ENGINE}/revocation.py",
        "if oid not in parts] if target.partitioned else []",
        "if oid not in parts] if False else []",
        "tests/test_attacks.py -k detached",
    ),
    Mutant(
        "the site's writes fail with our state",
        GUARD,
        "            RAISE WARNING 'a guard can not",
        "            RAISE EXCEPTION 'a guard can not",
        "tests/test_attacks.py -k is_gone",
    ),
    Mutant(
        "a guard looks for its state by name only",
        GUARD,
        "SELECT quote_ident(namespace.nspname) INTO own",
        "SELECT %9$L INTO own",
        "tests/test_attacks.py -k is_elsewhere",
    ),
    Mutant(
        "a guard asks another state of the name",
        GUARD,
        " OR %3$L::regclass <> %4$s::oid",
        "",
        "tests/test_attacks.py -k is_elsewhere",
    ),
    Mutant(
        "a guard evaluates any type",
        GUARD,
        "pg_typeof(NEW.%1$I)::oid <> %2$s::oid OR ",
        "",
        "tests/test_attacks.py -k type",
    ),
    Mutant(
        "the rotation's flag is for everybody",
        GUARD,
        "        '(has_table_privilege(session_user, ',"
        " quote_literal('{state_text}.rotation_revoked'),\n"
        "        '::regclass, ''INSERT'') IS NOT TRUE) OR ',\n"
        "        '(has_table_privilege(', quote_literal('{state_text}.rotation_revoked'),\n"
        "        '::regclass, ''INSERT'') IS NOT TRUE))) EXECUTE FUNCTION ', guard\n",
        "        'false)) EXECUTE FUNCTION ', guard\n",
        "tests/test_attacks.py -k flag",
    ),
    Mutant(
        "a state among others' objects is taken",
        f"{ENGINE}/preflight.py",
        'if server["intruders"]:',
        "if False:",
        "tests/test_attacks.py -k others_may_create",
    ),
    Mutant(
        "the application's triggers don't find their names",
        f"{ENGINE}/database.py",
        'return "SET LOCAL search_path TO DEFAULT;\\n"',
        "return PINNED",
        "tests/test_preflight.py -k may_copy",
    ),
    Mutant(
        "names are found by the search path",
        f"{ENGINE}/database.py",
        'return self._compose("pin_names") + "\\n" if "state" in self.names else PINNED',
        'return ""',
        "tests/test_attacks.py -k search_path",
    ),
    Mutant(
        "the canary does not try the guard",
        f"{ENGINE}/canary.py",
        "    if options.guard and stage.target.distribution is None:\n",
        "    if False:\n",
        "tests/test_trial.py -k does_not_work",
    ),
    Mutant(
        "a rewritten table is taken for an empty one",
        f"{ENGINE}/revocation.py",
        '["rewritten"]:\n',
        '["rewritten"] and False:\n',
        "tests/test_attacks.py -k rewritten",
    ),
    Mutant(
        "the flag opens the guards of other tables",
        GUARD,
        "        '(pg_trigger_depth() > 0) OR ',\n",
        "",
        "tests/test_attacks.py -k another_guarded",
    ),
    Mutant(
        "a deputy lends its right to the flag",
        GUARD,
        "has_table_privilege(session_user, ",
        "has_table_privilege(current_user, ",
        "tests/test_attacks.py -k deputy",
    ),
    Mutant(
        "columns that swap their names are not noticed",
        GUARD,
        "AND attname = %8$L",
        "AND attname IS NOT NULL",
        "tests/test_attacks.py -k swap_their",
    ),
    Mutant(
        "varchar keys are compared by the search path",
        "sql/rotate_window.sql",
        "WHERE {key} BETWEEN %(lo)s::{pk_type} AND %(hi)s::{pk_type}",
        "WHERE target.{pk} BETWEEN %(lo)s::varchar AND %(hi)s::varchar",
        "tests/test_attacks.py -k varchar_key",
    ),
    Mutant(
        "a guard keeps a function of somebody else's",
        GUARD,
        "            WHERE function.oid = installed.function AND function.proowner = state.relowner\n",
        "            WHERE function.oid = installed.function\n",
        "tests/test_attacks.py -k another_owner",
    ),
    Mutant(
        "functions for everybody are not noticed",
        f"{ENGINE}/preflight.py",
        'if server["for_everybody"]:',
        "if False:",
        "tests/test_attacks.py -k gave_to",
    ),
    Mutant(
        "a renamed column is read whatever its type is",
        GUARD,
        "WHERE origin.tgparentid = 0 AND rotation_reads_as(written.atttypid) IS NOT NULL",
        "WHERE origin.tgparentid = 0",
        "tests/test_trespass.py -k composite",
    ),
    Mutant(
        "a guard reads a column of any type",
        GUARD,
        "    IF column_.kind IS NULL THEN\n",
        "    IF false THEN\n",
        "tests/test_trespass.py -k others_types",
    ),
    Mutant(
        "a guard is made for anybody",
        GUARD,
        "    IF NOT (SELECT pg_has_role(caller, relowner, 'USAGE')",
        "    IF false AND NOT (SELECT pg_has_role(caller, relowner, 'USAGE')",
        "tests/test_trespass.py -k owner_only",
    ),
    Mutant(
        "migrations call the first function of that name",
        "app/rotation/triggers.py",
        "                WHERE owner.rolsuper\n",
        "                WHERE true OR owner.rolsuper\n",
        "tests/test_trespass.py -k migrations",
    ),
    Mutant(
        "the salt may be changed",
        SET,
        "    OLD.salt IS DISTINCT FROM NEW.salt AND OLD.salt IS NOT NULL\n",
        "    false\n",
        "tests/test_trespass.py -k depends_on",
    ),
    Mutant(
        "anybody can hold the snapshot up",
        "sql/claim_snapshot.sql",
        "SELECT {rotation_claim}(%(rotation)s::bigint) AS alone;",
        "SELECT pg_catalog.pg_try_advisory_xact_lock("
        "pg_catalog.hashtext('rotation_revoked'), %(rotation)s) AS alone;",
        "tests/test_trespass.py -k anybody_can_hold",
    ),
    Mutant(
        "keys are shown as they are",
        f"{ENGINE}/units.py",
        'return "".join(mark if mark.isprintable() else "?" for mark in name)',
        "return name",
        "tests/test_trespass.py -k forge",
    ),
    Mutant(
        "the hash of a text is a function's call",
        SET,
        "pg_catalog.lpad(pg_catalog.split_part(token, '-', 2), 4, '0')",
        "pg_catalog.concat(pg_catalog.split_part(token, '-', 2))",
        "tests/test_trespass.py -k nested",
    ),
    Mutant(
        "a plan that was kept scans the set",
        GUARD,
        " SET enable_seqscan = off AS ',",
        " AS ',",
        "tests/test_trespass.py -k plan_kept",
    ),
    Mutant(
        "the flag of one column opens every guard",
        GUARD,
        "        of_table, '.', of_attnum, ''') OR ',",
        "        of_table, '.', of_attnum, ''' AND coalesce(current_setting(''rotation.active'', true),"
        " '''') = '''') OR ',",
        "tests/test_trespass.py -k opens_no_other",
    ),
    Mutant(
        "what a cancelled rotation of partitions revoked may be inserted",
        GUARD,
        "                OR latest.strict\n                OR known",
        "                OR known",
        "tests/test_trespass.py -k cancelled",
    ),
    Mutant(
        "the guard's look passes inheritance children over",
        GUARD,
        "            SELECT inhrelid FROM pg_inherits WHERE inhparent = of_table\n",
        "            SELECT of_table\n",
        "tests/test_trespass.py -k inheritance",
    ),
    Mutant(
        "a lost guard stays lost",
        f"{ENGINE}/driver.py",
        "if already and not self.options.reindex and self._guarded():",
        "if already and not self.options.reindex:",
        "tests/test_trespass.py -k lost_guard",
    ),
    Mutant(
        "the canary's INSERT fires triggers",
        f"{ENGINE}/trial.py",
        "if not free_key or (fires and not acknowledged):",
        "if not free_key:",
        "tests/test_trespass.py -k nobodys_trigger",
    ),
    Mutant(
        "the canary's INSERT waits for others",
        f"{ENGINE}/trial.py",
        "    except LockConflict:\n        return",
        "    except LockConflict:\n        raise",
        "tests/test_trespass.py -k nobodys_insert",
    ),
    Mutant(
        "partitions that come while they are compared are not noticed",
        f"{ENGINE}/revocation.py",
        "    if _parts(session, target) != parts:\n",
        "    if False:\n",
        "tests/test_meanwhile.py -k attached",
    ),
    Mutant(
        "a detached partition that was rewritten seems empty",
        f"{ENGINE}/revocation.py",
        "read=[*parts, *apart])",
        "read=[*parts])",
        "tests/test_meanwhile.py -k rewritten",
    ),
    Mutant(
        "a table that was replaced is verified in its place",
        f"{ENGINE}/revocation.py",
        'attnum=target.attnum, **named)["same"]:',
        'attnum=target.attnum, **named)["same"] and False:',
        "tests/test_meanwhile.py -k replaced",
    ),
    Mutant(
        "a guard that is lost during the verification is not noticed",
        f"{ENGINE}/phases.py",
        "            session.through_outages(lambda: guard.require_standing(session, self._target))\n",
        "            pass\n",
        "tests/test_meanwhile.py -k guard_lost",
    ),
    Mutant(
        "a check of a finished rotation lets partitions take anything",
        f"{ENGINE}/conclusion.py",
        "if move(session, rotation.pk, Status.SUCCEEDED, Status.FAILED):",
        "if move(session, rotation.pk, Status.SUCCEEDED, Status.FAILED, verifying_at=None):",
        "tests/test_meanwhile.py -k leaves_the_guard",
    ),
    Mutant(
        "without a verification the end waits for nobody",
        f"{ENGINE}/phases.py",
        "        if self._target.partitioned:\n            self._barrier()",
        "        if self._target.partitioned and options.verify:\n            self._barrier()",
        "tests/test_meanwhile.py -k without_a_verification",
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
        failed = re.search(r"^(?:FAILED|ERROR) \S+?::(.+?)(?: - |$)", done.stdout, re.MULTILINE)
        if done.returncode == 1 and failed:
            return failed[1]
        if done.returncode:
            sys.exit(f"{mutant.name}: pytest ended with {done.returncode}: {done.stderr[-500:]}")
        return ""


if __name__ == "__main__":
    main()
