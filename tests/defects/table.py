"""Deliberate defects in `table`."""

from tests.defects.mutant import CITUS, ENGINE, Mutant

MUTANTS = [
    Mutant(
        "windows begin one key too late",
        "sql/table/find_window.sql",
        "{pk} >= %(lower)s::{pk_type}",
        "{pk} > %(lower)s::{pk_type}",
        "tests/table/test_windows.py",
    ),
    Mutant(
        "a window begins at the checkpoint, not after it",
        "sql/table/find_window.sql",
        "OR {pk} > %(last_id)s",
        "OR {pk} >= %(last_id)s",
        "tests/table/test_windows.py tests/operations/test_run.py",
    ),
    Mutant(
        "one token for all rows of a window",
        f"{ENGINE}/table/target.py",
        'RANDOM_UUID = "pg_catalog.gen_random_uuid()"',
        'RANDOM_UUID = "(SELECT pg_catalog.gen_random_uuid())"',
        "tests/operations/test_run.py",
    ),
    Mutant(
        "a conflict does not shrink the window",
        f"{ENGINE}/table/windows.py",
        "self._limit = max(1, self.size // 2)",
        "pass",
        "tests/work/test_locks.py tests/table/test_windows.py",
    ),
    Mutant(
        "a name in the catalog is matched after it was cut to 63 bytes",
        "sql/table/find_table.sql",
        "relation.relname::text = %(name)s",
        "relation.relname = %(name)s",
        "tests/table/test_target.py",
    ),
    Mutant(
        "another server's disk is taken for ours",
        f"{ENGINE}/table/disk.py",
        "if apart > START_SECONDS or",
        "if apart < 0 or",
        "tests/throttle/test_disk.py",
    ),
    Mutant(
        "a window reaches into several partitions",
        f"{ENGINE}/table/lanes.py",
        "    cuts = by_partition\n",
        "    cuts: list[str] = []\n",
        "tests/table/test_lanes.py",
    ),
    Mutant(
        "Citus: one token for all rows of a shard",
        f"{ENGINE}/table/citus.py",
        '"{rotation_new_token}(target.{pk})"',
        '"{rotation_new_token}(1)"',
        CITUS,
    ),
    Mutant(
        "Citus: each copy of a reference table makes its own tokens",
        f"{ENGINE}/table/citus.py",
        '    variants = ("citus/reference", "citus")\n',
        '    variants = ("citus",)\n    make_token = HashDistributed.make_token\n',
        CITUS,
    ),
    Mutant(
        "Citus: prepared transactions are left at the end",
        f"{ENGINE}/table/citus.py",
        '    pending = _on_all_nodes(session, "list_prepared")\n',
        "    pending = set()\n",
        CITUS,
    ),
    Mutant(
        "Citus: prepared transactions of others are left at the barrier",
        f"{ENGINE}/table/citus.py",
        '    if any(", prepared on " in one for one in found):\n',
        "    if False:\n",
        CITUS,
    ),
    Mutant(
        "Citus: two processes prepare the cluster at once",
        f"{ENGINE}/table/citus.py",
        '        session.rows("claim_preparation")\n',
        "",
        CITUS,
    ),
    Mutant(
        "Citus: several copies of a shard are accepted",
        f"{ENGINE}/table/citus.py",
        'found["copies"] > 1',
        'found["copies"] > 2',
        CITUS,
    ),
    Mutant(
        "the name of the key's type is read as a format",
        f"{ENGINE}/table/target.py",
        '"pk_type": self.pk_type_name,',
        '"pk_type": Fragment(self.pk_type),',
        "tests/db/test_text.py",
    ),
]
