"""Types that hold tokens, and how a text spells them."""

import re

import pytest

from tests.conftest import Database

FORMS = {
    "hyphens": "gen_random_uuid()::text",
    "no hyphens": "replace(gen_random_uuid()::text, '-', '')",
    "capitals": "upper(gen_random_uuid()::text)",
    "capitals, no hyphens": "upper(replace(gen_random_uuid()::text, '-', ''))",
}
SPELLED = {
    "hyphens": "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$",
    "no hyphens": "^[0-9a-f]{32}$",
    "capitals": "^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[0-9A-F]{4}-[0-9A-F]{12}$",
    "capitals, no hyphens": "^[0-9A-F]{32}$",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "type", ["text", "varchar", "varchar(36)", "char(36)", "char(32)", "varchar(32)"]
)
def test_text_tokens_keep_their_spelling(db: Database, type: str, form: str) -> None:
    if ("32" in type and "no hyphens" not in form) or (type == "char(36)" and "no hyphens" in form):
        pytest.skip(f"{type} does not hold a UUID with {form}")
    db.sql(f"CREATE TABLE account (id int PRIMARY KEY, token {type} UNIQUE);"
           f"INSERT INTO account SELECT g, {FORMS[form]} FROM generate_series(1, 50) AS g;"
           "INSERT INTO account VALUES (51, NULL)")  # fmt: skip
    db.watch("account", "id")
    done = db.call("rotate_tokens_sql", "--table", "account", "--window", "20")
    assert (done.code, done.err) == (0, "")
    assert "each new token is spelled like the old one" in done.out
    assert db.unchanged("account") == 0
    wrong = "SELECT count(*) FROM account WHERE token !~ %s"
    assert db.value(wrong, SPELLED[form]) == 0
    assert db.sql("SELECT count(token), count(DISTINCT token) FROM account") == [(50, 50)]
    # An old token is the same token in every spelling.
    spelled = "upper(replace(token, '-', ''))" if "32" in type else "upper(token)"
    for text in ("token", spelled):
        db.sql(f"UPDATE account SET token = (SELECT {text} FROM before WHERE id = '7') WHERE id = 7")
    assert db.value("SELECT count(*) FROM before, account"
                    " WHERE before.id = '7'"
                    " AND lower(account.token) = lower(before.token)") == 0  # fmt: skip
    assert db.call("rotation", "verify").code == 0


def test_text_tokens_of_several_spellings(db: Database) -> None:
    db.sql("CREATE TABLE account (id int PRIMARY KEY, token text)")
    for number, expression in enumerate(FORMS.values()):
        db.sql(f"INSERT INTO account VALUES ({number}, {expression})")
    db.watch("account", "id")
    assert db.call("rotate_tokens_sql", "--table", "account").code == 0
    tokens = [token for (token,) in db.sql("SELECT token FROM account ORDER BY id")]
    assert all(re.match(SPELLED[form], token) for form, token in zip(FORMS, tokens, strict=True))
    assert db.unchanged("account") == 0


@pytest.mark.parametrize(
    "misfit", ["sk_live_1234567890", " ", "11111111-2222-4333-8444-55555555555", "{" + "1" * 32 + "}",
               "aAAAAAAA-2222-4333-8444-555555555555", "11111111-222243338444-555555555555",
               "aA" + "1" * 30, "a" * 32 + "\n", "11111111-2222-4333-8444-5555555555aA"],
)  # fmt: skip
def test_text_that_is_no_uuid(db: Database, misfit: str) -> None:
    db.sql("CREATE TABLE account (id int PRIMARY KEY, token text);"
           "INSERT INTO account SELECT g, gen_random_uuid()::text"
           " FROM generate_series(1, 50) AS g")  # fmt: skip
    db.sql("UPDATE account SET token = %s WHERE id = 33", misfit)
    refused = db.call("rotate_tokens_sql", "--table", "account", "--dry-run")
    assert refused.code == 1
    assert "row with id 33 is not a UUID of 32 or 36 characters in one case: if its" in refused.err
    assert db.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'account'::regclass") == 0
    # Beyond the sample it is found by the snapshot.
    db.sql("INSERT INTO account SELECT -g, gen_random_uuid()::text FROM generate_series(1, 1000) AS g")
    db.watch("account", "id")
    done = db.call("rotate_tokens_sql", "--table", "account")
    assert done.code == 1
    assert re.search(
        r"Refused: public\.account\.token of the row with id 33 is not a UUID of 32 or 36 characters in"
        r" one case; nothing was replaced: fix or empty it and run the same command again; or give up",
        done.err,
    )
    assert db.changes() == {0: 1050}
    db.sql("UPDATE account SET token = NULL WHERE id = 33; DELETE FROM changes")
    assert db.call("rotate_tokens_sql", "--table", "account").code == 0
    assert db.changes() == {0: 1, 1: 1049}


def test_domains(db: Database) -> None:
    db.sql("CREATE DOMAIN secret AS uuid NOT NULL; CREATE DOMAIN word AS varchar(36);"
           "CREATE TABLE account (id int PRIMARY KEY, token secret, other word);"
           "INSERT INTO account SELECT g, gen_random_uuid(), gen_random_uuid()"
           " FROM generate_series(1, 20) AS g")  # fmt: skip
    for column in ("token", "other"):
        done = db.call("rotate_tokens_sql", "--table", "account", "--column", column)
        assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("type", "says"),
    [
        ("varchar(20)", "holds 20 characters: a UUID needs 32 or 36"),
        ("char(40)", "holds 40 characters: a UUID needs 32 or 36, and char is padded with blanks"),
        ("char(10)", "holds 10 characters"),
        ("bytea", "is of type bytea: uuid, text, varchar and char can be rotated"),
        ("jsonb", "is of type jsonb"),
        ("uuid[]", r"is of type uuid\[\]"),
    ],
)
def test_types_that_hold_no_uuid(db: Database, type: str, says: str) -> None:
    db.sql(f"CREATE TABLE account (id int PRIMARY KEY, token {type})")
    done = db.call("rotate_tokens_sql", "--table", "account")
    assert (done.code, done.said) == (1, "")
    assert re.search(says, done.err)
