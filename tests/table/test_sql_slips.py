"""What SQL of the operator's own would do wrong, found before anything is replaced."""

from django.test import override_settings

from tests.conftest import Database
from tests.table.test_own_sql import ROWS, fill, rotate


def far(db: Database, column: str) -> None:
    """Rows enough that those looked at first are not those that are to be rotated."""
    db.sql(
        f"CREATE TABLE far (id int PRIMARY KEY, token text, {column} text);"
        f"INSERT INTO far SELECT n, 'old_' || n, CASE WHEN n <> 4000 THEN n::text END"
        " FROM generate_series(1, 5000) AS n"
    )


def test_expression_is_tried_with_rows_that_are_rotated(db: Database) -> None:
    far(db, "about")
    run = ("rotate_tokens_sql", "--table", "far", "--where", "id > 3000", "--expression")
    done = db.call(*run, "CASE WHEN id > 3000 THEN 'one for all' ELSE id::text END")
    assert done.code == 1
    assert "of 1000 rows for which --expression was evaluated, only 1 got a token of" in done.err
    # What writes can't be tried beforehand.
    db.sql(
        "CREATE TABLE made (n int); CREATE FUNCTION make() RETURNS text LANGUAGE sql VOLATILE AS"
        " $$INSERT INTO made VALUES (1); SELECT 'one for all'$$"
    )
    done = db.call(*run, "make()")
    assert done.code == 1
    assert "window 3001..4000 of public.far.token 1000 rows got only 1 different tokens" in done.err
    assert db.value("SELECT count(*) FROM far WHERE token LIKE 'old%'") == 5000


def test_format_is_compared_with_tokens_that_are_replaced(db: Database) -> None:
    far(db, "about")
    db.sql("UPDATE far SET token = md5(token) WHERE id <= 3000")
    run = ("rotate_tokens_sql", "--table", "far", "--format", "{hex:32}", "--dry-run", "--where")
    assert "present tokens" not in db.call(*run, "id <= 3000").out
    assert "1000 present tokens looked at, 1000 are not 32 characters" in db.call(*run, "id > 3000").out


def test_expression_that_is_null_for_a_row_far_away(db: Database) -> None:
    far(db, "mail")
    its = ("--table", "far", "--expression", "md5(mail || gen_random_uuid())")
    done = db.call("rotate_tokens_sql", *its)
    assert done.code == 1
    assert "--expression is NULL for the row with id 4000: no token would be left" in done.err
    assert db.call("rotate_tokens_sql", *its, "--where", "mail IS NOT NULL").code == 0
    assert db.value("SELECT id FROM far WHERE token LIKE 'old%'") == 4000


def test_trigger_that_changes_what_is_made(db: Database) -> None:
    """Companions would be of tokens that no row has."""
    fill(db)
    db.sql("CREATE FUNCTION low() RETURNS trigger LANGUAGE plpgsql AS"
           " 'BEGIN NEW.token := lower(NEW.token); RETURN NEW; END';"
           "CREATE TRIGGER low BEFORE UPDATE ON account"
           " FOR EACH ROW EXECUTE FUNCTION low()")  # fmt: skip
    said = rotate(db, "--format", "KEY_{base62:40}", "--also", "checksum=md5(new_token)", code=1)
    assert "60 of 60 tokens are not as --format makes them: a trigger changes them" in said
    assert not db.value("SELECT count(*) FROM changes")
    db.call("rotation", "cancel")
    rotate(db, "--format", "key_{hex:40}", "--also", "checksum=md5(new_token)", "--new")


def test_format_that_a_constraint_refuses(db: Database) -> None:
    fill(db)
    db.sql("ALTER TABLE account ADD CHECK (token NOT LIKE 'new%')")
    said = rotate(db, "--format", "new_{hex:40}", code=1)
    assert (
        "if --format makes such values, end this rotation with python manage.py rotation cancel" in said
    )


def test_hash_of_text(db: Database) -> None:
    fill(db)
    said = rotate(db, "--format", "{hex:40}", "--also", "checksum=sha256(new_token)", code=2)
    assert "sha256(text) does not exist: it takes bytes, as in sha256(convert_to(new_token" in said
    whole = "checksum=sha256(convert_to(new_token, 'UTF8'))"
    said = rotate(db, "--format", "{hex:40}", "--also", whole, code=2)
    assert (
        "--also checksum: it makes bytes, of which text would get the digits after \\x: encode" in said
    )
    said = rotate(db, "--expression", "uuid_send(gen_random_uuid()) -- raw", code=2)
    assert "--expression: it makes bytes" in said
    said = rotate(db, "--expression", "md5(account.token)", code=2)
    assert 'FROM-clause entry for table "account": name columns without their table' in said
    db.sql("ALTER TABLE account ADD raw bytea")
    rotate(db, "--format", "{hex:40}", "--also", whole.replace("checksum", "raw"))
    assert db.value("SELECT count(*) FROM account WHERE raw = sha256(token::bytea)") == ROWS


def test_key_that_was_changed(db: Database) -> None:
    fill(db)
    with override_settings(SECRET_KEY="before"):
        flags = ("--format", "{hex:40}", "--where", "id < 50", "--window", "10", "--stop-after", "20")
        rotate(db, *flags, code=3)
    with override_settings(SECRET_KEY="after"):
        assert "SECRET_KEY did not sign: give it again, if it is yours" in rotate(db, code=1)
    with override_settings(SECRET_KEY="after", SECRET_KEY_FALLBACKS=["before"]):
        rotate(db)
    assert db.value("SELECT count(*) FROM changes") == 49
    # It is said of which rows, whoever signed that.
    with override_settings(SECRET_KEY="after"):
        assert "(only rows with --where 'id < 50')" in db.call("rotation", "verify").out
