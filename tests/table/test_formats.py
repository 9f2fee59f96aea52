"""Tokens that are no UUIDs: made by a template, compared as they are."""

import json
import math
import re
from pathlib import Path

import pytest

from app.rotation.engine.formats import ALPHABETS, parse_format
from tests.conftest import Database
from tests.operations.recording import recorded

#: What columns of well-known projects hold, and the format of each.
SHAPES = {
    "varchar(40)": ("{hex:40}", "left(encode(sha256(n::text::bytea), 'hex'), 40)"),
    "varchar(64)": ("{alnum:64}", "translate(encode(sha256(n::text::bytea), 'hex'), '0123', 'wxyz')"),
    "varchar(42)": ("plane_api_{hex:32}", "'plane_api_' || md5(n::text)"),
    "text": ("phc_{base62:43}", "'phc_' || left(translate(encode(sha256(n::text::bytea), 'base64'),"
             " '+/=', 'aBc') || 'Zz', 43)"),
    "varchar(48)": ("ab%_'{urlsafe:40}\\.x", "'ab%_''' || md5(n::text) || 'WW_-wwww' || '\\.x'"),
    "char(40)": ("{uuid}(b2)", "gen_random_uuid()::text || '(b2)'"),
}  # fmt: skip
ROWS = 60


def fill(db: Database, kind: str, expression: str) -> None:
    db.sql(
        f"CREATE TABLE account (id int PRIMARY KEY, token {kind} UNIQUE);"
        f"INSERT INTO account SELECT n, {expression} FROM generate_series(1, {ROWS}) AS n"
    )
    db.watch("account", "id")


def rotate(db: Database, template: str, *more: str) -> str:
    done = db.call("rotate_tokens_sql", "--table", "account", "--format", template, *more)
    assert (done.code, done.err) == (0, "")
    return done.out


@pytest.mark.parametrize("kind", SHAPES)
def test_every_token_gets_the_format(db: Database, kind: str) -> None:
    template, expression = SHAPES[kind]
    fill(db, kind, expression)
    done = rotate(db, template, "--window", "20")
    assert f"verified by value: 0 of {ROWS} revoked tokens survive" in done
    assert "present tokens looked at" not in done
    db.each_once(ROWS)
    tokens = [token for (token,) in db.sql("SELECT token FROM account")]
    pattern = parse_format(template).pattern
    assert all(re.fullmatch(pattern, token) for token in tokens)
    assert len(set(tokens)) == ROWS
    # The guard knows the old ones as they are.
    db.sql("UPDATE account SET token = before.token FROM before"
           " WHERE before.id = account.id::text AND account.id = 7")  # fmt: skip
    assert db.unchanged("account") == 0
    assert db.call("rotation", "verify").code == 0


@pytest.mark.parametrize("kind", ALPHABETS)
def test_characters_are_equally_likely(db: Database, kind: str) -> None:
    """By a chi-squared test of every place of 20,000 tokens: 10⁶ characters of each alphabet."""
    length, rows = 50, 20_000
    db.sql(
        "CREATE TABLE account (id int PRIMARY KEY, token text);"
        f"INSERT INTO account SELECT n, 'old' || n FROM generate_series(1, {rows}) AS n"
    )
    rotate(db, f"{{{kind}:{length}}}", "--no-guard")
    size = ALPHABETS[kind].size
    counted = db.sql(
        "SELECT place, substr(token, place, 1) AS one, count(*) FROM account"
        f" CROSS JOIN generate_series(1, {length}) AS place GROUP BY place, one"
    )
    assert {len(one) for _, one, _ in counted} == {1}
    assert len({one for _, one, _ in counted}) == size
    expected = rows / size
    places = [sum((n - expected) ** 2 / expected for at, _, n in counted if at == place)
              for place in range(1, length + 1)]  # fmt: skip
    # Ten standard deviations of a sum of chi-squared values: chance exceeds it once in 10²⁰ runs, and a
    # bias of a 64th of the characters by a tenth is far beyond it.
    free = (size - 1) * length
    assert abs(sum(places) - free) < 10 * math.sqrt(2 * free)
    # No place is worse than the others, such as the last, of which base64 fills up the bits.
    assert max(places) < (size - 1) + 10 * math.sqrt(2 * (size - 1))


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("", "expected text with one of {uuid} {hex:N}"),
        ("abc", "expected text with one of"),
        ("{hex:32}{hex:32}", "it has several random parts: expected text with one of"),
        ("{hex:32", "its braces don't match: expected text with one of"),
        ("{hex}", "{hex} is none of"),
        ("{hex:0}", "{hex:0} is none of"),
        ("{hex:-40}", "is none of"),
        ("{HEX:40}", "{HEX:40} is none of"),
        ("{uuid:4}", "{uuid:4} is none of"),
        ("{base64:40}", "is none of"),
        ("{hex:251}", "is longer than 250 characters"),
        ("{hex:23}", "92 random bits can be guessed, and 96 can't: {hex:24} or longer"),
        ("{base62:16}", "95 random bits can be guessed, and 96 can't: {base62:17} or longer"),
        ("{alnum:18}", "93 random bits can be guessed, and 96 can't: {alnum:19} or longer"),
        ("{urlsafe:15}", "90 random bits"),
        ("né_{hex:40}", "expected printable ASCII"),
        ("a\n{hex:40}", "expected printable ASCII"),
    ],
)
def test_templates_that_are_none(db: Database, template: str, why: str) -> None:
    done = db.call("rotate_tokens_sql", "--table", "ticket", "--format", template)
    assert (done.code, len(done.lines)) == (2, 1)
    assert why in done.err


@pytest.mark.parametrize(
    ("kind", "template", "why"),
    [
        ("varchar(39)", "{hex:40}", "holds 39 characters: --format {hex:40} makes 40"),
        ("char(41)", "{hex:40}", "holds 41 characters: --format {hex:40} makes 40, and char is padded"),
        ("uuid", "{hex:32}", "is of type uuid: only --format {uuid} fits"),
        ("text CHECK (token LIKE 'x%')", "y{hex:40}", "check violation"),
        ("short", "{hex:40}", "check violation"),
    ],
)
def test_format_that_does_not_fit(db: Database, kind: str, template: str, why: str) -> None:
    db.sql(
        "CREATE DOMAIN short AS text CHECK (length(VALUE) < 20);"
        f"CREATE TABLE account (id int PRIMARY KEY, token {kind})"
    )
    if kind != "uuid":
        db.sql("INSERT INTO account SELECT n, 'x' || n FROM generate_series(1, 50) AS n")
    db.watch("account", "id")
    done = db.call("rotate_tokens_sql", "--table", "account", "--format", template)
    assert done.code == 1
    assert why in done.err.splitlines()[-1]
    assert not db.value("SELECT count(*) FROM changes")


def test_dry_run_compares_it_with_present_tokens(db: Database) -> None:
    fill(db, "text", "CASE WHEN n < 10 THEN 'x_' ELSE 'sk_' END || md5(n::text)")
    db.sql("UPDATE account SET token = token || 'aa' WHERE id > 57")
    flags = ("--table", "account", "--dry-run")
    done = db.call("rotate_tokens_sql", *flags, "--format", "sk_{hex:32}")
    assert done.code == 0
    assert "is sk_{hex:32}, with 128 random bits" in done.out
    assert (
        "of 60 present tokens looked at, 12 are not 35 characters long, 9 don't begin with sk_:"
        " check that the application accepts sk_{hex:32}" in done.out
    )
    assert "tokens     sk_{hex:32}: 128 random bits" in done.out
    assert "sk_' || pg_catalog.left(" in done.out
    assert "md5" not in done.out
    done = db.call("rotate_tokens_sql", *flags, "--format", "{hex:32}_end")
    assert "60 don't end with _end" in done.out
    done = db.call("rotate_tokens_sql", *flags, "--format", "{hex:35}")
    assert "12 are not 35 characters long: check" in done.out
    db.sql("UPDATE account SET token = 'sk_' || upper(md5(token))")
    done = db.call("rotate_tokens_sql", *flags, "--format", "sk_{hex:32}")
    assert "of 60 present tokens looked at, 60 have other characters: check" in done.out


def test_resumed_as_begun(db: Database) -> None:
    fill(db, "text", "'sk_' || md5(n::text)")
    begun = ("--window", "10", "--stop-after", "20")
    done = db.call("rotate_tokens_sql", "--table", "account", "--format", "sk_{hex:32}", *begun)
    assert done.code == 3
    done = db.call("rotate_tokens_sql", "--table", "account", "--format", "sk_{hex:33}")
    assert done.code == 1
    assert (
        "is unfinished, and was started with --format 'sk_{hex:32}', which is kept: python manage.py"
        " rotate_tokens_sql --table public.account continues it" in done.err
    )
    assert db.call("rotate_tokens_sql", "--table", "account", "--window", "10").code == 0
    db.each_once(ROWS)
    assert not db.value("SELECT count(*) FROM account WHERE token !~ '^sk_[0-9a-f]{32}$'")


def test_report_says_how_tokens_were_made(db: Database) -> None:
    fill(db, "text", "'sk_' || md5(n::text)")
    rotate(db, "sk_{hex:32}")
    said = db.call("rotation", "report", "--json").out
    assert "a new one (random, sk_{hex:32}, made of gen_random_uuid) in 1 window" in said


def test_rotation_of_uuids_goes_on_as_such(db: Database) -> None:
    fill(db, "text", "gen_random_uuid()::text")
    assert (
        db.call("rotate_tokens_sql", "--table", "account", "--window", "10", "--stop-after", "20").code
        == 3
    )
    done = db.call("rotate_tokens_sql", "--table", "account", "--format", "{hex:40}")
    assert done.code == 1
    assert "was started without --format, which is kept: python manage.py" in done.err


@pytest.mark.parametrize("kept", ["{hex:2}", 7, "{hex:40"])
def test_format_written_by_hand(db: Database, kept: object) -> None:
    fill(db, "text", "'sk_' || md5(n::text)")
    flags = ("--window", "10", "--stop-after", "20")
    assert (
        db.call("rotate_tokens_sql", "--table", "account", "--format", "sk_{hex:32}", *flags).code == 3
    )
    db.sql(
        "UPDATE rotation SET options = options || jsonb_build_object('format', %s::jsonb)",
        json.dumps(kept),
    )
    done = db.call("rotate_tokens_sql", "--table", "account")
    assert done.code == 2
    assert "format" in done.err
    assert len(done.err.splitlines()) == 1


def test_without_format_it_says_so(db: Database) -> None:
    fill(db, "text", "'sk_' || md5(n::text)")
    done = db.call("rotate_tokens_sql", "--table", "account")
    assert done.code == 1
    assert "python manage.py rotation discover prints the command for them" in done.err


def test_leaked_list_of_any_tokens(db: Database, tmp_path: Path) -> None:
    fill(db, "text", "'sk_' || md5(n::text)")
    db.sql("CREATE TABLE gone AS SELECT 'Sk_' || md5(n::text) AS token FROM generate_series(1, 3) AS n")
    listed = [token for (token,) in db.sql("SELECT token FROM gone")]
    path = tmp_path / "leaked.txt"
    path.write_text("\n".join(listed) + "\n")
    done = rotate(db, "sk_{hex:32}", "--leaked", str(path))
    assert "3 tokens" in done
    for token in listed:
        db.sql("UPDATE account SET token = %s WHERE id = 1", token)
    assert not db.value("SELECT count(*) FROM account WHERE token LIKE 'Sk%'")
    # In other letters it is another token.
    db.sql("UPDATE account SET token = upper(%s) WHERE id = 1", listed[0])
    done = db.call("rotation", "verify", "--leaked", str(path))
    assert done.code == 0
    db.sql(
        "ALTER TABLE account DISABLE TRIGGER ALL; UPDATE account SET token = %s WHERE id = 9", listed[1]
    )
    done = db.call("rotation", "verify", "--leaked", str(path))
    assert done.code == 4
    assert "id 9" in done.out + done.err
    assert listed[1] not in done.out + done.err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id,token\n1,abc\n", ""),
        ("token\nabc\n", ""),
        ("abc\n", ""),
        ('"token";"id"\n"a,b";1\n', ""),
        ("abc,def\n", "line 1 names no column token, and holds no token alone"),
        ("this is prose\n", "line 1 names no column token, and holds no token alone"),
        ("token\nabc \n", "line 2 holds no token: fix or delete it"),
        ("token\n# abc\n", "line 2 starts with #"),
        ("id,token\n1\n", "line 2 has 1 field, not 2 like line 1"),
        ("token\n", "holds no token"),
    ],
)
def test_lists_of_any_tokens(db: Database, tmp_path: Path, text: str, why: str) -> None:
    fill(db, "text", "'sk_' || md5(n::text)")
    path = tmp_path / "leaked.txt"
    path.write_text(text)
    done = db.call("rotate_tokens_sql", "--table", "account", "--format", "sk_{hex:32}",
                   "--leaked", str(path))  # fmt: skip
    if not why:
        assert done.code == 0, done.err
        assert "1 token" in done.out
    else:
        assert done.code == 2
        assert why in done.err


def test_copies_are_found_by_value(db: Database) -> None:
    fill(db, "text", "'sk_' || md5(n::text)")
    db.sql("CREATE TABLE audit (id int, code text, note text, data jsonb, number int);"
           "INSERT INTO audit SELECT id, token, 'see ' || token || ', please',"
           " jsonb_build_object('key', token), 1 FROM account WHERE id < 4")  # fmt: skip
    done = rotate(db, "sk_{hex:32}")
    assert "audit.code holds values of public.account.token without a foreign key" in done
    done = db.call("rotation", "verify", "--search-copies")
    assert done.code == 4
    for column in ("code", "note", "data"):
        assert f"3 rows of public.audit.{column} hold a revoked token" in done.err
    db.sql("DROP TABLE before; UPDATE audit SET code = upper(code), note = '', data = '{}'")
    assert db.call("rotation", "verify", "--search-copies").code == 0


def test_recorded_for_a_serving_process(db: Database) -> None:
    fill(db, "text", "'sk_' || md5(n::text)")
    recorded("account", format="sk_{hex:32}")
    assert db.call("rotate_tokens_sql", "--table", "account").code == 0
    assert not db.value("SELECT count(*) FROM account WHERE token !~ '^sk_[0-9a-f]{32}$'")
