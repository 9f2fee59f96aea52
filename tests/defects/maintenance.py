"""Deliberate defects in `maintenance`."""

from tests.defects.mutant import ENGINE, Mutant

MUTANTS = [
    Mutant(
        "every process vacuums whenever it looks",
        "sql/maintenance/claim_vacuum.sql",
        ">= %(percent)s * rotation.rows_total",
        ">= 0 * %(percent)s * rotation.rows_total",
        "tests/maintenance/test_vacuum.py",
    ),
    Mutant(
        "who keeps vacuum from helping is not named",
        f"{ENGINE}/maintenance/vacuum.py",
        "        if self._mark is not None and self._sees:\n",
        "        if self._mark == '':\n",
        "tests/maintenance/test_vacuum.py",
    ),
    Mutant(
        "a vacuum under way outlives the run",
        f"{ENGINE}/maintenance/vacuum.py",
        "        self._session.stop.request(reason)\n",
        "        pass\n",
        "tests/maintenance/test_vacuum.py",
    ),
    Mutant(
        "an index that is rebuilt already is rebuilt again",
        f"{ENGINE}/maintenance/reindex.py",
        'if index["rebuilt"] or index["exclusion"]:',
        'if index["exclusion"]:',
        "tests/maintenance/test_rebuild.py",
    ),
    Mutant(
        "what a broken-off rebuild left stays INVALID",
        f"{ENGINE}/maintenance/reindex.py",
        "            _run(self.session, self.target, index, _drop)\n",
        "            pass\n",
        "tests/maintenance/test_rebuild.py",
    ),
    Mutant(
        "somebody else's INVALID index is dropped",
        "sql/maintenance/list_rebuilds.sql",
        " OR relation.relname ~ '_cc(new|old)[0-9]*$')",
        " OR relation.relname ~ '')",
        "tests/maintenance/test_rebuild.py",
    ),
    Mutant(
        "an index under a constraint is not rebuilt",
        "sql/maintenance/list_rebuilds.sql",
        "(column_.attnum = ANY(index_.indkey::int2[]) OR used.objid IS NOT NULL)",
        "(used.objid IS NOT NULL)",
        "tests/maintenance/test_rebuild.py",
    ),
    Mutant(
        "two processes rebuild the same index",
        "sql/maintenance/claim_rebuild.sql",
        "{rotation_claim_snapshot}(%(rotation)s::bigint) AS alone",
        "true AS alone",
        "tests/maintenance/test_rebuild.py",
    ),
    Mutant(
        "anybody can hold a rebuild up",
        "sql/maintenance/claim_rebuild.sql",
        "{rotation_claim_snapshot}(%(rotation)s::bigint) AS alone",
        "pg_catalog.pg_try_advisory_xact_lock("
        "pg_catalog.hashtext('rotation_rebuild'), %(rotation)s) AS alone",
        "tests/proof/test_trespass.py -k anybody_can_hold",
    ),
    Mutant(
        "a process that freezes holds its claim to rebuild forever",
        "sql/maintenance/claim_rebuild.sql",
        "'idle_in_transaction_session_timeout', '5s'",
        "'idle_in_transaction_session_timeout', '0'",
        "tests/maintenance/test_rebuild.py",
    ),
    Mutant(
        "indexes that have grown are not rebuilt",
        f"{ENGINE}/maintenance/reindex.py",
        "            grown=self.grown,\n",
        "            grown=False,\n",
        "tests/maintenance/test_rebuild.py -k grown",
    ),
    Mutant(
        "sizes of indexes are not noted",
        f"{ENGINE}/state/transitions.py",
        '            session.change("note_index_sizes", rotation=rotation.pk, oid=target.oid)\n',
        "",
        "tests/maintenance/test_rebuild.py -k grown",
    ),
    Mutant(
        "our own windows are said to hinder vacuum",
        "sql/maintenance/list_old_snapshots.sql",
        "AND NOT pg_catalog.starts_with(application_name",
        "AND 0 < pg_catalog.num_nonnulls(application_name",
        "tests/maintenance/test_vacuum.py -k snapshot_is_named",
    ),
]
