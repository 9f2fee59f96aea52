"""Deliberate defects in `db`."""

from tests.defects.mutant import ENGINE, Mutant

MUTANTS = [
    Mutant(
        "old statistics choose the plan",
        "sql/session/prefer_indexes.sql",
        "'enable_seqscan', 'off'",
        "'enable_seqscan', 'on'",
        "tests/operations/test_dry_run.py",
    ),
    Mutant(
        "a dry run may write",
        "sql/session/open_reading.sql",
        "REPEATABLE READ, READ ONLY",
        "REPEATABLE READ",
        "tests/operations/test_dry_run.py",
    ),
    Mutant(
        "after an outage the run gives up",
        f"{ENGINE}/db/session.py",
        "if now - began > self.outage_seconds:",
        "if now - began >= 0:",
        "tests/work/test_interruption.py",
    ),
    Mutant(
        "the second signal cancels nothing",
        f"{ENGINE}/db/stop.py",
        "connection.cancel()",
        "pass",
        "tests/work/test_interruption.py",
    ),
    Mutant(
        "PostgreSQL's own words are shown",
        f"{ENGINE}/errors.py",
        'f"{doing}: PostgreSQL answered {condition} (SQLSTATE {sqlstate})"',
        "f\"{doing}: {__import__('sys').exc_info()[1]}\"",
        "tests/preflight/test_refusals.py",
    ),
    Mutant(
        "a percent sign in a name is a parameter",
        f"{ENGINE}/db/statements.py",
        '.replace("%", "%%" if takes_parameters else "%")',
        "",
        "tests/table/test_target.py",
    ),
    Mutant(
        "the server's words are taken for Django's",
        f"{ENGINE}/db/sqlstate.py",
        "isinstance(error, NotSupportedError) and error.__cause__ is None:",
        "isinstance(error, NotSupportedError):",
        "tests/test_secrets.py",
    ),
    Mutant(
        "a process that freezes holds the rotation forever",
        "sql/session/make_durable.sql",
        "'idle_in_transaction_session_timeout', '5s'",
        "'idle_in_transaction_session_timeout', '0'",
        "tests/work/test_many_processes.py",
    ),
    Mutant(
        "the application's triggers don't find their names",
        f"{ENGINE}/db/session.py",
        'return "SET LOCAL search_path TO DEFAULT;\\n"',
        "return PINNED",
        "tests/preflight/test_triggers.py -k may_copy",
    ),
    Mutant(
        "names are found by the search path",
        f"{ENGINE}/db/session.py",
        'return self._compose("pin_search_path") + "\\n" if "state" in self.names else PINNED',
        'return ""',
        "tests/proof/test_privileges.py -k search_path",
    ),
    Mutant(
        "keys are shown as they are",
        f"{ENGINE}/text.py",
        'return "".join(mark if mark.isprintable() else "?" for mark in name)',
        "return name",
        "tests/proof/test_trespass.py -k forge",
    ),
    Mutant(
        "the patience counts the reading of the table",
        f"{ENGINE}/db/retry.py",
        "    wait: Wait | None = None\n",
        "    wait: Wait | None = Wait(session, patience)\n",
        "tests/proof/test_meanwhile.py -k patience",
    ),
    Mutant(
        "a module imports from above",
        f"{ENGINE}/text.py",
        '"""Sizes, durations, keys and commands as people write and read them."""\n',
        '"""Sizes and durations."""\n\nfrom .db import session as session\n',
        "tests/test_house.py -k go_down",
    ),
    Mutant(
        "two modules of a room import each other",
        f"{ENGINE}/db/stop.py",
        "import contextlib\n",
        "import contextlib\n\nfrom . import session as session\n",
        "tests/test_house.py -k circle",
    ),
]
