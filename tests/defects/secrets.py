"""Deliberate defects in targets that settings name, and in what is found of secrets."""

from tests.defects.mutant import ENGINE, Mutant

TARGETS = "tests/operations/test_targets.py"
DISCOVER = "tests/operations/test_discover.py"

MUTANTS = [
    Mutant(
        "one target that is refused lets the others begin",
        "app/rotation/operations/sequence.py",
        'called[name] = require_fit(alias, request, stop, name, "nothing was replaced")\n',
        "called[name] = name\n",
        f"{TARGETS} -k none_begins",
    ),
    Mutant(
        "the failure of one target keeps the next from its turn",
        "app/rotation/operations/sequence.py",
        "        while left and not stop.requested:\n",
        "        while left and not failed:\n",
        f"{TARGETS} -k keep_the_next",
    ),
    Mutant(
        "several targets end well if the last one does",
        "app/rotation/operations/sequence.py",
        "    if not failed and not left:\n",
        "    if name not in failed:\n",
        f"{TARGETS} -k keep_the_next",
    ),
    Mutant(
        "what a target's name writes can be changed by a flag",
        "app/rotation/operations/targets.py",
        "if getattr(given, name) not in (None, ()):",
        "if False:",
        f"{TARGETS} -k go_together",
    ),
    Mutant(
        "check says nothing of a target that can't be used",
        "app/rotation/checks.py",
        "for why in wrong_targets():",
        "for why in ():",
        f"{TARGETS} -k check",
    ),
    Mutant(
        "what few tokens begin with is shown",
        "sql/preflight/sample_shapes.sql",
        "WHEN pg_catalog.count(DISTINCT sampled.token) >= 20",
        "WHEN pg_catalog.count(DISTINCT sampled.token) >= 1",
        f"{DISCOVER} -k few",
    ),
    Mutant(
        "what is computed from a token is found only in the first rows",
        f"{ENGINE}/preflight/secrets.py",
        'if counted[name] == counted["rows"]:',
        "if counted[name]:",
        f"{DISCOVER} -k almost",
    ),
    Mutant(
        "discover lends rights to strangers",
        f"{ENGINE}/preflight/secrets.py",
        "    if strange:\n",
        "    if False:\n",
        "tests/proof/test_lent_rights.py -k discover",
    ),
    Mutant(
        "companions are listed as secrets of their own",
        f"{ENGINE}/preflight/secrets.py",
        "if (oid, one.column) not in beside)",
        "if True)",
        f"{DISCOVER} -k what_is_found",
    ),
    Mutant(
        "secrets that others issued get a command",
        "app/rotation/operations/discover.py",
        "        if self.known and self.known.why:\n",
        "        if False:\n",
        f"{DISCOVER} -k what_is_found",
    ),
    Mutant(
        "secrets are offered to who may not see their table",
        "app/rotation/web/forms.py",
        "for one, name in found if may_see(user, name, session)]",
        "for one, name in found]",
        f"{DISCOVER} -k may_be_seen",
    ),
]
