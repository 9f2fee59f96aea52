"""Triggers and rules on the table: refused, warned of or noted."""

import re

import pytest

from tests.conftest import Database
from tests.preflight.findings import finds
from tests.proof.copies import preflight

TRIGGER = (
    "CREATE FUNCTION react() RETURNS trigger LANGUAGE {language} AS $$ {body} $$;"
    "CREATE TRIGGER react {when} EXECUTE FUNCTION react()"
)


def test_full_search_is_proposed_for_triggers(db: Database) -> None:
    db.sql("DROP TABLE IF EXISTS django_admin_log; CREATE TABLE kept (row text);"
           "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
           " 'BEGIN INSERT INTO kept VALUES (OLD::text); RETURN NULL; END';"
           "CREATE TRIGGER keep AFTER DELETE ON ticket FOR EACH ROW EXECUTE FUNCTION keep()"
    )  # fmt: skip
    then = "afterwards run python manage.py rotation verify"
    said = rf"^note +trigger keep .*, and may have kept old tokens; {then}"
    assert re.search(said, preflight(db), re.MULTILINE)


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


@pytest.mark.parametrize(
    ("when", "body"),
    [
        ("AFTER UPDATE ON ticket FOR EACH ROW",
         "BEGIN INSERT INTO audit VALUES (OLD.token); RETURN NULL; END"),
        ("BEFORE UPDATE OF token ON ticket FOR EACH ROW",
         "BEGIN PERFORM pg_notify('tokens', OLD.token::text); RETURN NEW; END"),
        ("AFTER UPDATE ON ticket REFERENCING OLD TABLE AS gone FOR EACH STATEMENT",
         "BEGIN INSERT INTO audit SELECT token FROM gone; RETURN NULL; END"),
        ("AFTER UPDATE ON ticket FOR EACH ROW",
         "BEGIN EXECUTE 'SELECT 1'; RETURN NULL; END"),
        # A call in an expression, of a function that may do anything; the same with a name in quotes.
        ("AFTER UPDATE ON ticket FOR EACH ROW",
         "DECLARE v int; BEGIN v := keep(to_jsonb(OLD)); RETURN NULL; END"),
        ("BEFORE UPDATE ON ticket FOR EACH ROW",
         'BEGIN NEW.title := "Keep It" (OLD.id); RETURN NEW; END'),
        # Into another column of the same row.
        ("BEFORE UPDATE ON ticket FOR EACH ROW",
         "BEGIN NEW.title := OLD.token; RETURN NEW; END"),
    ],
)  # fmt: skip
def test_trigger_that_may_copy(db: Database, when: str, body: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("CREATE TABLE audit (token uuid);"
           "CREATE FUNCTION keep(jsonb) RETURNS int LANGUAGE sql AS 'SELECT 1';"
           "CREATE FUNCTION \"Keep It\"(bigint) RETURNS text LANGUAGE sql AS 'SELECT $1::text';"
           + TRIGGER.format(language="plpgsql", body=body, when=when))  # fmt: skip
    each = "window" if "STATEMENT" in when else "row"
    finds(
        db,
        rf"refuse trigger react \(react\) on public.ticket runs for every {each} and may copy old tokens"
        " elsewhere: check it, delete or rotate what it copied, then add --ack-triggers",
    )
    finds(db, r"warn trigger react \(react\) on public.ticket may keep copies", "--ack-triggers")


def test_triggers_that_can_not_copy(db: Database) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    body = "BEGIN IF (NEW.title IS NULL) THEN NEW.title := lower(trim(OLD.title)); END IF;"
    body += " NEW.updated_at := pg_catalog.now(); RETURN NEW; END"
    when = "BEFORE UPDATE ON ticket FOR EACH ROW"
    db.sql(TRIGGER.format(language="plpgsql", body=body, when=when))
    finds(db, "warn trigger react .* runs for every row, and slows the rotation")


@pytest.mark.parametrize(
    "when",
    [
        "AFTER INSERT ON ticket FOR EACH ROW",
        "AFTER DELETE ON ticket FOR EACH ROW",
        "AFTER UPDATE OF title ON ticket FOR EACH ROW",
    ],
)
def test_triggers_that_do_not_fire(db: Database, when: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    body = "BEGIN INSERT INTO audit VALUES (OLD.token); RETURN NULL; END"
    db.sql("CREATE TABLE audit (token uuid);"
           + TRIGGER.format(language="plpgsql", body=body, when=when))  # fmt: skip
    finds(db, "note trigger react .* does not fire for the rotation's UPDATE")


def test_disabled_trigger_does_not_fire(db: Database) -> None:
    db.tickets(20)
    db.sql("ALTER TABLE ticket DISABLE TRIGGER note")
    finds(db, r"note trigger note \(note\) on public.ticket does not fire")


@pytest.mark.parametrize("rule", ["INSTEAD NOTHING", "ALSO INSERT INTO audit VALUES (OLD.token)"])
def test_rule(db: Database, rule: str) -> None:
    db.sql(f"CREATE TABLE audit (token uuid); CREATE RULE odd AS ON UPDATE TO ticket DO {rule}")
    finds(db, "refuse the rule odd rewrites every UPDATE of public.ticket: drop it")
