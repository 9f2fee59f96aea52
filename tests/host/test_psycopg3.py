"""The main tests of this suite on psycopg 3, in an environment of its own."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.host.project import run

REQUIREMENTS = ("requirements.txt", "app/localpg/requirements.txt", "tests/requirements.txt")
#: What depends on the driver: statements, errors, COPY, cancelling, broken connections, times.
#: `python3 run.py matrix --whole psycopg` runs every test.
MAIN = [
    "operations/test_run.py",
    "work/test_outages.py",
    "proof/test_leaked_lists.py::test_leaked_list_in_any_spelling",
    "proof/test_leaked_lists.py::test_leaked_csv",
    "management/test_next_steps.py::test_times_of_any_year",
    "proof/test_settings.py::test_settings[the rest-uuid]",
    "proof/test_open_schema.py::test_overload_that_migrate_would_call",
]
#: Of them one that waits for a minute and more, and asks of the driver what its neighbours ask.
WAITS = "tests/work/test_outages.py::test_pooler_that_allows_no_transactions"


@pytest.mark.timeout(900)
def test_main_tests_on_psycopg_3(environment: Callable[..., Path]) -> None:
    needs = [f"-r{PROJECT / name}" for name in REQUIREMENTS]
    python = environment("", "[psycopg]", *needs)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = run(
        *(python, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"),
        *(f"tests/{name}" for name in MAIN),
        *("--deselect", WAITS),
        cwd=PROJECT,
        env=plain,
    )
    last = "".join(done.stdout.strip().splitlines()[-1:])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert int(re.findall(r"(\d+) passed", last)[0]) > 30
