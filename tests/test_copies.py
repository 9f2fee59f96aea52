"""Copies of tokens outside of the column: warned of before the run, and found by value after it."""

import re
from contextlib import closing
from typing import Any

import pytest

from tests.conftest import WITHOUT_GUARD, Database, Done

SEARCH = ("rotation", "verify", "--search-copies")


def tokens(db: Database) -> set[str]:
    """Every token that a row holds now, or held when `remember` was called, in both spellings."""
    held = {token for (token,) in db.sql("SELECT token::text FROM ticket")}
    if db.value("SELECT to_regclass('before') IS NOT NULL"):
        held |= {token for (token,) in db.sql("SELECT token FROM before")}
    return held | {token.replace("-", "") for token in held}


def keeps_quiet(db: Database, done: Done) -> None:
    """No token is told, in whatever spelling."""
    text = (done.out + done.err).lower()
    assert not [token for token in tokens(db) if token in text]


def rotate(db: Database, *flags: str) -> None:
    done = db.call("rotate_tokens_sql", *flags)
    assert (done.code, done.err) == (0, ""), done
    keeps_quiet(db, done)


def finds(db: Database, *sentences: str) -> None:
    """The search ends with exit code 4 and one line, which holds these sentences and no other."""
    done = db.call(*SEARCH)
    assert done.code == 4, done
    assert done.err == f"Unproven: {' | '.join(sentences)}"
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


# The search after the end

BARE = "replace(token::text, '-', '')"
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
        " | 9 rows of public.b.before hold a revoked token",
    )
    db.sql("DROP TABLE a, b")
    finds_nothing(db)


def test_tokens_of_a_cancelled_rotation_count_too(db: Database) -> None:
    db.tickets(60)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (id <= 40) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "20").code == 1
    assert db.call("rotation", "cancel").code == 0
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop")
    rotate(db)
    db.sql("DROP TRIGGER note ON ticket; DROP TABLE changes")
    finds(db, "60 rows of public.before.token hold a revoked token")


def test_survivors_and_copies_are_told_together(db: Database) -> None:
    from tests.test_proof import UNGUARDED

    db.tickets(20)
    rotate(db)
    db.sql(f"{UNGUARDED} UPDATE ticket SET token = before.token::uuid FROM before"
           " WHERE before.id = ticket.id::text AND ticket.id = 7")  # fmt: skip
    done = db.call(*SEARCH)
    assert done.code == 4
    assert "1 row of public.ticket.token" in done.err or "1 of 20 revoked" in done.err, done.err
    assert done.err.endswith(" | 20 rows of public.before.token hold a revoked token")
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
        4, "Unproven: 20 rows of public.zebra.token hold a revoked token"
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


# What the preflight says


def preflight(db: Database, *flags: str) -> str:
    """The dry run's words, without a token; nothing is written."""
    done = db.call("rotate_tokens_sql", "--dry-run", *flags)
    keeps_quiet(db, done)
    return done.out


HOLDS = "warn       {} holds values of public.ticket.token: rows that refer to a token without a foreign"
SHARED = {
    "uuid": ("CREATE TABLE session (id int, token uuid);"
             "INSERT INTO session SELECT id, token::uuid FROM ticket", "public.session.token"),
    "one of many": (
        "CREATE TABLE session (token uuid);"
        "INSERT INTO session SELECT gen_random_uuid() FROM generate_series(1, 500);"
        "INSERT INTO session SELECT token::uuid FROM ticket LIMIT 1", "public.session.token"),
    "varchar without hyphens": (
        f"CREATE TABLE session (key varchar(40)); INSERT INTO session SELECT upper({BARE}) FROM ticket",
        "public.session.key"),
    "char": ("CREATE TABLE session (key char(40)); INSERT INTO session SELECT token FROM ticket",
             "public.session.key"),
    "a collation of its own": (
        'CREATE TABLE session (key text COLLATE "C"); INSERT INTO session'
        " SELECT token FROM ticket", "public.session.key"),
    "the same table": ("UPDATE ticket SET title = token::text", "public.ticket.title"),
    "materialized view": ("CREATE MATERIALIZED VIEW seen AS SELECT token FROM ticket",
                          "public.seen.token"),
    "partitions": ("CREATE TABLE session (id int, token uuid) PARTITION BY LIST (id);"
                   "CREATE TABLE part PARTITION OF session DEFAULT;"
                   "INSERT INTO session SELECT id, token::uuid FROM ticket", "public.session.token"),
    "names that need quotes": (
        'CREATE TABLE "My {0} 5%" ("a ""b"" %s" uuid);'
        'INSERT INTO "My {0} 5%" SELECT token::uuid FROM ticket',
        'public.My {0} 5%.a "b" %s'),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHARED)
@pytest.mark.parametrize("type", ["uuid", "text", "char(36)", "uuid without an index"])
def test_column_that_holds_tokens_without_a_foreign_key(db: Database, kind: str, type: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    if type != "uuid":
        db.sql("ALTER TABLE ticket DROP CONSTRAINT ticket_token_key")
    if type in ("text", "char(36)"):
        db.sql(f"{WITHOUT_GUARD}; ALTER TABLE ticket ALTER token TYPE {type};"
               "CREATE INDEX ON ticket (token)")  # fmt: skip
    make, name = SHARED[kind]
    db.sql(make)
    said = preflight(db)
    assert HOLDS.format(name) in said, said
    assert said.count(" holds values of ") == 1


def test_columns_that_share_nothing_with_the_token(db: Database) -> None:
    """Other uuids, a foreign key (which is told as such), NULL, the rotation's own state."""
    db.insert("SELECT generate_series(1, %s)", 20)
    rotate(db)
    db.sql("CREATE TABLE other (key uuid, text text, word varchar(40), fixed char(36));"
           "INSERT INTO other SELECT gen_random_uuid(), gen_random_uuid(), 'x', gen_random_uuid()"
           " FROM generate_series(1, 100); INSERT INTO other DEFAULT VALUES;"
           "CREATE TABLE child (key uuid REFERENCES ticket (token) ON UPDATE CASCADE);"
           "INSERT INTO child SELECT token FROM ticket")  # fmt: skip
    said = preflight(db, "--new", "--allow-fk")
    assert "holds values of" not in said
    assert "not checked for values" not in said
    assert "foreign key child_key_fkey" in said


def test_sample_of_large_tables_uses_an_index(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """No large table is scanned: whichever side has an index is asked; what has none is counted."""
    from app.rotation.engine.preflight import sampling

    db.insert("SELECT generate_series(1, %s)", 3000)
    db.sql("ALTER TABLE ticket DROP CONSTRAINT ticket_token_key;"
           "CREATE TABLE with_index AS SELECT token::text AS key FROM ticket;"
           "CREATE INDEX ON with_index (key); CREATE TABLE without AS SELECT token AS key FROM ticket;"
           "CREATE TABLE partial AS SELECT token AS key FROM ticket;"
           "CREATE INDEX ON partial (key) WHERE key IS NULL; ANALYZE")  # fmt: skip
    monkeypatch.setattr(sampling, "SMALL_PAGES", 1)
    said = preflight(db)
    assert HOLDS.format("public.with_index.key") in said
    # Two that have no index, and the target itself: a column of its own may hold tokens too.
    assert "note       3 tables were not checked for values of public.ticket.token (too slow" in said
    assert said.count(" holds values of ") == 1
    db.sql("CREATE INDEX ON ticket (token)")
    said = preflight(db)
    assert "not checked for values" not in said
    for table in ("with_index", "without", "partial"):
        assert HOLDS.format(f"public.{table}.key") in said


def test_sample_takes_little_time(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that does not answer is given up, and after a while the rest is."""
    from app.rotation.engine.preflight import sampling

    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("CREATE TABLE a AS SELECT gen_random_uuid(); CREATE TABLE b AS SELECT token FROM ticket")
    db.sql("ANALYZE a")
    with closing(db.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE a")
        said = preflight(db)
        assert "note       1 table was not checked" in said
        assert HOLDS.format("public.b.token") in said
        monkeypatch.setattr(sampling, "ALL_SECONDS", 0.5)
        said = preflight(db)
    assert HOLDS.format("public.b.token") not in said
    assert re.search(r"note +\d+ tables were not checked", said)


def test_run_keeps_what_the_sample_found(db: Database) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("CREATE TABLE session AS SELECT token FROM ticket")
    done = db.call("rotate_tokens_sql")
    assert (done.code, done.err) == (0, "")
    assert "warn: public.session.token holds values of public.ticket.token: rows that" in done.out
    assert "public.session.token" in db.value("SELECT findings::text FROM rotation")


PROPOSED = r"^note +{} may keep old tokens: afterwards run rotation verify --search-copies$"


@pytest.mark.parametrize(
    "name",
    ["ticket_history", "tickets_historicalticket", "audit_log", "log", "ticket_archive", "backup2025",
     "ticket_old", "hist_ticket", "TicketVersion", "ticket_versions", "auditlog_logentry", "eventlog"],
)  # fmt: skip
def test_name_that_tells_of_copies(db: Database, name: str) -> None:
    db.sql(f'DROP TABLE IF EXISTS django_admin_log; CREATE TABLE "{name}" (note text)')
    assert re.search(PROPOSED.format(f"public.{name}"), preflight(db), re.MULTILINE)


@pytest.mark.parametrize("name", ["blog", "catalog", "login", "conversion", "golden", "dialogue"])
def test_name_that_tells_of_none(db: Database, name: str) -> None:
    db.sql(f'DROP TABLE IF EXISTS django_admin_log; CREATE TABLE "{name}" (note text)')
    assert "may keep old tokens" not in preflight(db)


def test_full_search_is_proposed_for_triggers(db: Database) -> None:
    db.sql("DROP TABLE IF EXISTS django_admin_log; CREATE TABLE kept (row text);"
           "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
           " 'BEGIN INSERT INTO kept VALUES (OLD::text); RETURN NULL; END';"
           "CREATE TRIGGER keep AFTER DELETE ON ticket FOR EACH ROW EXECUTE FUNCTION keep()"
    )  # fmt: skip
    said = r"^note +trigger keep .*, and may have kept old tokens; afterwards run rotation verify"
    assert re.search(said, preflight(db), re.MULTILINE)


# Triggers that keep whole rows

SUSPECT = {
    "as text": "NEW.title := OLD::text;",
    "as text, spaces": "NEW.title := OLD :: text;",
    "small letters": "new.title := old::text;",
    "name in quotes": 'NEW.title := "old"::text;',
    "comment between": "NEW.title := OLD/* row */::text;",
    "to_jsonb": "NEW.title := to_jsonb(OLD);",
    "row_to_json": "NEW.title := row_to_json(OLD)::text;",
    "all columns": "NEW.title := ROW(OLD.*)::text;",
    "new row": "NEW := OLD;",
    "concatenated": "NEW.title := 'was ' || OLD;",
    "format": "NEW.title := format('%s', OLD);",
    "allowed function": "NEW.title := concat(OLD);",
    "assigned by =": "DECLARE r record; BEGIN r = OLD; NEW.title := left(r::text, 90); END;",
    "declared": "DECLARE r record := OLD; BEGIN NEW.title := r::text; END;",
    "alias": "DECLARE r ALIAS FOR OLD; BEGIN NEW.title := r::text; END;",
    "dynamic": "EXECUTE 'SELECT $1::text' INTO NEW.title USING OLD;",
    "code after a text with hyphens": "NEW.status := '--'; NEW.title := OLD::text;",
    "code after a text with a comment": "NEW.status := '/*'; NEW.title := OLD::text; -- */",
    "escaped quote": r"NEW.status := E'\''; NEW.title := OLD::text; NEW.status := '';",
    "comments in a comment": "/* /* */ ' */ NEW.title := OLD::text; -- '",
    "text between dollars": "NEW.status := $q$'$q$; NEW.title := OLD::text; -- '",
    "compared, then used": "IF OLD IS DISTINCT FROM NEW THEN NEW.title := OLD::text; END IF;",
    # No word of OLD as a whole: the row is read from the table again.
    "read again": "NEW.title := (SELECT t::text FROM ticket AS t WHERE t.id = NEW.id);",
    "read again without SELECT": "NEW.title := t::text FROM ticket AS t WHERE t.id = NEW.id;",
    # A function of the user's with the name of a harmless one.
    "schema apart from the name": "NEW.title := mine . lower(NEW.id::text);",
    "comment before the parenthesis": "NEW.title := keep/* */(NEW.id);",
}


def react(db: Database, body: str) -> None:
    db.sql("CREATE FUNCTION react() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN "
           + body + "\nRETURN NEW; END $body$;"
           "CREATE TRIGGER react BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION react()"
    )  # fmt: skip


@pytest.mark.parametrize("kind", SUSPECT)
def test_trigger_that_keeps_whole_rows_is_suspect(db: Database, kind: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 5)
    db.acknowledges = False
    db.sql("CREATE SCHEMA mine;"
           "CREATE FUNCTION mine.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1';"
           "CREATE FUNCTION keep(bigint) RETURNS text LANGUAGE sql AS 'SELECT $1::text'")  # fmt: skip
    react(db, SUSPECT[kind])
    done = db.call("rotate_tokens_sql")
    assert done.code == 1, done
    assert (
        "trigger react (react) on public.ticket runs for every row and may copy old tokens" in done.err
    )


HARMLESS = {
    "stamp": "NEW.updated_at := now();",
    "comments": "-- the old row, as a new one: OLD::text\nNEW.updated_at := now(); /* insert NEW */",
    "words in a text": "NEW.title := 'old and new, select from it';",
    "other columns": 'NEW.title := OLD . title || new."status";',
    "compared": "IF NEW IS DISTINCT FROM OLD THEN NEW.updated_at := now(); END IF;",
    "compared, all columns": "IF NEW.* IS NOT DISTINCT FROM OLD.* THEN RETURN OLD; END IF;",
    "a column compared": "IF NEW.title IS DISTINCT FROM OLD.title THEN NEW.status := 'x'; END IF;",
    "is there": "IF OLD IS NOT NULL THEN RETURN COALESCE(NEW, OLD); END IF;",
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_trigger_that_keeps_nothing_is_slower_only(db: Database, kind: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 5)
    db.acknowledges = False
    react(db, HARMLESS[kind])
    said = preflight(db)
    assert "runs for every row, and slows the rotation" in said, said
    assert "trigger react:" not in said


def test_column_with_a_quote_in_its_name(db: Database) -> None:
    db.sql('CREATE TABLE account (id int PRIMARY KEY, "a""b" uuid, note text);'
           "CREATE FUNCTION react() RETURNS trigger LANGUAGE plpgsql AS"
           """ 'BEGIN NEW.note := OLD."a""b"; RETURN NEW; END';"""
           "CREATE TRIGGER react BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION react()"
    )  # fmt: skip
    db.acknowledges = False
    done = db.call("rotate_tokens_sql", "--table", "account", "--column", 'a"b')
    assert (done.code, "may copy old tokens" in done.err) == (1, True), done


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
