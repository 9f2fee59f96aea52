"""Which tests `python3 run.py test` runs: all but the long ones, and of each a few variants."""

from collections import defaultdict

import pytest

VARIANTS = 2  # of a test with parameters: the first and the last

#: Of each room what breaks first, within two minutes on 2 cores: `--quick`.
QUICK = {
    "tests/test_house.py",
    "tests/db/test_statements.py",
    "tests/management/test_usage.py",
    "tests/operations/test_dry_run.py",
    "tests/operations/test_run.py",
    "tests/preflight/test_triggers.py",
    "tests/proof/test_guard_status.py",
    "tests/proof/test_leaks.py",
    "tests/proof/test_writes.py",
    "tests/state/test_progress.py",
    "tests/state/test_state.py",
    "tests/throttle/test_rate.py",
    "tests/web/test_steering.py",
    "tests/work/test_canary.py",
}


def is_cut(config: pytest.Config) -> bool:
    """Whether tests are left out: neither `--whole` nor a path was given."""
    given = config.args_source is not pytest.Config.ArgsSource.TESTPATHS
    return not (config.getoption("--whole") or given)


def quick(items: list[pytest.Item]) -> list[pytest.Item]:
    """What `--quick` runs."""
    return [one for one in items if one.nodeid.partition("::")[0] in QUICK]


def main(items: list[pytest.Item]) -> list[pytest.Item]:
    """Those that are not marked as long, and a few variants of each."""
    variants: dict[str, list[pytest.Item]] = defaultdict(list)
    for one in items:
        if one.get_closest_marker("long") is None:
            variants[one.nodeid.partition("[")[0]].append(one)
    return [one for found in variants.values() for one in spread(found)]


def spread(variants: list[pytest.Item]) -> list[pytest.Item]:
    """Some of them, at equal distances; all if they need no database of their own."""
    if len(variants) <= VARIANTS or "db" not in getattr(variants[0], "fixturenames", ["db"]):
        return variants
    last = len(variants) - 1
    return [variants[n * last // (VARIANTS - 1)] for n in range(VARIANTS)]
