"""Deliberate defects in the schema of the state, its functions and its migrations."""

from tests.defects.mutant import INITIAL, SET, Mutant

MUTANTS = [
    Mutant(
        "who steered can be altered",
        INITIAL,
        "AND OLD.steered IS DISTINCT FROM NEW.steered - (-1))",
        "AND false)",
        "tests/state/test_state.py tests/web/test_steering.py",
    ),
    Mutant(
        "the type of a lane's keys is written into SQL unquoted",
        "sql/schema/check_checkpoint.sql",
        "pg_catalog.quote_ident(found.typname)",
        "found.typname",
        "tests/db/test_text.py",
    ),
    Mutant(
        "an old view looks the revoked set up in vain",
        SET,
        "            pg_current_xact_id()::text::bigint\n",
        "            3\n",
        "tests/proof/test_guard.py -k older_than_the_set",
    ),
    Mutant(
        "a foreign transaction number sends writers away",
        SET,
        "        SELECT known.last_value = own.system_identifier\n",
        "        SELECT true\n",
        "tests/proof/test_writes.py -k elsewhere",
    ),
    Mutant(
        "text tokens are compared as they are spelled",
        SET,
        ") OPERATOR(pg_catalog.~) '^[0-9a-f]{1,32}$'",
        ") OPERATOR(pg_catalog.~) '^never$'",
        "tests/proof/test_spellings.py -k spells",
    ),
    Mutant(
        "default privileges give the set away",
        SET,
        "        PERFORM {state}.rotation_keep_to_owner('pg_class', part::regclass);\n",
        "",
        "tests/proof/test_guard.py -k owner_only",
    ),
    Mutant(
        "functions are left behind",
        "sql/schema/remove_functions.sql",
        "            AND NOT EXISTS (",
        "            AND EXISTS (",
        "tests/proof/test_guard.py -k removing",
    ),
    Mutant(
        "migrations call the first function of that name",
        "sql/schema/install_guard.sql",
        "    WHERE owner.rolsuper\n",
        "    WHERE true OR owner.rolsuper\n",
        "tests/proof/test_trespass.py -k migrations",
    ),
    Mutant(
        "the salt may be changed",
        SET,
        "    OLD.salt IS DISTINCT FROM NEW.salt AND OLD.salt IS NOT NULL\n",
        "    false\n",
        "tests/proof/test_trespass.py -k depends_on",
    ),
    Mutant(
        "the hash of a text is a function's call",
        SET,
        "token COLLATE \"C\", '(^|-)[+]?',",
        "pg_catalog.concat(token) COLLATE \"C\", '(^|-)[+]?',",
        "tests/proof/test_trespass.py -k nested",
    ),
    Mutant(
        "sequences stay given away",
        SET,
        "        PERFORM {state}.rotation_keep_to_owner('pg_class', (part || '_since')::regclass);\n",
        "",
        "tests/proof/test_trespass.py -k sequences",
    ),
    Mutant(
        "what was revoked is anybody's to say",
        SET,
        "    IF pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN\n",
        "    IF true THEN\n",
        "tests/proof/test_roles.py -k does_not_say",
    ),
    Mutant(
        "Java's reading of a text comes before PostgreSQL's",
        SET,
        "OPERATOR(pg_catalog.<>) 32\n",
        "OPERATOR(pg_catalog.<>) 0\n",
        "tests/proof/test_spellings.py -k spells",
    ),
]
