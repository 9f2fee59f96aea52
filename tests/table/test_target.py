"""Tables and columns that can't be rotated, and names of those that can."""

import pytest

from app.rotation.engine.errors import UsageError
from app.rotation.engine.table.target import parse_table
from tests.conftest import Database
from tests.management.refused import refused

OBJECTS = """
    CREATE VIEW a_view AS SELECT * FROM ticket;
    CREATE MATERIALIZED VIEW a_matview AS SELECT * FROM ticket;
    CREATE SEQUENCE a_sequence;
    CREATE TABLE keyless (id int, token uuid);
    CREATE TABLE composite (a int, b int, token uuid, PRIMARY KEY (a, b));
    CREATE TABLE parent (id int PRIMARY KEY, token uuid);
    CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
    CREATE TABLE whole (id int PRIMARY KEY, token uuid) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF whole DEFAULT;
    CREATE TABLE float_key (id float8 PRIMARY KEY, token uuid);
    CREATE TABLE fixed_key (id char(8) PRIMARY KEY, token uuid);
    CREATE TABLE odd (
        id int PRIMARY KEY, token uuid, number int,
        made uuid GENERATED ALWAYS AS ('00000000-0000-0000-0000-000000000000'::uuid) STORED
    );
    CREATE TABLE self_key (token uuid PRIMARY KEY);
    CREATE EXTENSION file_fdw;
    CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
    CREATE FOREIGN TABLE a_foreign (id int, token uuid) SERVER files OPTIONS (filename '/dev/null');
    CREATE TABLE {long} (id int PRIMARY KEY, token uuid);
    CREATE SCHEMA "Odd Schema";
    CREATE TABLE "Odd Schema"."Mixed.Case" (id int PRIMARY KEY, token uuid);
"""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--table", "a_view"], "public.a_view is a view: name the table behind it"),
        (["--table", "a_matview"], "is a materialized view: name the table behind it"),
        (["--table", "a_sequence"], "is a sequence"),
        (["--table", "a_foreign"], "is a foreign table: run the command on the server that holds it"),
        (["--table", "ticket_pkey"], "is an index"),
        (["--table", "keyless"], "public.keyless has no primary key: windows need one; add a column to"),
        (["--table", "composite"], r"primary key of several columns \(a, b\)"),
        (["--table", "parent"], "table inheritance"),
        (["--table", "child"], "table inheritance"),
        (["--table", "part"], "public.part is a partition: rotate the whole table, whole"),
        (["--table", "float_key"], "id is of type double precision: windows can walk bigint, "),
        (["--table", "fixed_key"], "id is of type character"),
        (["--table", "pg_class"], "PostgreSQL's own"),
        (["--table", "pg_catalog.pg_class"], "PostgreSQL's own"),
        (["--table", "tickett"], r"no table 'tickett' in this database; did you mean --table ticket\?"),
        (["--table", "Ticket"], r"did you mean --table ticket\?"),
        (["--table", "Odd Schema.MixedCase"], r"did you mean --table 'Odd Schema.\"Mixed.Case\"'\?"),
        (["--table", "public.tiket"], r"did you mean --table public.ticket\?"),
        (["--table", "nothing_like_it_at_all"], "name it as schema.table"),
        (["--table", "Mixed.Case"], r"no table 'Mixed.Case' in this database"),
        (["--table", "t" * 70], "no table"),
        (["--table", "ticket", "--column", "tokn"], r"no column 'tokn'; did you mean \"token\"\?"),
        (["--table", "ticket", "--column", "zzz"], "name one with --column: id, title, status, token"),
        (["--table", "ticket", "--column", "id"], "is the primary key itself"),
        (["--table", "self_key"], "is the primary key itself"),
        (["--table", "odd", "--column", "number"], "is of type integer: uuid, text, varchar and char"),
        (["--table", "odd", "--column", "made"], "is generated from other columns"),
        (["--table", "ticket", "--pk", "title"], "--pk title: the primary key of public.ticket is id"),
        (["--column", "nosuch"], "has no column 'nosuch'"),
    ],
)
def test_target(db: Database, arguments: list[str], says: str) -> None:
    db.sql(OBJECTS.replace("{long}", "t" * 63))
    refused(db, *arguments, says=f"^Refused: .*{says}")


def test_temporary_table(db: Database) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE temporary (id int PRIMARY KEY, token uuid)")
        refused(db, "--table", "temporary", says="is a temporary table")


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".b", "a.b.c", 'a"b', '"a', '""', "a\0b", '"a".b.c', "a..b"]
)
def test_table_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError, match=r"^--table .*expected table or schema.table"):
        parse_table(name)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("ticket", (None, "ticket")),
        ("public.ticket", ("public", "ticket")),
        ('"Odd Schema"."Mixed.Case"', ("Odd Schema", "Mixed.Case")),
        ('public."say ""hi"""', ("public", 'say "hi"')),
        ("Mixed Case%s", (None, "Mixed Case%s")),
    ],
)
def test_table_names_that_are_some(text: str, parsed: tuple[str | None, str]) -> None:
    assert parse_table(text) == parsed


@pytest.mark.parametrize(
    "name",
    [
        *("percent%s", "per%%cent", 'quo"te', "semi;colon", "br{a}ces", "Ünïcode", "sp ace", "it's"),
        *("Mixed Case", "do.t", "back\\slash", "select", "l" * 58, "dollar$1", "new\nline"),
    ],
)
def test_odd_names_are_rotated(db: Database, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    escaped = quoted.replace("%", "%%")
    db.sql(
        f"CREATE SCHEMA {escaped}; CREATE TABLE {escaped}.{escaped}"
        f" ({escaped} int PRIMARY KEY, \"token{escaped[1:]} uuid DEFAULT gen_random_uuid());"
        f"INSERT INTO {escaped}.{escaped} SELECT generate_series(1, %s)", 10,
    )  # fmt: skip
    names = (f"--table={quoted}.{quoted}", "--column", f"token{name}", "--pk", name)
    assert db.call("rotate_tokens_sql", *names, "--dry-run").code == 0
    old = db.sql(f'SELECT "token{quoted[1:]} FROM {quoted}.{quoted}')
    done = db.call("rotate_tokens_sql", *names, "--window", "4")
    assert (done.code, done.err) == (0, "")
    new = db.sql(f'SELECT "token{quoted[1:]} FROM {quoted}.{quoted}')
    assert len(set(old) | set(new)) == 20


def test_key_with_included_columns(db: Database) -> None:
    db.sql("CREATE TABLE covering (id int, token uuid, note int, PRIMARY KEY (id) INCLUDE (note));"
           "INSERT INTO covering SELECT 1, gen_random_uuid()")  # fmt: skip
    assert db.call("rotate_tokens_sql", "--table", "covering").code == 0
