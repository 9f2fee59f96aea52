"""What a deliberate defect is, and the files that many of them are in."""

from dataclasses import dataclass

ENGINE = "app/rotation/engine"
GUARD = "sql/schema/guard.sql"
SET = "sql/schema/revoked_set.sql"
INITIAL = "app/rotation/migrations/0001_initial.py"
CITUS = "tests/table/test_citus.py"


@dataclass(frozen=True)
class Mutant:
    """One defect: in `file`, `old` becomes `new`; some test in `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: str
