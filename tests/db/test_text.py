"""Text that becomes SQL: names of types, tables, columns and schemas are never executed."""

from contextlib import closing

import psycopg2
import pytest

from app.rotation.engine.db import statements
from app.rotation.engine.db.statements import Fragment
from tests.conftest import MIGRATED, SERVER, Database, quoting

#: What would be taken for a place in a format, a parameter, the end of a name, another statement.
NAMES = [
    *("{x}", "{pk}", "{target}", "{", "%s", "%(lo)s", "%1$I", "%", "a'b", 'a"b', "it''s", "$1", "$$"),
    *("; CREATE TABLE public.pwned (); --", '"; CREATE TABLE public.pwned (); --'),
    *("'; CREATE TABLE public.pwned (); --", '"); CREATE TABLE public.pwned (); --', "a\\'b"),
    *("/* never closed", "-- a comment", "new\nline", "int4", "select"),
]
KEYS = {
    "text": "g::text",
    'text COLLATE "C"': "g::text",
    "bigint": "g",
    "uuid": "md5(g::text)::uuid",
}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def make(db: Database, name: str, pk: str, domain: str, base: str = "text") -> str:
    """A table of that name, of ten rows, with a key of a domain in a schema of that name; its own name.

    Its schema is another one: a table is a type too. Its token is in the column token{name}.
    """
    kind = f"{quoted(name)}.{quoted(domain)}"
    table = f"{quoted('of ' + name)}.{quoted(name)}"
    db.sql("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    db.sql(
        f"CREATE SCHEMA {quoted(name)}; CREATE SCHEMA {quoted('of ' + name)};"
        f"CREATE DOMAIN {kind} AS {base};"
        f"CREATE TABLE {table}"
        f" ({quoted(pk)} {kind} PRIMARY KEY, {quoted('token' + name)} uuid DEFAULT gen_random_uuid());"
        f"INSERT INTO {table} ({quoted(pk)}) SELECT {KEYS[base]} FROM generate_series(1, 10) AS g"
    )
    return table


def rotates(db: Database, table: str, pk: str, token: str) -> None:
    """The dry run shows it, the run rotates every row once, and nothing else was executed."""
    select = f"SELECT {quoted(pk)}, {quoted(token)} FROM {table}"
    tables = "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p')"
    old, known = db.sql(select), db.value(tables)
    names = (f"--table={table}", f"--column={token}", f"--pk={pk}", "--lanes=3")
    done = db.call("rotate_tokens_sql", *names, "--dry-run")
    assert (done.code, done.err) == (0, "")
    done = db.call("rotate_tokens_sql", *names, "--window", "3")
    assert (done.code, done.err) == (0, "")
    new = db.sql(select)
    assert {key for key, _ in old} == {key for key, _ in new}
    assert len({token for _, token in old + new}) == 20
    assert db.value("SELECT sum(rows) FROM batchprogress") == 10
    assert db.value("SELECT to_regclass('public.pwned') IS NULL AND count(*) = 1 FROM t")
    assert db.value(tables) == known + 1  # the set of revoked tokens


@pytest.mark.parametrize("name", NAMES)
def test_names_of_types_are_not_executed(db: Database, name: str) -> None:
    """Nor those of tables, columns and schemas; the type's text is stored with the rotation, too."""
    rotates(db, make(db, name, name, name), name, f"token{name}")


@pytest.mark.parametrize(
    "pk", ["; CREATE TABLE public.pwned (); --", ' CREATE TABLE public.pwned (); "']
)
@pytest.mark.parametrize("domain", ["{pk}", "{column}", "{pk_type}", "%(lo)s{pk}", 'x"{pk}'])
def test_type_that_names_a_column_does_not_unquote_it(db: Database, domain: str, pk: str) -> None:
    """A domain called {pk} had the quoted name of the key put within its own quotes."""
    rotates(db, make(db, "s", pk, domain), pk, "tokens")


@pytest.mark.parametrize("base", KEYS)
def test_domains_of_every_kind_of_key(db: Database, base: str) -> None:
    rotates(db, make(db, "a'b%s", "{pk}", '"{x}', base), "{pk}", "tokena'b%s")


def test_names_of_collations_are_not_executed(db: Database) -> None:
    """They are stored with the lanes, whose trigger compares keys by them."""
    name = quoted("%s'; CREATE TABLE public.pwned (); --{x}")
    db.sql(f'CREATE SCHEMA "c%s"; CREATE COLLATION "c%s".{name} FROM "C"')
    db.sql("CREATE TABLE t (id int); INSERT INTO t VALUES (1);"
           f'CREATE TABLE keyed (id text COLLATE "c%s".{name} PRIMARY KEY, token uuid);'
           "INSERT INTO keyed SELECT g, gen_random_uuid() FROM generate_series(1, 10) AS g")  # fmt: skip
    rotates(db, "public.keyed", "id", "token")


@pytest.mark.parametrize(
    ("kind", "collation"),
    [
        ("int4); CREATE TABLE public.pwned (); --", ""),
        ("int4'; CREATE TABLE public.pwned (); --", ""),
        ("%s", ""),
        ("", ""),
        ("-", ""),
        ("text", '"C"); CREATE TABLE public.pwned (); --'),
        ("text", "%s"),
        ("text", "-"),
    ],
)
def test_text_in_the_state_is_not_executed(db: Database, kind: str, collation: str) -> None:
    """A role that may write to the state may write anything there; the trigger looks it up."""
    rotation = db.value(
        "INSERT INTO rotation (table_schema, table_name, table_oid, pk_column, pk_type, pk_collation,"
        " token_column, token_attnum, status, rows_total_exact, options, reason, operator, host)"
        " VALUES ('s', 't', 1, 'id', 'text', '', 'token', 2, 'running', false, '{}', '', '', '')"
        " RETURNING id"
    )
    with pytest.raises(psycopg2.Error):
        db.sql(
            "INSERT INTO batchprogress (rotation_id, lane, pk_type, pk_collation, lower, upper, rows,"
            " windows, worker) VALUES (%s, 0, %s, %s, '1', '9', 0, 0, '')",
            *(rotation, kind, collation),
        )
    assert db.value("SELECT to_regclass('public.pwned') IS NULL")


def test_bounds_of_partitions_are_not_executed(db: Database) -> None:
    """The cuts between lanes are read from the catalog's text of those bounds."""
    odd = "5'); CREATE TABLE public.pwned (); --{pk}%(lo)s"
    literal = "'" + odd.replace("'", "''") + "'"
    db.sql(
        'CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE DOMAIN "{pk}%s" AS text COLLATE "C";'
        'CREATE TABLE parted (id "{pk}%s" PRIMARY KEY, token uuid) PARTITION BY RANGE (id);'
        f"CREATE TABLE low PARTITION OF parted FOR VALUES FROM (MINVALUE) TO ({literal});"
        f"CREATE TABLE high PARTITION OF parted FOR VALUES FROM ({literal}) TO (MAXVALUE);"
        "INSERT INTO parted SELECT g::text, gen_random_uuid() FROM generate_series(0, 9) AS g"
    )
    done = db.call("rotate_tokens_sql", "--table", "parted")
    assert (done.code, done.err) == (0, "")
    assert db.sql("SELECT lower, upper FROM batchprogress ORDER BY lane") == [("0", "5"), ("6", "9")]
    assert db.value("SELECT to_regclass('public.pwned') IS NULL AND count(*) = 1 FROM t")


def test_keys_in_statistics_are_not_executed(db: Database) -> None:
    db.sql(
        "CREATE TABLE keyed (id text PRIMARY KEY, token uuid); INSERT INTO keyed SELECT"
        " 'a''b\"{pk},%s}' || g, gen_random_uuid() FROM generate_series(1, 500) AS g; ANALYZE keyed"
    )
    assert db.call("rotate_tokens_sql", "--table", "keyed", "--lanes", "4", "--dry-run").code == 0
    done = db.call("rotate_tokens_sql", "--table", "keyed", "--lanes", "4", "--window", "90")
    assert (done.code, done.err) == (0, "")
    assert db.value("SELECT sum(rows) FROM batchprogress HAVING count(*) = 4") == 500


@pytest.mark.parametrize("name", NAMES)
def test_names_are_filled_in_as_they_are(name: str) -> None:
    """With parameters and without: PostgreSQL gets the quoted name, and we read nothing in it."""
    names = {
        "target": (name, name), "pk": (name,), "pk_type": (name, name), "column": (name,),
        "new_token": Fragment("NULL::uuid"), "new_values": Fragment("{column} = NULL::uuid"),
        "window_values": Fragment("{column} = NULL::uuid"), "written": Fragment("true"),
        "chosen": Fragment("target.{column} IS NOT NULL"), "piece": Fragment("1"),
        "key": Fragment("target.{pk}"),
    }  # fmt: skip
    whole = f"{quoted(name)}.{quoted(name)}"
    # Closed come what may: the database is a template, which nobody may use while it is copied.
    with (
        closing(psycopg2.connect(**SERVER.address(MIGRATED))) as connection,
        connection.cursor() as cursor,
    ):
        text = statements.compose(("rotate_window",), names, quoting(connection))
        sent = cursor.mogrify(text, {"lo": "1", "hi": "2"}).decode()
        assert sent.count(f"::{whole}") == 2
        assert f"UPDATE {whole}" in sent
        assert f"FROM {whole}" in statements.compose(("count_rows",), names, quoting(connection))


def test_state_in_a_schema_with_an_odd_name(db: Database) -> None:
    """Its name precedes every statement, with parameters and without."""
    db.sql('CREATE SCHEMA "50% {x}"')
    db.sql(f"ALTER DATABASE {db.name} SET search_path = '50% {{x}}'")
    for command in ("migrate -v 0", "ticket --init --size 50", "rotate_tokens_sql", "rotation verify"):
        done = db.run(*command.split())
        assert (done.code, done.err) == (0, ""), command
    assert db.value('SELECT status FROM "50% {x}".rotation') == "succeeded"
