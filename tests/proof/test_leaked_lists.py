"""Lists of leaked tokens: what is not certainly a token is an error with its line's number."""

import gzip

import pytest

from app.rotation.engine.proof.leaked import HEADER, ROW, TRAILER
from tests.conftest import Database
from tests.proof.lists import ONE, TWO
from tests.unguarded import GUARDED, UNGUARDED


@pytest.mark.parametrize("spelling", ["{}", "{{{}}}", "urn:uuid:{}", "UPPER", "NOHYPHENS", '"{}"'])
def test_leaked_list_in_any_spelling(db: Database, tmp_path, spelling: str) -> None:
    """Tokens that are gone from the table before the rotation begins can't come back either."""
    db.tickets(10)
    gone = db.value("SELECT token::text FROM ticket WHERE id = 3")
    db.sql("DELETE FROM ticket WHERE id = 3")
    spelled = {"UPPER": gone.upper(), "NOHYPHENS": gone.replace("-", "")}
    text = spelled.get(spelling) or spelling.format(gone)
    leaked = tmp_path / "leaked.csv"
    leaked.write_text(f"{text}\r\n\n  {db.value('SELECT token FROM ticket WHERE id = 4')}  \n")
    done = db.call("rotate_tokens_sql", "--leaked", str(leaked))
    assert (done.code, done.err) == (0, "")
    assert db.sql("SELECT leaked, revoked FROM rotation") == [(2, 11)]
    import psycopg2

    with pytest.raises(psycopg2.IntegrityError, match="was revoked"):
        db.sql(
            "INSERT INTO ticket (id, title, status, created_at, updated_at, token)"
            " VALUES (3, 'x', 'open', now(), now(), %s)", gone,
        )  # fmt: skip
    assert db.call("rotation", "verify", "--leaked", str(leaked)).lines[-1] == (
        "0 rows of public.ticket.token hold one of 2 listed tokens"
    )


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("id,token,note", "7,{},x"),
        ("note;TOKEN", "a b;{}"),
        ("id\ttoken", "00000000-0000-0000-0000-000000000001\t{}"),
        ("token", "{}"),
        ("\ufefftoken", "{}"),
        ("{}", "{}"),
        ("7,{}", "8,{}"),
    ],
)
def test_leaked_csv(db: Database, tmp_path, head: str, line: str) -> None:
    db.tickets(10)
    leaked = tmp_path / "leaked.csv"
    tokens = [token for (token,) in db.sql("SELECT token::text FROM ticket WHERE id < 4")]
    leaked.write_text("\n".join([head.format(tokens[0]), *map(line.format, tokens)]))
    assert db.call("rotate_tokens_sql", "--leaked", str(leaked)).code == 0
    assert db.value("SELECT leaked FROM rotation") == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "holds no token"),
        (b"\n\n", "holds no token"),
        (b"token\n", "holds no token"),
        (b"11111111-2222-4333-8444-555555555555\nsecret-value\n",
         "line 2 holds no UUID: fix or delete it; nothing was changed"),
        (b"a,b\n1,2\n", "line 1 names no column token, and holds no UUID"),
        (b"\n11111111-2222-4333-8444-55555555555\n\nx\n",
         "line 2 names no column token, and holds no UUID"),
        (b"11111111-2222-4333-8444-555555555555,11111111-2222-4333-8444-555555555556",
         "line 1 holds several UUIDs: start the file with a line of column names"),
        (b"\xff\xfe\x00", "it can't be read as UTF-8 text"),
        (b"token\n\xff\xff\n", "it can't be read as UTF-8 text"),
        (b'token\n"' + b"x" * 200_000, "line 2 is longer than 131072 bytes"),
    ],
    ids=range(10),
)  # fmt: skip
def test_list_that_is_none(db: Database, tmp_path, text: bytes, says: str) -> None:
    db.tickets(10)
    leaked = tmp_path / "leaked.csv"
    leaked.write_bytes(text)
    for command in (["rotate_tokens_sql"], ["rotate_tokens_sql", "--dry-run"]):
        done = db.call(*command, "--leaked", str(leaked))
        assert done.code == 2, done
        assert f"Refused: --leaked {leaked}: {says}" in done.err
        assert "secret" not in done.err
        assert len(done.err.splitlines()) == 1
    assert db.value("SELECT count(*) FROM rotation") == 0
    assert db.changes() == {0: 10}


#: In place of a, b and c stand tokens of the table.
ODD_BUT_CERTAIN = {
    "exported by psql": 'id,token,note\n1,{a},\n2,{b},"x, ""y"""\n3,{c},z\n',
    "exported by Excel": '\ufeff"Token";"Note"\r\n"{a}";"x;y"\r\n{b};\r\n"{c}";z\r\n',
    "exported by COPY as text": "1\t{a}\t5\\t7\n2\t{b}\t\\N\n3\t{c}\tO'Neil\n",
    "blank lines before the header": "\n\n  \ntoken\n\n{a}\n{b}\n\n\n{c}",
    "every field quoted": '"id","token"\n"1","{a}"\n"2","{b}"\n"3","{c}"\n',
    "UUIDs in other columns": "{a},TOKEN,id\n".format(a="parent")
    + "{b},{a},{c}\n{c},{b},{a}\n{a},{c},{b}\n",
    "other delimiters in notes": "a;b,{a},1\nc\td,{b},2\ne,{c},3\n",
    "a line ends in a comma": "{a},\n{b},\n{c},\n",
    "spellings mixed": "{{{a}}}\nurn:uuid:{b}\n\u00a0{c}\u00a0\n",
}


@pytest.mark.parametrize("text", ODD_BUT_CERTAIN.values(), ids=ODD_BUT_CERTAIN)
def test_list_that_looks_odd(db: Database, tmp_path, text: str) -> None:
    """Three lines of tokens are three tokens, and the right ones."""
    db.tickets(10)
    tokens = [token for (token,) in db.sql("SELECT token::text FROM ticket WHERE id < 4")]
    leaked = tmp_path / "leaked.csv"
    leaked.write_bytes(text.format(**dict(zip("abc", tokens, strict=True))).encode())
    plan = db.call("rotate_tokens_sql", "--dry-run", "--leaked", str(leaked))
    assert plan.lines[-1] == f"leaked     3 tokens in {leaked}, to be revoked too"
    done = db.call("rotate_tokens_sql", "--leaked", str(leaked))
    assert (done.code, done.err) == (0, "")
    assert f"3 tokens read from {leaked}: revoked too" in done.out.splitlines()
    assert db.value("SELECT leaked FROM rotation") == 3
    # As if bypassing the guard; of the five tokens that come back the list names three.
    db.sql(f"{UNGUARDED} UPDATE ticket SET token = before.token::uuid FROM before"
           f" WHERE before.id = ticket.id::text AND ticket.id < 6{GUARDED}")  # fmt: skip
    verified = db.call("rotation", "verify", "--leaked", str(leaked))
    assert "3 rows of public.ticket.token hold one of 3 listed tokens: id 1, 2, 3;" in verified.err


TEXT = "it can't be read as UTF-8 text: "
NO_COLUMN = "names no column token, and holds no UUID"

#: What people give in a hurry, and what they are told of it.
UNCERTAIN = {
    # Quotes
    "a stray quote": (f'token\n"{ONE}\n{TWO}\n', "line 2 starts a quoted field that does not end on it"),
    "a stray quote, and another": (f'{ONE}\n"{ONE}\n{TWO}"\n', "line 2 starts a quoted field"),
    "a note of two lines": (f'token,note\n{ONE},"x\ny"\n', "line 2 starts a quoted field that"),
    "a quote in the header": (f'"token\n{ONE}\n', "line 1 starts a quoted field that does not end"),
    "text after a quote": (f'token\n{ONE}\n"{ONE}"x\n', "line 3 has a stray quote"),
    "a quote too many": (f'token\n{ONE}"\n', "line 2 holds no UUID: fix or delete it"),
    # Rows
    "a field too many": (f"{ONE}\n{TWO},x\n", "line 2 has 2 fields, not 1 like line 1"),
    "a field too few": (f"id,token,note\n\n1,{ONE}\n", "line 3 has 2 fields, not 3 like line 1"),
    "an empty field": (f"id,token\n1,{ONE}\n2,\n", "line 3 holds no UUID in field 2"),
    "empty rows at the end": (f"id;token\n1;{ONE}\n;\n", "line 3 holds no UUID in field 2"),
    "a quoted nothing": (f'{ONE}\n""\n', "line 2 holds no UUID"),
    "another column": (f"1,{ONE}\n{TWO},2\n", "line 2 holds no UUID in field 2"),
    "several in a later line": (f"1,{ONE}\n2,{ONE}{TWO}\n", "line 2 holds several UUIDs"),
    "several beside a field": (f"see {TWO},{ONE}\n", "line 1 holds several UUIDs"),
    "several by a space": (f"{ONE} {TWO}\n", "line 1 names no column"),
    "another delimiter later": (f"id,token\n1,{ONE}\n2;{TWO}\n", "line 3 has 1 field, not 2"),
    "no delimiter at first": (f"{ONE}\n{TWO};x\n", "line 2 holds no UUID"),
    "two delimiters": (f"token;x,token\n{ONE};{TWO},{ONE}\n", "line 1 can be read in several ways"),
    "junk at the end": (f"{ONE}\n{TWO}0\n", "line 2 holds no UUID"),
    "a comment at the end": (f"{ONE}\n{TWO} # secret\n", "line 2 holds no UUID"),
    "a dash of a word processor": (f"{ONE}\n{TWO}\n".replace("-4333", "\u20134333", 1),
                                   f"line 1 {NO_COLUMN}"),
    "something invisible": (f"{ONE}\n{TWO}\u200b\n",
                            "line 2 holds no UUID, but non-ASCII characters"),
    "two files in one": (f"token\n{ONE}\n\ufefftoken\n{TWO}\n", "line 3 holds no UUID, but"),
    "a comment": (f"{ONE}\n# secret\n{TWO}\n", "line 2 starts with #"),
    "a token in a comment": (f"{ONE}\n\n  #{TWO}\n", "line 3 starts with #"),
    "a comment that names the column": (f"# secret,token\n1,{ONE}\n", "line 1 starts with #"),
    # Headers
    "a truncated token": (f"{ONE[:-1]}\n{TWO}\n", f"line 1 {NO_COLUMN}"),
    "a word": (f"secret\n{ONE}\n", f"line 1 {NO_COLUMN}"),
    "another name": (f"my_token\n{ONE}\n", f"line 1 {NO_COLUMN}"),
    "a name twice": (f"token,id,Token\n{ONE},1,{TWO}\n", "line 1 names the column token more than once"),
    "a header again": (f"token\n{ONE}\ntoken\n{TWO}\n", "line 3 holds no UUID"),
    "a header late": (f"{ONE}\ntoken\n", "line 2 holds no UUID"),
    "a header only, of several": ("id,token\n", "holds no token"),
    # Bytes
    "UTF-16": (f"token\n{ONE}\n".encode("utf-16"), f"{TEXT}it is UTF-16; save it as UTF-8"),
    "UTF-16, big end first": (f"\ufeff{ONE}\n".encode("utf-16-be"), f"{TEXT}it is UTF-16; save it"),
    "UTF-16 without a mark": (f"{ONE}\n".encode("utf-16-le"), "line 1 holds a control character"),
    "Latin-1": (f"token,note\n{ONE},Zo\u00eb\n".encode("latin-1"), f"{TEXT}line 2 holds other bytes"),
    "gzip": (gzip.compress(ONE.encode()), f"{TEXT}it is a gzip file"),
    "a spreadsheet": (b"PK\x03\x04\x14\0\6\0", f"{TEXT}it is a spreadsheet (xlsx) or a zip file"),
    "an archive": (b"PGDMP\1\x0e\0", f"{TEXT}it is an archive of pg_dump"),
    "binary COPY": (HEADER + ROW.pack(1, 16) + bytes(16) + TRAILER, f"{TEXT}it is COPY's binary format"),
    "a NUL": (f"{ONE}\n{TWO}\0\n", "line 2 holds a control character"),
    "an escape": (f"token,note\n{ONE},\x1b[1m\n", "line 2 holds a control character"),
    "lone carriage returns": (f"{ONE}\r{TWO}\r", "line 1 holds a control character"),
    "lines ended twice": (f"{ONE}\r\r\n{TWO}\r\r\n", "line 1 holds a control character"),
    # What other programs print
    "psql's table": (f"  id | token\n----+-----\n 1 | {ONE}\n(1 row)\n", f"line 1 {NO_COLUMN}"),
    "psql's column": (f" token\n-------\n {ONE}\n(1 row)\n", "line 2 holds no UUID"),
    "psql's count of rows": (f"token\n{ONE}\n(1 row)\n", "line 3 holds no UUID"),
    "a dump": (f"--\n-- PostgreSQL database dump\n--\nCOPY public.ticket (id, token) FROM stdin;"
               f"\n1\t{ONE}\n\\.\n", f"line 1 {NO_COLUMN}"),
    "a table of a dump": (f"COPY public.ticket (id, token, note) FROM stdin;\n1\t{ONE}\tx\n\\.\n",
                          "line 2 has 1 field, not 3"),
    "the end of COPY": (f"{ONE}\n\\.\n", "line 2 holds no UUID"),
    "NULL": (f"{ONE}\n\\N\n", "line 2 holds no UUID"),
    "INSERT": (f"INSERT INTO ticket (id, token, x) VALUES\n(1, '{ONE}', 2),\n(2, '{TWO}', 3);\n",
               "line 2 has 4 fields, not 3"),
    "INSERT of each": (f"INSERT INTO ticket VALUES (1, '{ONE}');\n", f"line 1 {NO_COLUMN}"),
    "a list in SQL": (f"'{ONE}',\n'{TWO}'\n", f"line 1 {NO_COLUMN}"),
    "JSON": (f'["{ONE}", "{TWO}"]\n', f"line 1 {NO_COLUMN}"),
    "JSON, printed": (f'[\n  "{ONE}",\n  "{TWO}"\n]\n', f"line 1 {NO_COLUMN}"),
    "JSON lines": (f'{{"token": "{ONE}"}}\n{{"token": "{TWO}"}}\n', f"line 1 {NO_COLUMN}"),
    "JSON lines without spaces": (f'{{"id":1,"token":"{ONE}"}}\n', "line 1 has a stray quote"),
    "YAML": (f"- {ONE}\n- {TWO}\n", f"line 1 {NO_COLUMN}"),
    "Excel's delimiter": (f"sep=;\ntoken;x\n{ONE};1\n", f"line 1 {NO_COLUMN}"),
    "Excel's formulas": (f'token\n="{ONE}"\n', "line 2 holds no UUID"),
    "Excel's numbers": ("token\n1.23457E+31\n", "line 2 holds no UUID"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), UNCERTAIN.values(), ids=UNCERTAIN)
def test_whatever_is_not_certainly_a_token_is_an_error(
    db: Database, tmp_path, text: str | bytes, says: str
) -> None:
    db.tickets(3)
    leaked = tmp_path / "leaked.csv"
    leaked.write_bytes(text.encode() if isinstance(text, str) else text)
    for also in ([], ["--dry-run"]):
        done = db.call("rotate_tokens_sql", *also, "--leaked", str(leaked))
        assert done.code == 2, done
        assert done.err.startswith(f"Refused: --leaked {leaked}: {says}"), done.err
        assert done.err.endswith("; nothing was changed")
        for part in ("secret", "4333", "8444", "555555", "1111"):
            assert part not in (done.out + done.err).replace(str(leaked), "")
        assert len(done.err.splitlines()) == 1
    assert db.value("SELECT count(*) FROM rotation") == 0
    assert db.changes() == {0: 3}
