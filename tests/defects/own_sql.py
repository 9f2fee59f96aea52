"""Deliberate defects in SQL of the operator's own, and in the column by which windows walk."""

from tests.defects.mutant import ENGINE, Mutant

TESTS = "tests/table/test_own_sql.py"
WALK = "tests/table/test_walk.py"

MUTANTS = [
    Mutant(
        "a companion is of another token than the row gets",
        "sql/fragments/set_companions.sql",
        "SELECT made.new_token{values}",
        "SELECT {token}{values}",
        f"{TESTS} -k companion_is_of",
    ),
    Mutant(
        "with companions all rows of a window get one token",
        "sql/fragments/set_companions.sql",
        "WHERE target.{pk} IS NOT NULL",
        "WHERE true",
        f"{TESTS} -k companion_is_of",
    ),
    Mutant(
        "rows that were locked keep their companions",
        "sql/work/rotate_leftovers.sql",
        "SET {new_values}",
        "SET {column} = {new_token}",
        f"{TESTS} -k locked",
    ),
    Mutant(
        "an expression's names mean those of our own tables",
        "sql/work/rotate_leftovers.sql",
        "SELECT due.id AS rotation_due_entry,",
        "SELECT due.key, due.id AS rotation_due_entry,",
        f"{TESTS} -k locked",
    ),
    Mutant(
        "SQL is not parsed on its own",
        f"{ENGINE}/preflight/own_sql.py",
        "for flag, (statement, piece) in given.items():",
        "for flag, (statement, piece) in {}.items():  # type: ignore[var-annotated]",
        f"{TESTS} -k can_not_be_used",
    ),
    Mutant(
        "SQL is not parsed in the UPDATE",
        f"{ENGINE}/preflight/own_sql.py",
        '_parse(session, " and ".join(given), session.text("rotate_window", **bounds))',
        "pass",
        f"{TESTS} -k can_not_be_used",
    ),
    Mutant(
        "SQL that was written into the state is run",
        f"{ENGINE}/kept.py",
        "return isinstance(seal, str) and constant_time_compare(seal, made)",
        "return True",
        f"{TESTS} -k written_into",
    ),
    Mutant(
        "tokens of rows that are not to be rotated are revoked",
        "sql/proof/take_snapshot.sql",
        "WHERE {chosen}",
        "WHERE target.{column} IS NOT NULL",
        f"{TESTS} -k where",
    ),
    Mutant(
        "rows are rotated for which the condition is false",
        "sql/work/rotate_window.sql",
        "AND {chosen}",
        "AND target.{column} IS NOT NULL",
        f"{TESTS} -k where",
    ),
    Mutant(
        "the canary does not know a window's rows by what it wrote",
        "sql/work/check_window.sql",
        "count(*) FILTER (WHERE {written}) AS tokens",
        "count(*) FILTER (WHERE {chosen}) AS tokens",
        f"{TESTS} -k of_the_token_itself",
    ),
    Mutant(
        "the condition finds a window's rows by another index",
        f"{ENGINE}/table/values.py",
        " IS TRUE",
        "",
        f"{TESTS} -k of_the_token_itself",
    ),
    Mutant(
        "the condition's names are ours in the snapshot",
        f"{ENGINE}/db/session.py",
        'OPERATORS_OWN = "where"',
        'OPERATORS_OWN = "nothing"',
        f"{TESTS} -k names_mean",
    ),
    Mutant(
        "what is finished for some rows passes for others",
        f"{ENGINE}/runner.py",
        "if its != self.options.where:",
        "if False:",
        f"{TESTS} -k resumed",
    ),
    Mutant(
        "an expression that repeats itself is not said",
        f"{ENGINE}/preflight/own_sql.py",
        'elif found["repeated"]:',
        "elif False:",
        f"{TESTS} -k not_random",
    ),
    Mutant(
        "--if-finished new starts nothing",
        f"{ENGINE}/runner.py",
        'if rotation is None or self.options.if_finished == "new":',
        "if rotation is None:",
        f"{TESTS} -k if_finished",
    ),
    Mutant(
        "windows walk by the token",
        f"{ENGINE}/table/target.py",
        "if asked == name.column:",
        "if False:",
        f"{WALK} -k can_not_walk",
    ),
    Mutant(
        "windows walk by a column that only some rows have in its index",
        "sql/table/list_columns.sql",
        "AND key.indpred IS NULL",
        "AND true",
        f"{WALK} -k can_not_walk",
    ),
    Mutant(
        "windows walk by a column that may repeat itself for a while",
        "sql/table/list_columns.sql",
        "AND key.indimmediate",
        "AND true",
        f"{WALK} -k can_not_walk",
    ),
    Mutant(
        "windows walk by a column without rows that have none",
        "sql/table/list_columns.sql",
        "column_.attnotnull AND NOT EXISTS (",
        "NOT EXISTS (",
        f"{WALK} -k can_not_walk",
    ),
    Mutant(
        "the next run walks by the primary key",
        f"{ENGINE}/runner.py",
        "walk = options.walk or find_walk(self._session, name)",
        "walk = options.walk",
        f"{WALK} -k resumed",
    ),
]
