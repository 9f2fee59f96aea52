"""Copies of tokens outside of the column, found by value after the end."""

import re
from contextlib import closing
from typing import Any

import pytest

from tests.conftest import Database, Done
from tests.proof.copies import BARE, keeps_quiet, rotate
from tests.unguarded import UNGUARDED

SEARCH = ("rotation", "verify", "--search-copies")
THEN = "; delete or replace them there, and search again"


def finds(db: Database, *sentences: str) -> None:
    """The search ends with exit code 4 and one line, which holds these sentences and no other."""
    done = db.call(*SEARCH)
    assert done.code == 4, done
    assert done.err == f"Unproven: {' | '.join(sentences)}{THEN}"
    assert "revoked tokens survive in public.ticket.token, checked" in done.out
    keeps_quiet(db, done)


def finds_nothing(db: Database, *skipped: str, run: Any = None) -> Done:
    """The search ends with exit code 0; exactly this is named as not searched."""
    done = (run or db.call)(*SEARCH)
    assert (done.code, done.err) == (0, ""), done
    named = [line.removeprefix("not searched: ") for line in done.lines if "not searched" in line]
    assert named == list(skipped)
    other = "no other uuid, text or JSON column" + " that could be searched" * bool(skipped)
    assert re.fullmatch(
        other + r" holds a revoked token \(\d+ columns? of \d+ tables? searched\)", done.lines[-1]
    )
    keeps_quiet(db, done)
    return done


COPIES = {
    "uuid": ("CREATE TABLE audit (before uuid); INSERT INTO audit SELECT token FROM ticket",
             "20 rows of public.audit.before hold"),
    "one row": ("CREATE TABLE audit (before uuid); INSERT INTO audit SELECT token FROM ticket LIMIT 1",
                "1 row of public.audit.before holds"),
    "varchar without hyphens": (
        f"CREATE TABLE audit (before varchar(32)); INSERT INTO audit SELECT {BARE} FROM ticket",
        "20 rows of public.audit.before hold"),
    "char, capitals, braces": (
        "CREATE TABLE audit (before char(60));"
        "INSERT INTO audit SELECT '{' || upper(token::text) || '}' FROM ticket",
        "20 rows of public.audit.before hold"),
    "text with the token inside": (
        "CREATE TABLE audit (line text); INSERT INTO audit SELECT repeat('user ', id::int)"
        " || 'ädded /api?key=' || token || '&n=1 twice ' || token FROM ticket",
        "20 rows of public.audit.line hold"),
    "between other digits": (
        f"CREATE TABLE audit (line text); INSERT INTO audit SELECT id || {BARE} || 'abc' FROM ticket",
        "20 rows of public.audit.line hold"),
    "after a date": (
        "CREATE TABLE audit (line text);"
        "INSERT INTO audit SELECT current_date || '-' || token FROM ticket",
        "20 rows of public.audit.line hold"),
    "whole row as text": (
        "CREATE TABLE audit (row text); INSERT INTO audit SELECT ticket::text FROM ticket",
        "20 rows of public.audit.row hold"),
    "json": ("CREATE TABLE audit (doc json); INSERT INTO audit"
             " SELECT json_build_object('old', json_build_array(1, row_to_json(ticket))) FROM ticket",
             "20 rows of public.audit.doc hold"),
    "json with hyphens as escapejs of Django has them": (
        "CREATE TABLE audit (doc json); INSERT INTO audit SELECT"
        " replace(json_build_object('old', token)::text, '-', '\\u002D')::json FROM ticket",
        "20 rows of public.audit.doc hold"),
    "name": ("CREATE TABLE audit (before name); INSERT INTO audit SELECT token::text FROM ticket",
             "20 rows of public.audit.before hold"),
    "jsonb": ("CREATE TABLE audit (doc jsonb); INSERT INTO audit SELECT jsonb_agg(ticket) FROM ticket",
              "1 row of public.audit.doc holds"),
    "hstore": ("CREATE EXTENSION hstore; CREATE TABLE audit (row_data hstore);"
               "INSERT INTO audit SELECT hstore(ticket) FROM ticket",
               "20 rows of public.audit.row_data hold"),
    "arrays": ("CREATE TABLE audit (all_ uuid[]); INSERT INTO audit SELECT array_agg(token) FROM ticket",
               "1 row of public.audit.all_ holds"),
    "the same table": ("UPDATE ticket SET title = token::text WHERE id <= 7",
                       "7 rows of public.ticket.title hold"),
    "domains": ("CREATE DOMAIN secret AS uuid; CREATE DOMAIN hidden AS secret;"
                "CREATE TABLE audit (before hidden); INSERT INTO audit SELECT token FROM ticket",
                "20 rows of public.audit.before hold"),
    "no deterministic collation": (
        "CREATE COLLATION odd (provider = icu, locale = 'und', deterministic = false);"
        "CREATE TABLE audit (before text COLLATE odd); INSERT INTO audit SELECT token FROM ticket",
        "20 rows of public.audit.before hold"),
    "materialized view": ("CREATE MATERIALIZED VIEW report AS SELECT id, token FROM ticket",
                          "20 rows of public.report.token hold"),
    "partitions": (
        "CREATE TABLE audit (id int, before uuid) PARTITION BY RANGE (id);"
        "CREATE TABLE low PARTITION OF audit FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE high PARTITION OF audit DEFAULT; INSERT INTO audit SELECT id, token FROM ticket",
        "20 rows of public.audit.before hold"),
    "inheritance": (
        "CREATE TABLE audit (before uuid); CREATE TABLE heir () INHERITS (audit);"
        "INSERT INTO heir SELECT token FROM ticket", "20 rows of public.heir.before hold"),
    "names that need quotes": (
        'CREATE SCHEMA "Odd {0} 50%%"; CREATE TABLE "Odd {0} 50%%"."a ""b"".c" ("{x} %%s" text);'
        'INSERT INTO "Odd {0} 50%%"."a ""b"".c" SELECT token FROM ticket',
        '20 rows of Odd {0} 50%.a "b".c.{x} %s hold'),
}  # fmt: skip


@pytest.mark.parametrize("kind", COPIES)
def test_copy_is_found_by_value(db: Database, kind: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    make, says = COPIES[kind]
    if "icu" in make and not db.value("SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'"):
        pytest.skip("a server without ICU")
    db.sql(make.replace("%%", "%"))
    rotate(db)
    finds(db, f"{says} a revoked token")


def test_application_that_keeps_a_history(db: Database) -> None:
    """A history filled by the framework before the run, and a log after it: no trigger tells of them."""
    db.tickets(20)
    db.sql("CREATE TABLE tickets_historicalticket (history_id serial, token uuid, title text);"
           "INSERT INTO tickets_historicalticket (token, title) SELECT token, 'x' FROM ticket;"
           "CREATE TABLE log (line text); DROP TABLE changes CASCADE; DROP TRIGGER note ON ticket"
    )  # fmt: skip
    rotate(db)
    db.sql("INSERT INTO log SELECT 'GET /?t=' || upper(token) FROM before LIMIT 5")
    finds(
        db,
        "20 rows of public.before.token hold a revoked token",
        "5 rows of public.log.line hold a revoked token",
        "20 rows of public.tickets_historicalticket.token hold a revoked token",
    )
    db.sql("DROP TABLE log; DROP TABLE before; UPDATE tickets_historicalticket SET token = NULL")
    finds_nothing(db)


def test_copies_that_a_trigger_made(db: Database) -> None:
    """The fault that was reported: acknowledged, and found afterwards by value."""
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("ALTER TABLE ticket ADD previous text;"
           "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
           " 'BEGIN NEW.previous := OLD::text; RETURN NEW; END';"
           "CREATE TRIGGER keep BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION keep()"
    )  # fmt: skip
    rotate(db)
    finds(db, "20 rows of public.ticket.previous hold a revoked token")


def test_no_false_alarm(db: Database) -> None:
    """New tokens, other uuids, digests, long rows of digits and NULL are no revoked tokens."""
    db.insert("SELECT generate_series(1, %s)", 20)
    rotate(db)
    db.sql("CREATE TABLE log (line text, digest varchar, key uuid, doc jsonb, fixed char(64));"
           "INSERT INTO log SELECT 'token ' || token, md5(id::text) || md5(title), gen_random_uuid(),"
           " to_jsonb(ticket), md5(token::text) FROM ticket;"
           "INSERT INTO log SELECT repeat('0123456789abcdef', 5000), repeat('-', 100), NULL, 'null', '';"
           "INSERT INTO log VALUES (NULL), (repeat('deadbeef-', 300)), (repeat('z', 40))"
    )  # fmt: skip
    done = finds_nothing(db)
    at = re.search(r"^searching (\d+) of (\d+): public\.log$", done.out, re.MULTILINE)
    assert at, done.out
    db.sql("ANALYZE log")
    done = finds_nothing(db)
    steps = re.findall(
        r"^searching (\d+) of (\d+): (\S+)(?: \(about \d+ rows\))?$", done.out, re.MULTILINE
    )
    assert [int(number) for number, _, _ in steps] == list(range(1, len(steps) + 1))
    assert {int(tables) for _, tables, _ in steps} == {len(steps)}
    assert "public.log (about 24 rows)" in done.out
    assert "public.ticket" in {name for _, _, name in steps}  # its title and status
    assert not [name for _, _, name in steps if name.startswith(("public.rotation", "public.batch"))]
    assert done.lines[-1].endswith(f" of {len(steps)} tables searched)")


@pytest.mark.parametrize("type", ["text", "varchar(36)", "char(36)"])
def test_text_tokens(db: Database, type: str) -> None:
    """They are hashed as texts, and found as a uuid, or in another spelling."""
    db.sql(f"CREATE TABLE account (id int PRIMARY KEY, token {type} UNIQUE, note text);"
           "INSERT INTO account SELECT g, upper(gen_random_uuid()::text) FROM generate_series(1, 9) g;"
           "CREATE TABLE a (before uuid); INSERT INTO a SELECT token::uuid FROM account;"
           "CREATE TABLE b (before text); INSERT INTO b SELECT 'x' || lower(token) FROM account"
    )  # fmt: skip
    rotate(db, "--table", "account")
    done = db.call(*SEARCH)
    assert (done.code, done.err) == (
        4,
        "Unproven: 9 rows of public.a.before hold a revoked token"
        f" | 9 rows of public.b.before hold a revoked token{THEN}",
    )
    db.sql("DROP TABLE a, b")
    finds_nothing(db)


def test_tokens_of_a_cancelled_rotation_count_too(db: Database) -> None:
    db.tickets(60)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 40)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "20").code == 1
    assert db.call("rotation", "cancel").code == 0
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop")
    rotate(db)
    db.sql("DROP TRIGGER note ON ticket; DROP TABLE changes")
    finds(db, "60 rows of public.before.token hold a revoked token")


def test_survivors_and_copies_are_told_together(db: Database) -> None:
    db.tickets(20)
    rotate(db)
    db.sql(f"{UNGUARDED} UPDATE ticket SET token = before.token::uuid FROM before"
           " WHERE before.id = ticket.id::text AND ticket.id = 7")  # fmt: skip
    done = db.call(*SEARCH)
    assert done.code == 4
    assert "1 row of public.ticket.token" in done.err or "1 of 20 revoked" in done.err, done.err
    assert done.err.endswith(f" | 20 rows of public.before.token hold a revoked token{THEN}")
    keeps_quiet(db, done)


def test_verify_alone_searches_nothing(db: Database) -> None:
    db.tickets(20)
    rotate(db)
    done = db.call("rotation", "verify")
    assert (done.code, len(done.lines)) == (0, 1)


def test_what_this_role_may_not_read_is_named(db: Database) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    rotate(db)
    role = db.name
    db.sql(f"""
        CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role};
        CREATE TABLE closed (number int, token uuid);
        CREATE TABLE numbers (number int);
        CREATE TABLE partly (number int, token uuid, note text, more text);
        GRANT SELECT (note, more) ON partly TO {role};
        CREATE SCHEMA kept; CREATE TABLE kept.one (token uuid, note text);
        GRANT SELECT ON kept.one TO {role};
        CREATE TABLE hiding (note text); ALTER TABLE hiding ENABLE ROW LEVEL SECURITY;
        GRANT SELECT ON hiding TO {role};
        CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
        CREATE FOREIGN TABLE elsewhere (note text) SERVER files OPTIONS (filename '/dev/null');
        CREATE MATERIALIZED VIEW unfilled AS SELECT token FROM ticket WITH NO DATA;
        CREATE TABLE mixed (id int, note text) PARTITION BY LIST (id);
        CREATE FOREIGN TABLE far PARTITION OF mixed FOR VALUES IN (1)
            SERVER files OPTIONS (filename '/dev/null');
        CREATE TABLE near PARTITION OF mixed FOR VALUES IN (2); GRANT SELECT ON near TO {role};
        INSERT INTO near VALUES (2, repeat('x', 50));
    """)
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
    denied = "this role may not read it: GRANT SELECT on it"
    foreign = "a foreign table: search it on the server that holds it"
    skipped = [
        "kept.one (this role may not use its schema: GRANT USAGE on it)",
        f"public.closed ({denied})",
        f"public.elsewhere ({foreign})",
        f"public.far ({foreign})",
        "public.hiding (row-level security hides some of its rows from this role)",
        f"public.partly.token ({denied})",
    ]
    run = lambda *arguments: db.run(*arguments, env=environment)  # noqa: E731
    try:
        done = finds_nothing(db, *skipped, run=run)
        assert "public.near" in done.out
        assert "public.partly" in done.out
        # What may be read of such a table is searched.
        db.sql("INSERT INTO partly (more) SELECT 'x'; CREATE TABLE old AS SELECT token FROM ticket")
        assert db.call("rotate_tokens_sql", "--new").code == 0
        db.sql("UPDATE partly SET more = (SELECT token FROM old LIMIT 1);"
               "UPDATE near SET note = (SELECT token FROM old LIMIT 1)")  # fmt: skip
        found = run(*SEARCH)
        assert found.code == 4
        assert "1 row of public.near.note holds a revoked token" in found.err
        assert "1 row of public.partly.more holds a revoked token" in found.err
    finally:
        db.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_table_that_fails_is_named_and_the_others_are_searched(db: Database) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("CREATE TABLE locked (note text); CREATE TABLE zebra AS SELECT token FROM ticket")
    rotate(db)
    with closing(db.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE locked")
        done = db.call(*SEARCH)
    assert (done.code, done.err) == (
        4, f"Unproven: 20 rows of public.zebra.token hold a revoked token{THEN}"
    )  # fmt: skip
    assert "not searched: public.locked (search copies: lock not available)" in done.out


def test_copies_are_searched_for_in_the_table_itself(db: Database) -> None:
    """An index that lacks rows hides none of them."""
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("CREATE TABLE audit (before uuid, filler text); CREATE INDEX lacking ON audit (before);"
           "INSERT INTO audit SELECT gen_random_uuid(), repeat('x', 900) FROM generate_series(1, 5000);"
           "UPDATE pg_index SET indisready = false WHERE indexrelid = 'lacking'::regclass;"
           "INSERT INTO audit SELECT token FROM ticket")  # fmt: skip
    db.sql("UPDATE pg_index SET indisready = true WHERE indexrelid = 'lacking'::regclass;"
           "ALTER TABLE audit DROP filler")  # fmt: skip
    db.sql("VACUUM ANALYZE audit")
    text = "EXPLAIN SELECT row_number() OVER (), before FROM audit"
    assert any("Index Only Scan" in line for (line,) in db.sql(text))  # what PostgreSQL would do
    rotate(db)
    finds(db, "20 rows of public.audit.before hold a revoked token")


def test_type_that_is_called_like_one_that_is_known(db: Database) -> None:
    """What somebody made of that name may bring code along, which nobody runs for him."""
    db.tickets(20)
    assert db.call("rotate_tokens_sql").code == 0
    db.sql(
        "CREATE SCHEMA evil; CREATE TYPE evil.citext AS (x text); CREATE SEQUENCE evil.calls;"
        "CREATE FUNCTION evil.f(evil.citext[]) RETURNS text LANGUAGE sql AS"
        " $$ SELECT nextval('evil.calls')::text $$;"
        "CREATE CAST (evil.citext[] AS text) WITH FUNCTION evil.f(evil.citext[]);"
        "CREATE TABLE evil.t (c evil.citext[]); INSERT INTO evil.t VALUES ('{}')"
    )
    db.sql("DROP TABLE IF EXISTS before, changes")
    finds_nothing(db)
