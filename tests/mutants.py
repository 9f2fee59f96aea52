"""Deliberate defects: `python -m tests.mutants` applies each to a copy, and says which test caught it.

Those of Citus: `python -m tests.citus_cluster tests.mutants Citus`.

A defect that no test catches means that a promise is not tested; the exit code is then 1.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.defects import (
    citus,
    db,
    formats,
    guard,
    host,
    maintenance,
    operations,
    own_sql,
    preflight,
    proof,
    schema,
    secrets,
    state,
    table,
    terminal,
    throttle,
    web,
    work,
)
from tests.defects.mutant import CITUS, Mutant

PROJECT = Path(__file__).resolve().parents[1]


MUTANTS = [
    *citus.MUTANTS,
    *db.MUTANTS,
    *formats.MUTANTS,
    *own_sql.MUTANTS,
    *guard.MUTANTS,
    *host.MUTANTS,
    *maintenance.MUTANTS,
    *operations.MUTANTS,
    *preflight.MUTANTS,
    *proof.MUTANTS,
    *schema.MUTANTS,
    *secrets.MUTANTS,
    *state.MUTANTS,
    *table.MUTANTS,
    *terminal.MUTANTS,
    *throttle.MUTANTS,
    *web.MUTANTS,
    *work.MUTANTS,
]


def main() -> None:
    """Apply every mutant, or those whose names hold the words given, one on each core."""
    chosen = [one for one in MUTANTS if all(word in one.name for word in sys.argv[1:])]
    survived = 0
    with ThreadPoolExecutor(1 if "Citus" in sys.argv else os.cpu_count()) as pool:
        for mutant, caught in zip(chosen, pool.map(run, chosen), strict=True):
            survived += not caught
            sys.stdout.write(f"{mutant.name:<64} {caught or 'SURVIVED'}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen)} mutants, {survived} survived\n")
    sys.exit(bool(survived))


def run(mutant: Mutant) -> str:
    """Return the name of the first test that failed with the defect, or nothing."""
    if mutant.tests == CITUS and not os.environ.get("ROTATION_CITUS_URL"):
        return "not run: ROTATION_CITUS_URL is not set"
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "project"
        ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".pgdata", ".*_cache")
        shutil.copytree(PROJECT, copy, ignore=ignored)
        file = copy / mutant.file
        text = file.read_text()
        if text.count(mutant.old) != 1:
            sys.exit(f"{mutant.name}: {mutant.file} does not hold its text exactly once")
        file.write_text(text.replace(mutant.old, mutant.new))
        tests = shlex.split(mutant.tests)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "--timeout=60", *tests],
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
