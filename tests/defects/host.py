"""Deliberate defects in what a host's project meets."""

from tests.defects.mutant import ENGINE, Mutant

OPERATIONS = "app/rotation/operations"
MUTANTS = [
    Mutant(
        "flush takes the evidence along",
        "sql/schema/refuse_truncate.sql",
        "IF holds THEN\n",
        "IF false THEN\n",
        "tests/host/test_own_tests.py -k flush",
    ),
    Mutant(
        "a flushed test's database keeps its sets",
        "sql/schema/forget_sets.sql",
        "        EXECUTE concat('DROP TABLE ', part.revoked);\n",
        "        PERFORM part.revoked;\n",
        "tests/host/test_own_tests.py -k its_tests_pass",
    ),
    Mutant(
        "pgtrigger enable weakens the guard",
        "app/rotation/triggers.py",
        '_switch("ENABLE ALWAYS")',
        '_switch("ENABLE")',
        "tests/host/test_settings.py -k pgtrigger_says",
    ),
    Mutant(
        "pgtrigger ls calls a healthy guard disabled",
        "app/rotation/triggers.py",
        "            enabled = is_enabled(self, model, database or DEFAULT_DB_ALIAS)\n",
        "            pass\n",
        "tests/host/test_settings.py -k pgtrigger_says",
    ),
    Mutant(
        "a project without PostgreSQL is not told",
        "app/rotation/checks.py",
        '    if "postgresql" not in vendors.values():\n',
        "    if not vendors:\n",
        "tests/host/test_settings.py -k wrong_with_settings",
    ),
    Mutant(
        "a receiver that fails ends the run",
        f"{OPERATIONS}/herald.py",
        "in SIGNALS[name].send_robust(",
        "in SIGNALS[name].send(",
        "tests/host/test_telling.py -k test_signals",
    ),
    Mutant(
        "the process ends before its hook has heard the end",
        f"{OPERATIONS}/herald.py",
        "            self._thread.join(2 * HOOK_SECONDS)\n",
        "",
        "tests/host/test_telling.py -k hook",
    ),
    Mutant(
        "a failure is told as a stop",
        f"{OPERATIONS}/herald.py",
        "        if code == Stopped.exit_code:\n",
        "        if code:\n",
        "tests/host/test_telling.py -k hook_of_a_failure",
    ),
    Mutant(
        "a call from the project's code works in its transaction",
        "app/rotation/api.py",
        "    thread.start()\n",
        "    thread.run()\n    thread.start = thread.join = lambda: None\n",
        "tests/host/test_telling.py -k python_api",
    ),
    Mutant(
        "a default limit refuses where it can't be measured",
        f"{ENGINE}/preflight/surroundings.py",
        "    if asked := measure.asked(options):\n",
        "    if asked := [*measure.limits]:\n",
        "tests/preflight/test_managed.py -k nothing_more",
    ),
    Mutant(
        "a limit that was asked for and can't be measured goes without",
        f"{ENGINE}/throttle/probes.py",
        "if not is_blind(error) or measure not in MEASURES or MEASURES[measure].asked(options):",
        "if not is_blind(error):",
        "tests/preflight/test_managed.py -k tuned_meanwhile",
    ),
    Mutant(
        "Aurora's readers are not asked",
        f"{ENGINE}/throttle/standbys.py",
        '"read_aurora_replicas" if session.aurora else "read_standbys"',
        '"read_standbys"',
        "tests/preflight/test_managed.py -k aurora",
    ),
    Mutant(
        "the guard needs pg_control_system()",
        "sql/schema/revoked_set.sql",
        "    WHEN insufficient_privilege OR undefined_function OR feature_not_supported THEN\n",
        "    WHEN division_by_zero THEN\n",
        "tests/preflight/test_managed.py -k nothing_more",
    ),
]
