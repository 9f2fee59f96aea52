"""Tokens, companions and rows by SQL of the operator's own."""

import json

import pytest

from tests.conftest import Database, until

ROWS = 60
RUN = ("rotate_tokens_sql", "--table", "account")
#: Names that statements use themselves: an expression means the table's.
NAMES = "id int PRIMARY KEY, key text, lane_id int, token {kind} NOT NULL UNIQUE, checksum text UNIQUE"
CHECKSUM = "checksum=encode(sha256(new_token::text::bytea), 'hex') -- of the new one"
EXPRESSION = "key || id || lane_id || '_' || md5(gen_random_uuid()::text || token)"


def fill(db: Database, kind: str = "text") -> None:
    old = "gen_random_uuid()" if kind == "uuid" else "'old_' || md5(n::text)"
    db.sql(
        f"CREATE TABLE account ({NAMES.format(kind=kind)});"
        f"INSERT INTO account SELECT n, 'k', n % 2, {old} FROM generate_series(1, {ROWS}) AS n;"
        "UPDATE account SET checksum = 'checksum of ' || id"
    )
    db.watch("account", "id")


def rotate(db: Database, *flags: str, code: int = 0) -> str:
    done = db.call(*RUN, *flags)
    assert done.code == code, done.out + done.err
    return done.out + done.err


def wrong_checksums(db: Database) -> int:
    return db.value(
        "SELECT count(*) FROM account WHERE checksum <> encode(sha256(token::text::bytea), 'hex')"
    )


@pytest.mark.parametrize("kind", ["uuid", "text"])
def test_companion_is_of_the_new_token(db: Database, kind: str) -> None:
    fill(db, kind)
    flags = ("--format", "{hex:40}") if kind == "text" else ()
    said = rotate(db, *flags, "--also", CHECKSUM, "--window", "20")
    assert f"verified by value: 0 of {ROWS} revoked tokens survive" in said
    assert "public.account.checksum is set in the same UPDATE, to encode(sha256(" in said
    assert "left for the end" not in said
    db.each_once(ROWS)
    assert db.value("SELECT count(DISTINCT token) FROM account") == ROWS
    assert not wrong_checksums(db)


def test_several_companions_and_none_of_them_the_old_row_s(db: Database) -> None:
    fill(db)
    flags = ("--also", CHECKSUM, "--also", "key=right(new_token, 4)", "--also", "lane_id=lane_id + 1")
    rotate(db, "--format", "{hex:40}", *flags)
    db.each_once(ROWS)
    assert not wrong_checksums(db)
    assert not db.value("SELECT count(*) FROM account WHERE key <> right(token, 4)")
    assert db.value("SELECT min(lane_id) || ' ' || max(lane_id) FROM account") == "1 2"


def test_expression_is_evaluated_for_every_row(db: Database) -> None:
    fill(db)
    said = rotate(db, "--expression", EXPRESSION, "--also", CHECKSUM, "--window", "20")
    assert "how hard that is to guess is for you to judge" in said
    assert "same both times" not in said
    db.each_once(ROWS)
    assert db.value("SELECT count(DISTINCT right(token, 32)) FROM account") == ROWS
    assert not db.value("SELECT count(*) FROM account WHERE token NOT LIKE 'k' || id || lane_id || '_%'")
    assert not wrong_checksums(db)
    # The guard knows the old ones as they are.
    db.sql("UPDATE account SET token = before.token FROM before WHERE before.id = account.id::text")
    assert db.unchanged("account") == 0
    db.sql("DROP TABLE before")
    assert db.call("rotation", "verify", "--search-copies").code == 0


def test_rows_that_were_locked_are_made_alike(db: Database) -> None:
    fill(db)
    flags = ("--expression", EXPRESSION, "--also", CHECKSUM, "--lock-timeout", "50", "--window", "20")
    with db.connect() as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT FROM account WHERE id = 30 FOR UPDATE")
        child = db.start(*RUN, *flags)
        until(lambda: db.value("SELECT count(*) FROM rotation_leftover"))
        cursor.execute("ROLLBACK")
    assert child.wait(60) == 0
    db.each_once(ROWS)
    assert not wrong_checksums(db)


def test_survivors_are_made_alike(db: Database) -> None:
    fill(db)
    rotate(db, "--expression", EXPRESSION, "--also", CHECKSUM)
    db.sql("ALTER TABLE account DISABLE TRIGGER ALL; UPDATE account SET token = before.token FROM before"
           " WHERE before.id = account.id::text AND account.id IN (5, 50);"
           "ALTER TABLE account ENABLE TRIGGER ALL")  # fmt: skip
    assert db.call("rotation", "verify").code == 4
    rotate(db)
    assert db.unchanged("account") == 0
    assert not wrong_checksums(db)
    assert db.value("SELECT token FROM account WHERE id = 50").startswith("k500_")


def test_where(db: Database) -> None:
    fill(db)
    said = rotate(db, "--format", "{hex:40}", "--where", "lane_id = 1 OR id < 3 -- and so on")
    assert "only rows for which lane_id = 1 OR id < 3" in said
    assert "verified by value: 0 of 31 revoked tokens survive" in said
    changed = {int(key) for (key,) in db.sql("SELECT id FROM changes")}
    assert changed == {2, *range(1, ROWS, 2)}
    assert db.value("SELECT rows_total FROM rotation") == 31
    said = db.call("rotation", "report", "--json").out
    assert "of the token of every row for which this was true (lane_id = 1 OR id < 3" in said
    # Tokens of the other rows are not revoked.
    db.sql("UPDATE account SET token = reverse(token) WHERE id = 4; UPDATE account SET token ="
           " reverse(token) WHERE id = 4")  # fmt: skip
    listed = db.call("rotation", "keys").out.split()
    assert {int(key) for key in listed[1:]} == changed


def test_locked_row_that_the_condition_excludes(db: Database) -> None:
    fill(db)
    flags = ("--format", "{hex:40}", "--where", "id <> 29", "--lock-timeout", "50", "--window", "20")
    with db.connect() as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT key FROM account WHERE id IN (29, 30) FOR UPDATE")
        child = db.start(*RUN, *flags)
        until(lambda: db.value("SELECT count(*) FROM rotation_leftover"))
        cursor.execute("ROLLBACK")
    assert child.wait(60) == 0
    assert db.value("SELECT count(*) FROM changes") == ROWS - 1
    assert db.value("SELECT token FROM account WHERE id = 29").startswith("old_")


def test_where_of_the_token_itself(db: Database) -> None:
    fill(db)
    db.sql("UPDATE account SET token = 'new_' || id WHERE id > 50")
    said = rotate(db, "--format", "new_{hex:40}", "--where", "token LIKE 'old%'", "--window", "20")
    assert "verified by value: 0 of 50 revoked tokens survive" in said
    assert db.value("SELECT count(*) FROM account WHERE length(token) = 44") == 50
    assert db.value("SELECT count(*) FROM account WHERE token = 'new_' || id") == 10


def test_where_of_uuids_overlooks_other_text(db: Database) -> None:
    fill(db)
    db.sql("UPDATE account SET token = gen_random_uuid()::text WHERE id <= 10")
    assert "is not a UUID" in rotate(db, code=1)
    rotate(db, "--where", "token NOT LIKE 'old%'")
    assert db.value("SELECT count(*) FROM account WHERE token LIKE 'old%'") == 50


def test_names_mean_the_same_in_every_statement(db: Database) -> None:
    """A function of the role's own search path, which our other statements don't have."""
    fill(db)
    db.sql("CREATE SCHEMA own; CREATE FUNCTION own.is_odd(int) RETURNS bool RETURN $1 % 2 = 1;"
           "ALTER ROLE CURRENT_USER SET search_path = public, own")  # fmt: skip
    try:
        rotate(db, "--format", "{hex:40}", "--where", "is_odd(id)")
        assert len(db.call("rotation", "keys").out.split()) == ROWS / 2 + 1
    finally:
        db.sql("ALTER ROLE CURRENT_USER RESET search_path")
    assert db.value("SELECT count(*) FROM changes") == ROWS / 2


def test_resumed_as_begun(db: Database) -> None:
    fill(db)
    flags = ("--expression", EXPRESSION, "--also", CHECKSUM, "--where", "id <= 50")
    rotate(db, *flags, "--window", "10", "--stop-after", "20", code=3)
    said = rotate(db, "--expression", EXPRESSION, code=1)
    assert 'was started with --expression "key || id' in said
    assert "rotate_tokens_sql --table public.account continues it; or end it with" in said
    assert ' --also "checksum=encode(' in said
    rotate(db, "--format", "{hex:40}", code=1)
    rotate(db, *flags[:2], *flags[4:], code=1)
    rotate(db, "--window", "10", "--stop-after", "10", code=3)
    rotate(db, *flags)
    assert db.value("SELECT count(*) FROM changes") == 50
    assert wrong_checksums(db) == 10
    assert "Nothing was replaced now" in rotate(db, *flags)
    said = rotate(db, code=1)
    assert "is finished, and was of rows --where 'id <= 50' only: to rotate these now, add --new" in said


def test_sql_that_was_written_into_the_state_is_not_run(db: Database) -> None:
    fill(db)
    flags = ("--expression", EXPRESSION, "--window", "10", "--stop-after", "20")
    rotate(db, *flags, code=3)
    forged = json.dumps({"expression": "(SELECT 'x' || id FROM pg_sleep(0))"})
    db.sql("UPDATE rotation SET options = options || %s::jsonb", forged)
    said = rotate(db, code=1)
    assert "was started with SQL that this site's SECRET_KEY did not sign" in said
    assert db.value("SELECT count(*) FROM changes") == 20


@pytest.mark.parametrize(
    ("flags", "code", "why"),
    [
        (("--expression", "no_such(id)"), 2, "--expression: PostgreSQL does not accept it: function"),
        (("--expression", "id)) -- x"), 2, "--expression: PostgreSQL does not accept it: syntax error"),
        (("--expression", "'x'), key = ('y'"), 2, "--expression: PostgreSQL does not accept it: syntax"),
        (("--expression", "1]; DROP TABLE account; --"), 2, "--expression: PostgreSQL does not accept"),
        (("--expression", "'x' /* "), 2, "--expression: PostgreSQL does not accept it: unterminated"),
        (("--expression", "max(token)"), 2, "aggregate functions are not allowed in UPDATE"),
        (("--expression", "now()"), 1, "only 1 got a token of their own"),
        (("--expression", " "), 2, "--expression: it is empty"),
        (("--expression", "'x'", "--format", "{hex:40}"), 2, "--format and --expression both say"),
        (("--expression", "'x'", "--local-tokens"), 2, "--local-tokens can't make tokens by"),
        (("--expression", "'x'"), 1, "only 1 got a token of their own: name a volatile function in it"),
        (("--expression", "nullif('x', 'x')"), 1, "60 got NULL: no token would be left there"),
        (("--expression", "(1 / (id - id))::text"), 2, "--expression: PostgreSQL answered division"),
        (("--where", "id) OR (true"), 2, "--where: PostgreSQL does not accept it: syntax error"),
        (("--where", "id"), 2, "argument of IS TRUE must be type boolean"),
        (("--where", "nothing = 1"), 2, 'column "nothing" does not exist'),
        (("--also", "checksum"), 2, "--also 'checksum': expected COLUMN=SQL"),
        (("--also", "checksum="), 2, "--also 'checksum=': expected COLUMN=SQL"),
        (("--also", "nothing=1"), 1, "--also nothing: public.account has no such column; it has"),
        (("--also", "token=1"), 1, "--also token: that is the token"),
        (("--also", "id=1"), 1, "--also id: windows walk by it"),
        (("--also", "key=old_token"), 2, 'does not accept it: column "old_token"'),
        (("--also", "lane_id=new_token"), 2, "--also lane_id: PostgreSQL does not accept it: column"),
        (("--also", "key='a'", "--also", "key='b'"), 2, "--also: key is named twice"),
    ],
)  # fmt: skip
def test_sql_that_can_not_be_used(db: Database, flags: tuple[str, ...], code: int, why: str) -> None:
    fill(db)
    more = () if "--expression" in flags else ("--format", "{hex:40}")
    done = db.call(*RUN, *more, *flags)
    assert (done.code, len(done.err.splitlines())) == (code, 1), done.out + done.err
    assert why in done.err
    assert not db.value("SELECT count(*) FROM changes")
    assert not db.value("SELECT count(*) FROM rotation")


def test_expression_that_is_not_random_is_said(db: Database) -> None:
    fill(db)
    said = rotate(db, "--expression", "md5(id::text || 'salt')")
    assert "of 60 rows for which --expression was evaluated twice, 60 got the same both times" in said


def test_dry_run_shows_it(db: Database) -> None:
    fill(db)
    flags = ("--expression", EXPRESSION, "--also", CHECKSUM, "--where", "id > 30", "--dry-run")
    said = rotate(db, *flags)
    assert "60; with a token: 30" in said
    for piece in (EXPRESSION, CHECKSUM.partition("=")[2], "id > 30"):
        assert said.count(piece) >= 2
    assert "found by   Index Scan using account_pkey" in said or "Bitmap" in said
    assert not db.value("SELECT count(*) FROM changes")


def test_if_finished(db: Database) -> None:
    fill(db)
    for choice in ("new", "ok", "new", "fail"):
        said = rotate(db, "--format", "{hex:40}", "--if-finished", choice, code=int(choice == "fail"))
    assert "rotation 2 of public.account.token is finished: nothing was replaced now" in said
    assert db.value("SELECT count(*) FROM rotation") == 2


def test_companion_that_was_forgotten(db: Database) -> None:
    fill(db)
    db.sql("UPDATE account SET checksum = md5(token); DELETE FROM changes")
    said = rotate(db, "--format", "{hex:40}", code=1)
    assert "checksum is computed from public.account.token in every row looked at, and would" in said
    assert "add --also checksum=md5(new_token::text)" in said.replace("'", "")
    assert not db.value("SELECT count(*) FROM changes")
    rotate(db, "--format", "{hex:40}", "--also", "checksum=checksum")
    db.each_once(ROWS)


def test_companion_of_the_old_token(db: Database) -> None:
    """The token's column is the old token there: refused where the companion is computed from it."""
    fill(db)
    db.sql("UPDATE account SET checksum = md5(token); DELETE FROM changes")
    said = rotate(db, "--format", "{hex:40}", "--also", "checksum=md5(Token)", code=1)
    assert "--also checksum: token is the old token there, and new_token is the new one" in said
    assert "--also checksum=md5(new_token::text)" in said.replace("'", "")
    assert not db.value("SELECT count(*) FROM changes")
    db.sql("UPDATE account SET checksum = id; DELETE FROM changes")
    said = rotate(db, "--format", "{hex:40}", "--also", "checksum=id || 'token' || length(token)")
    assert "warn: --also checksum: token is the old token there" in said
    also = ("--also", "checksum=id || 'token' || length(new_token)")
    assert "old token there" not in rotate(db, "--format", "{hex:40}", "--new", *also)


def test_condition_that_no_row_fulfils(db: Database) -> None:
    fill(db)
    its = ("--format", "{hex:40}", "--window", "10")
    said = rotate(db, *its, "--where", "id < 0")
    assert "warn: no row fulfils --where 'id < 0' now" in said
    assert "succeeded: 0 rows" in said
    rotate(db, *its, "--new", "--stop-after", "20", code=3)
    assert db.call("rotation", "cancel").code == 0
    # What that one has revoked is found by value, whatever the condition.
    rotate(db, *its, "--where", "id < 0")
    assert db.changes() == {1: ROWS}


def test_some_rows_first_then_the_rest(db: Database) -> None:
    fill(db)
    its = ("--format", "{hex:40}", "--also", CHECKSUM)
    rotate(db, *its, "--where", "lane_id = 1")
    said = rotate(db, *its, "--where", "lane_id <> 1", code=1)
    assert (
        "is finished, and was of rows --where 'lane_id = 1' only: to rotate these now, add --new" in said
    )
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.rotation.operations.asking.on_a_terminal", lambda: True)
        patch.setattr(
            "app.rotation.operations.asking.confirm", lambda text, stop: not asked.append(text)
        )
        said = rotate(db, *its, "--where", "lane_id <> 1", "--new")
        assert said.count("note: public.account.checksum is set in the same UPDATE") == 1
    assert asked == [
        "Replace public.account.token of 30 rows (where lane_id <> 1), and set checksum? The old tokens"
        " stop working, for good."
    ]
    assert db.changes() == {1: ROWS}
    for action in ("verify", "status"):
        assert "(only rows with --where 'lane_id <> 1')" in db.call("rotation", action).out
    assert "public.account.token (where lane_id = 1)  30 rows" in db.call("rotation", "history").out
    db.sql("UPDATE account SET lane_id = 1 WHERE id = 2")
    said = db.call("rotation", "keys")
    assert "; whether --where 'lane_id <> 1' is true was asked now, not then; 1 row" in said.err
    assert "1 row that it rotated is gone or does not fulfil it now, and not listed" in said.err


def test_companion_that_does_not_fit(db: Database) -> None:
    fill(db)
    db.sql("ALTER TABLE account ALTER key TYPE varchar(12)")
    flags = ("--format", "{hex:40}", "--also", CHECKSUM)
    said = rotate(db, *flags, "--also", "key=new_token", code=1)
    assert "string data right truncation" in said
    assert "if --also checksum or --also key makes such values, end this rotation with python" in said
    assert db.call("rotation", "cancel").code == 0
    rotate(db, *flags, "--also", "key=left(new_token, 12)", "--new")


def test_forged_condition_is_not_run_by_keys(db: Database) -> None:
    fill(db)
    rotate(db, "--format", "{hex:40}", "--where", "id < 9")
    forged = json.dumps({"where": "id < 4 AND pg_catalog.set_config('a.b', 'c', false) IS NOT NULL"})
    db.sql("UPDATE rotation SET options = options || %s::jsonb", forged)
    done = db.call("rotation", "keys")
    assert done.code == 1
    assert "by SQL that this site's SECRET_KEY did not sign" in done.err
    assert db.call("rotation", "verify").code == 0


def test_sql_that_was_taken_out_of_the_state(db: Database) -> None:
    fill(db)
    flags = ("--format", "{hex:40}", "--where", "id < 50", "--window", "10", "--stop-after", "20")
    rotate(db, *flags, code=3)
    db.sql("UPDATE rotation SET options = options - 'where'")
    assert "SECRET_KEY did not sign" in rotate(db, code=1)


def test_column_called_as_the_docs_call_it(db: Database) -> None:
    fill(db)
    db.sql("ALTER TABLE account ADD rotation_key bigint GENERATED ALWAYS AS IDENTITY UNIQUE")
    flags = ("--format", "{hex:40}", "--walk", "rotation_key", "--also", "key=rotation_key || 'k'")
    with db.connect() as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT key FROM account WHERE id = 30 FOR UPDATE")
        child = db.start(*RUN, *flags, "--lock-timeout", "50", "--window", "20")
        until(lambda: db.value("SELECT count(*) FROM rotation_leftover"))
        cursor.execute("ROLLBACK")
    assert child.wait(60) == 0
    db.each_once(ROWS)
    assert db.value("SELECT count(*) FROM account WHERE key = rotation_key || 'k'") == ROWS


def test_what_follows_a_companion(db: Database) -> None:
    fill(db)
    flags = ("--format", "{hex:40}", "--also", CHECKSUM)
    db.sql("CREATE TABLE refers (checksum text REFERENCES account (checksum) ON UPDATE SET NULL)")
    said = rotate(db, *flags, code=1)
    assert "refers to public.account.checksum, ON UPDATE SET NULL" in said
    db.sql(
        "DROP TABLE refers; CREATE TABLE audit (t text); CREATE FUNCTION keep() RETURNS trigger"
        " LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES (OLD.token); RETURN NULL; END';"
        "CREATE TRIGGER keep AFTER UPDATE OF checksum ON account FOR EACH ROW EXECUTE FUNCTION keep()"
    )
    done = db.run(*RUN, *flags, "--dry-run")
    assert "trigger keep (keep) on public.account may keep copies of old tokens" in done.out
    done = db.run(*RUN, "--format", "{hex:40}", "--dry-run")
    assert "trigger keep (keep) on public.account does not fire" in done.out


@pytest.mark.long
def test_slow_expression(db: Database) -> None:
    fill(db)
    slow = "md5(gen_random_uuid()::text || pg_sleep(0.2)::text)"
    said = rotate(db, "--expression", slow, "--window", "20")
    assert "0 of 60 revoked tokens survive" in said


def test_parameter_in_sql(db: Database) -> None:
    fill(db)
    said = rotate(db, "--format", "{hex:40}", "--where", "id = $1", code=2)
    assert "--where: PostgreSQL does not accept it: it has a parameter, such as $1" in said
