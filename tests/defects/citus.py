"""Deliberate defects in what is done for Citus."""

from tests.defects.mutant import CITUS, Mutant

MUTANTS = [
    Mutant(
        "Citus: a window in one shard commits in one phase",
        "sql/citus/open_window.sql",
        "DELETE FROM {rotation_two_phase};\n",
        "",
        CITUS,
    ),
    Mutant(
        "Citus: lock_timeout does not reach the workers",
        "sql/citus/set_on_workers.sql",
        "SET LOCAL citus.propagate_set_commands TO 'local';\n",
        "",
        CITUS,
    ),
    Mutant(
        "Citus: a worker node is taken for the coordinator",
        "sql/citus/is_coordinator.sql",
        "groupid = 0",
        "true",
        CITUS,
    ),
    Mutant(
        "Citus: a survivor on a shard is not found",
        "sql/citus/hash/count_survivors.sql",
        "AND revoked.hash = present.hash",
        "AND false",
        CITUS,
    ),
]
