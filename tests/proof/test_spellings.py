"""Tokens in columns of any type, in any spelling and under any name."""

import psycopg2
import pytest

from tests.conftest import Database
from tests.proof.account import ACCOUNT, TWENTY, is_refused, left, make, old, rotate, still_guards


@pytest.mark.parametrize("type_", ["text", "varchar(40)", "char(36)"])
def test_column_that_changes_its_type(rotated: Database, type_: str) -> None:
    """Reported, and still compared by value; the next run guards it again."""
    db = rotated
    with pytest.raises(psycopg2.errors.FeatureNotSupported, match="used in a trigger definition"):
        db.sql(f"ALTER TABLE account ALTER api_key TYPE {type_}")
    assert db.call("rotation", "guard", "drop", *ACCOUNT).code == 0
    db.sql(f"ALTER TABLE account ALTER api_key TYPE {type_}")
    done = db.call("rotation", "verify", *ACCOUNT)
    assert (done.code, "was uuid when it was rotated" in done.out) == (0, True)
    db.sql("UPDATE account SET api_key = upper(%s) WHERE id = 3", old(db))
    assert "1 of 20 revoked tokens survive" in db.call("rotation", "verify", *ACCOUNT).err
    rotate(db)
    assert left(db) == 0
    still_guards(db)
    is_refused(db, "INSERT INTO account VALUES (903, upper(%s))", old(db))


SPELLINGS = {
    "braces": "{{{0}}}",
    "urn": "urn:uuid:{0}",
    "blank": " {0}",
    "parentheses": "({0})",
    "quotes": "'{0}'",
    "urn, capitals": "URN:UUID:{{{0}}}",
    "angles": "<{0}>",
    "white space": "\t{0}\n",
    "without hyphens": "{1}",
    "hyphens of PostgreSQL": "{1:.4}-{2}",
    "underscores": "{3}",
    "capitals": "{4}",
    "urn within urn, of Python": "uurn:uid:{0}",
    "plus, of Java": "{0:.8}-+{6}",
    "without zeros, of Java": "{0:.8}-{6}",
    "plus within braces, of .NET": "{{{0:.8}-+{6}}}",
    "plus within parentheses, of .NET": "({0:.8}-+{6})",
    "plus within blanks, of .NET": " {0:.8}-+{6}\n",
    "more zeros, of Java 8": "00000000{0}",
    "four hyphens elsewhere, of PostgreSQL": "{7[0]}-{7[1]}{7[2]}-{7[3]}-{7[4]}-{7[5]}",
    "four hyphens elsewhere, of Python": "{1:.1}-{8}",
    "of .NET": "{{0x{5[0]},0x{5[1]},0x{5[2]},{{0x{5[3]}}}}}",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_text_that_spells_a_revoked_token_otherwise(db: Database, spelling: str) -> None:
    make(db, "text")
    rotate(db)
    one = old(db)
    bare = one.replace("-", "")
    groups = [
        bare[:8],
        bare[8:12],
        bare[12:16],
        ",0x".join(bare[at : at + 2] for at in range(16, 32, 2)),
    ]
    short = one[9:].replace("-0", "-")  # Java needs no zeros
    eighths = [bare[:8], *(bare[at : at + 4] for at in range(8, 24, 4)), bare[24:]]
    odd = f"{bare[1:2]}-{bare[2:19]}-{bare[19:20]}-{bare[20:]}"
    its = (one, bare, bare[4:], one.replace("-", "_"), one.upper(), groups, short, eighths, odd)
    spelled = spelling.format(*its)
    is_refused(db, "INSERT INTO account VALUES (901, %s)", spelled)
    db.sql("UPDATE account SET api_key = %s WHERE id = 4", spelled)
    assert db.value("SELECT count(*) FROM account WHERE api_key = %s", spelled) == 0
    db.sql("ALTER TABLE account DISABLE TRIGGER ALL")
    db.sql("UPDATE account SET api_key = %s WHERE id = 4", spelled)
    assert "1 of 20 revoked tokens survive" in db.call("rotation", "verify", *ACCOUNT).err


@pytest.mark.parametrize(
    ("spelled", "token"),
    [
        ("12345678-0x34-4abc-8def-123456789012", "12345678-0034-4abc-8def-123456789012"),
        ("{12345678-+0x4-4abc-8def-123456789012}", "12345678-0004-4abc-8def-123456789012"),
        ("+12345678-234-4abc-8def-123456789012", "12345678-0234-4abc-8def-123456789012"),
    ],
)
def test_groups_with_a_sign_or_0x(db: Database, spelled: str, token: str) -> None:
    hashes = "SELECT rotation_hash(%s::text, 7), rotation_hash(%s::uuid, 7)"
    ((one, other),) = db.sql(hashes, spelled, token)
    assert one == other


def test_other_texts_are_taken_as_they_are(db: Database) -> None:
    """Two texts that differ in capitals only are two tokens, unless they spell one uuid."""
    token = db.value("SELECT gen_random_uuid()::text")
    hashes = db.value(
        "SELECT count(DISTINCT rotation_hash(x, 7))"
        " FROM unnest(ARRAY['Ab', 'ab', 'a-b', 'a b', %s, upper(%s)]) AS x", token, token,
    )  # fmt: skip
    assert hashes == 5


@pytest.mark.parametrize(
    "type_",
    [
        *('varchar(36) COLLATE "und-x-icu"', 'varchar(36) COLLATE "ucs_basic"', 'text COLLATE "C"'),
        *("char(36)", "varchar(32)"),
        *("text_like", "uuid_like", '"O\'d%d {} type"'),
    ],
)
def test_column_of_any_type(db: Database, type_: str) -> None:
    if "icu" in type_ and not db.sql("SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'"):
        pytest.skip("this PostgreSQL has no ICU")
    db.sql(
        'CREATE DOMAIN text_like AS text COLLATE "ucs_basic" CHECK (length(VALUE) > 3);'
        "CREATE DOMAIN uuid_like AS uuid CHECK (VALUE <> '00000000-0000-0000-0000-000000000000');"
        'CREATE DOMAIN "O\'d%d {} type" AS varchar(40)'
    )
    if type_ == "varchar(32)":
        db.sql("CREATE TABLE account (id bigint PRIMARY KEY, api_key varchar(32), note text)")
        db.sql(TWENTY.replace("gen_random_uuid()", "replace(gen_random_uuid()::text, '-', '')"))
        db.remember("account", "id", "api_key")
        rotate(db)
        is_refused(db, "INSERT INTO account VALUES (901, %s)", old(db))
        return
    make(db, type_)
    rotate(db)
    still_guards(db)


def test_names_that_need_quotes(db: Database) -> None:
    table, column = '"s % {} \'q\' ""d"""."t %s {0}"', "c \"x\" 'y' %"
    full, quoted = table.replace("%", "%%"), '"c ""x"" \'y\' %%"'
    db.sql(f"CREATE SCHEMA {full.partition('.')[0]};"
           f'CREATE TABLE {full} ("k %%(id)s" int PRIMARY KEY, {quoted} uuid);'
           f"INSERT INTO {full} SELECT g, gen_random_uuid() FROM generate_series(1, %s) AS g", 9
    )  # fmt: skip
    before = [str(token) for (token,) in db.sql(f"SELECT {quoted} FROM {full} WHERE %s", True)]
    its = ("--table", table, f"--column={column}")
    for also in ((), ("--new",)):
        done = db.run("rotate_tokens_sql", *its, *also)
        assert done.code == 0, done.out + done.err
    assert db.call("rotation", "guard", "status", *its).code == 0
    is_refused(db, f"INSERT INTO {full} VALUES (99, %s)", before[0])
    db.sql(f"UPDATE {full} SET {quoted} = %s", before[0])
    assert db.value(f"SELECT count(*) FROM {full} WHERE {quoted}::text = ANY (%s)", before) == 0


@pytest.mark.parametrize("spelling", ["urn:{}", "{{urn:{}}}", "uuid:urn:{}"])
def test_prefixes_of_python(db: Database, spelling: str) -> None:
    make(db, "text")
    rotate(db)
    is_refused(db, "INSERT INTO account VALUES (901, %s)", spelling.format(old(db)))
    quoting = "SET standard_conforming_strings = off; INSERT INTO account VALUES (901, %s)"
    is_refused(db, quoting, f"{{{old(db)}}}")
    is_refused(db, quoting, f"{old(db)[:8]}-+{old(db)[9:]}")
