"""What `python3 run.py test --quick` runs."""

#: Of each room what breaks first, within two minutes on 2 cores.
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
