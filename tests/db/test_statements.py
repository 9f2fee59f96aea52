"""Every statement of sql/ is known to PostgreSQL: prepared against the migrated schema."""

import io
import re
from pathlib import Path

import pytest

from app.rotation.engine.db import statements
from app.rotation.engine.db.statements import Fragment
from app.rotation.engine.preflight import indexes
from app.rotation.engine.proof.leaked import HEADER, TRAILER
from app.rotation.schema import DIRECTORY, STATE_FUNCTIONS, STATE_TABLES
from tests.conftest import PROJECT, Database, quoting

#: What only Citus knows: test_citus.py runs it there.
AURORA = """
    CREATE FUNCTION pg_catalog.aurora_replica_status(
        OUT server_id text, OUT session_id text, OUT replica_lag_in_msec float8
    ) RETURNS SETOF record LANGUAGE sql AS $$
        VALUES ('writer', 'MASTER_SESSION_ID', NULL), ('reader', 'a uuid', 12.5)
    $$
"""
#: What must be there before.
FIRST = {
    "read_aurora_replicas": AURORA,
    "count_unchanged": "CREATE TABLE demo_before (token uuid)",
    "fill_keys": statements.load("create_keys"),
}
CITUS = re.compile("citus|pg_dist_|rotation_two_phase|recover_prepared")
FILES = sorted(path for path in DIRECTORY.rglob("*.sql") if path.parent.name != "schema")
STATEMENTS = [file for file in FILES if file.parent.name != "fragments"]
#: What stands in for a namesake where Citus distributes the table.
VARIANTS = [file for file in FILES if statements.find_files()[file.stem] != file]
NAMES = {
    "target": ("public", "ticket"),
    "pk": ("id",),
    "pk_type": ("pg_catalog", "int8"),
    "column": ("token",),
    "leaked_type": Fragment("pg_catalog.uuid"),
    "key_columns": Fragment("target.{pk}"),
    "index": ("public", "ticket_token_key"),
    "new_token": Fragment("pg_catalog.gen_random_uuid()"),
    "new_values": Fragment("{column} = pg_catalog.gen_random_uuid()"),
    "window_values": Fragment("{column} = pg_catalog.gen_random_uuid()"),
    "chosen": Fragment("target.{column} IS NOT NULL"),
    "filled": Fragment("target.{column} IS NOT NULL"),
    "written": Fragment("true"),
    "piece": Fragment("target.{column}"),
    "beside": ("title",),
    "key": Fragment("target.{pk}::pg_catalog.int8"),
    "token": Fragment("target.{column}::pg_catalog.uuid"),
    "database_version": indexes.NO_DATABASE_VERSION,
    "bt_index_check": ("public", "bt_index_check"),
    "comparable_key": Fragment("target.{pk}"),
    "other_columns": Fragment(""),
    "other_values": Fragment(""),
    "free_key": Fragment("0"),
    "if_locked": Fragment("SKIP LOCKED"),
    "inserted_token": Fragment("inserted.{column}::pg_catalog.uuid"),
    "copied": Fragment("ONLY {copied_table}"),
    "copied_table": ("public", "ticket"),
    "column_1": ("token",),
    "columns": Fragment("copied.{column_1} AS value_1, NULL::pg_catalog.text AS value_2"),
    "values": Fragment("(1, value_1, value_2)"),
    "tokens": Fragment("(1, value_1)"),
    "held_token": Fragment("held.token"),
    "looked_up": Fragment("ONLY {looked_up_table}"),
    "looked_up_table": ("public", "ticket"),
    "same": Fragment("looked_up.{column} = held.token"),
    "rotation_new_token": ("public", "rotation_new_token"),
    "rotation_two_phase": ("public", "rotation_two_phase"),
    "state": ("public",),
    **{name: ("public", name) for name in (*STATE_TABLES, *STATE_FUNCTIONS)},
}

OTHERWISE = {
    "search_texts": {
        "columns": Fragment("copied.{column_1}::pg_catalog.text AS value_1"),
        "values": Fragment("(1, value_1)"),
    }
}


def statement_of(file: Path) -> str:
    """The path of a statement below `sql/`, by which it can be loaded whatever its room."""
    return file.relative_to(DIRECTORY).with_suffix("").as_posix()


@pytest.mark.parametrize("file", STATEMENTS, ids=statement_of)
def test_prepares(db: Database, file: Path) -> None:
    if CITUS.search(statements.load(statement_of(file))):
        pytest.skip("a statement for Citus")
    with db.connect() as connection, connection.cursor() as cursor:
        if "leaked" in file.stem and file.stem != "create_leaked":
            cursor.execute("CREATE TEMPORARY TABLE leaked_token (token uuid NOT NULL)")
        if file.stem in FIRST:
            cursor.execute(FIRST[file.stem])
        if "{bt_index_check}" in statements.load(statement_of(file)):
            cursor.execute("CREATE EXTENSION amcheck")
        names = NAMES | OTHERWISE.get(file.stem, {})
        text = statements.compose((statement_of(file),), names, quoting(connection))
        numbers: dict[str, int] = {}
        number = lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}"  # noqa: E731
        text = re.sub(r"%\((\w+)\)s", number, text).replace("%%", "%")
        for block in re.findall(r"DO (\$\w+\$).*?\1;", text, re.DOTALL):
            whole = text[text.index(f"DO {block}") : text.rindex(f"{block};") + len(block) + 1]
            cursor.execute(f"SET LOCAL rotation.query = 'SELECT true'; {whole}")
            text = text.replace(whole, "")
        for statement in filter(None, map(str.strip, text.split(";"))):
            if statement.startswith(
                ("SET ", "TRUNCATE ", "CREATE ", "DROP TABLE ", "PREPARE ", "DEALLOCATE ", "EXPLAIN ")
            ):
                without = re.sub(r"\$\d+", "NULL", statement)
                cursor.execute(f"BEGIN; {without}; ROLLBACK")
            elif statement.startswith(("VACUUM ", "REINDEX ", "DROP INDEX ")):
                pass  # it can't be in a transaction; test_vacuum.py and test_rebuild.py run it
            elif statement.endswith("HEADER)"):
                cursor.copy_expert(re.sub(r"\$\d+", "NULL", statement), io.BytesIO())
            elif statement.startswith("COPY "):
                cursor.copy_expert(statement, io.BytesIO(HEADER + TRAILER))
            else:
                cursor.execute(f"PREPARE one AS {statement}; DEALLOCATE one")


@pytest.mark.parametrize("file", FILES, ids=statement_of)
def test_has_a_header_that_is_true(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("-- Purpose: ")
    assert all(len(line) <= 105 for line in text.splitlines())
    header = "".join(line for line in text.splitlines() if line.startswith("--"))
    for parameter in set(re.findall(r"%\((\w+)\)s", text)):
        assert re.search(rf"\b{parameter}\b", header), f"{parameter} is not in the header"
    assert "RETURNING token" not in text


@pytest.mark.parametrize("file", VARIANTS, ids=statement_of)
def test_variant_for_citus_has_the_same_columns(db: Database, file: Path) -> None:
    with db.connect() as connection, connection.cursor() as cursor:
        text = re.sub(r"%\(\w+\)s", "NULL", statements.compose((file.stem,), NAMES, quoting(connection)))
        if text.startswith("COPY "):
            pytest.skip("its columns are those that are asked for")
        cursor.execute(f"BEGIN; {text.replace('%%', '%')}")
        told = statements.find_files()[file.stem].read_text().partition("-- Columns: ")[2]
        for column in cursor.description or ():
            if re.search(rf"\b{column.name}\b", told):  # what settings return has no name
                assert re.search(rf"\b{column.name}\b", statements.load(statement_of(file))), column.name


def test_every_statement_is_used() -> None:
    code = "".join(path.read_text() for path in (PROJECT / "app").rglob("*.py"))
    for file in FILES:
        assert f'"{file.stem}"' in code, file


def test_comments_with_percent_signs_are_gone() -> None:
    for file in FILES:
        assert "--" not in statements.load(statement_of(file))
        assert not re.search(r"%[^(%]", statements.load(statement_of(file))), file.name
