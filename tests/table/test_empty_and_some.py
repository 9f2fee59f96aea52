"""Rows without a token, and rows that --where leaves alone: what is done, and what is said of them."""

import json
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.table.test_own_sql import ROWS, fill, rotate

RUN = ("rotate_tokens_sql", "--table", "holder")


def some(db: Database, token: str = "md5(n::text)", kind: str = "text") -> None:
    """Every second row has no token, which is said by empty text."""
    db.sql(
        f"CREATE TABLE holder (id serial PRIMARY KEY, token {kind} NOT NULL DEFAULT '', note text);"
        f"INSERT INTO holder (token, note) SELECT CASE WHEN n % 2 = 0 THEN {token} ELSE '' END, ''"
        " FROM generate_series(1, 40) AS n; CREATE TABLE was AS TABLE holder"
    )


@pytest.mark.parametrize(
    ("token", "kind", "flags"),
    [
        ("md5(n::text)", "text", ("--format", "{hex:32}")),
        ("md5(n::text)", "char(40)", ("--expression", "md5(gen_random_uuid()::text)")),
        ("gen_random_uuid()::text", "varchar(36)", ()),
        ("md5(n::text)", "text", ("--format", "{hex:32}", "--where", "id > 10")),
    ],
)
def test_empty_text_is_no_token(db: Database, token: str, kind: str, flags: tuple[str, ...]) -> None:
    some(db, token, kind)
    rows = 15 if "--where" in flags else 20
    assert f"with a token: {rows}" in db.call(*RUN, *flags, "--dry-run").out
    done = db.call(*RUN, *flags)
    assert (done.code, f"{rows} tokens revoked" in done.out) == (0, True), done.out + done.err
    assert "holder.note holds values" not in done.out
    changed = "SELECT count(*) FROM holder JOIN was USING (id) WHERE holder.token <> was.token"
    assert db.value(changed) == rows
    assert db.value("SELECT count(*) FROM holder WHERE token = ''") == 20
    # The guard lets an object without a token be made, and a token be taken away.
    db.sql("INSERT INTO holder DEFAULT VALUES; UPDATE holder SET token = '' WHERE id = 20")
    assert db.value("SELECT count(*) FROM holder WHERE token = ''") == 22
    db.sql("DROP TABLE was")
    assert db.call("rotation", "verify", "--search-copies").code == 0


def test_where_after_a_rotation_that_was_cancelled(db: Database) -> None:
    """What that one revoked is replaced wherever it is: this is said before it is done."""
    fill(db)
    run = ("rotate_tokens_sql", "--table", "account", "--format", "{hex:40}")
    assert db.call(*run, "--window", "5", "--stop-after", "10").code == 3
    assert db.call("rotation", "cancel").code == 0
    report = json.loads(db.call("rotation", "report", "--json").out)
    assert "and replaced ones can be written back" in report["summary"]["left"]
    assert "Since it was cancelled the guard lets them be written back" in report["proof"]["method"]
    warned = "was cancelled: the tokens that it revoked are replaced wherever they are"
    assert warned in db.call(*run, "--where", "id <= 20", "--dry-run").out
    assert warned not in db.call(*run, "--dry-run").out
    said = rotate(db, "--format", "{hex:40}", "--where", "id <= 20")
    assert warned in said
    assert db.value("SELECT sum(rows) FROM batchprogress WHERE rotation_id = 2") >= ROWS - 10
    report = json.loads(db.call("rotation", "report", "--json").out)
    assert "those for which --where was not true keep their tokens" in report["summary"]["left"]
    assert "(only rows with --where 'id <= 20')" in report["result"]
    assert warned not in db.call(*run, "--where", "id <= 5", "--new", "--dry-run").out


def test_condition_that_fails_for_a_row(db: Database) -> None:
    fill(db)
    said = rotate(db, "--format", "{hex:40}", "--where", f"1 / (id - {ROWS}) <= 0", code=1)
    assert "--where can't be evaluated for every row (division by zero); nothing was replaced" in said
    assert "rotation cancel --table public.account, and start another with --new" in said


def test_companion_that_fails_for_every_row(db: Database) -> None:
    fill(db)
    said = rotate(db, "--format", "{hex:40}", "--also", "checksum=(SELECT token FROM account)", code=1)
    assert "if --also checksum makes such values, end this rotation with" in said


@pytest.mark.parametrize("guard", [(), ("--no-guard",)])
def test_expression_that_makes_revoked_tokens(db: Database, guard: tuple[str, ...]) -> None:
    fill(db)
    db.sql(
        "CREATE TABLE kept AS SELECT id AS nr, token AS secret FROM account;"
        "ALTER TABLE account DROP CONSTRAINT account_token_key"
    )
    other = f"(SELECT secret FROM kept WHERE nr = id % {ROWS} + 1)"
    said = rotate(db, "--expression", other, *guard, code=1)
    last = said.splitlines()[-1]
    assert "revoked" in last
    assert "--expression makes" in last
    assert "trigger" not in last
    assert "guard drop" not in last


@pytest.mark.parametrize(
    ("flags", "code", "why"),
    [
        (("--also", "number=NULL"), 2, "write its type, as in NULL::integer"),
        (
            ("--walk", "id", "--pk", "nonsense"),
            1,
            "--pk nonsense: the primary key of public.account is id",
        ),
        (("--new", "--if-finished", "fail"), 2, "--if-finished fail forbids that: give one"),
    ],
)
def test_what_can_not_be(db: Database, flags: tuple[str, ...], code: int, why: str) -> None:
    fill(db)
    db.sql("ALTER TABLE account ADD number int")
    assert why in rotate(db, "--format", "{hex:40}", *flags, code=code)
    assert not db.value("SELECT count(*) FROM rotation")


def test_digest_of_a_type_that_is_not_compared(db: Database) -> None:
    fill(db)
    db.sql(
        "ALTER TABLE account ADD token_hash bytea; UPDATE account SET token_hash = sha256(token::bytea)"
    )
    said = rotate(db, "--format", "{hex:40}", "--also", "checksum=md5(new_token)", "--dry-run")
    assert "warn       token_hash, of type bytea, is not compared with public.account.token" in said
    also = ("--also", "token_hash=sha256(convert_to(new_token, 'UTF8'))")
    said = rotate(db, "--format", "{hex:40}", "--also", "checksum=md5(new_token)", *also)
    assert "is not compared" not in said


def test_condition_on_what_the_rotation_changes(db: Database) -> None:
    fill(db)
    said = rotate(db, "--format", "{hex:40}", "--where", "token <> 'x'", "--dry-run")
    assert "--where names token, which the rotation changes: rotation keys lists only rows" in said
    assert "which the rotation changes" not in rotate(
        db, "--format", "{hex:40}", "--where", "id > 0 AND 'token' <> ''", "--dry-run"
    )


def test_keys_into_a_pipe(db: Database) -> None:
    db.tickets(5)
    assert db.call("rotate_tokens_sql").code == 0
    done = db.run("rotation", "keys", "--output", "/dev/stdout")
    assert (done.code, "1\n2\n3\n4\n5\n" in done.out) == (0, True), done.out + done.err
    with Path("/dev/full").open("w") as full:
        done = db.run("rotation", "keys", stdout=full)
    assert (done.code, "No space left on device" in done.err) == (1, True), done.err
