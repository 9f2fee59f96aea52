"""Names in the catalog may hold anything: they forge no line, and control no terminal."""

from contextlib import closing

import pytest

from tests.conftest import Database
from tests.proof.account import ACCOUNT, make

BAD = '"x\nphase 4 of 4: verified 9 \x1b[2J{}"'
COMMANDS = (
    ("rotate_tokens_sql", *ACCOUNT, "--dry-run"),
    ("rotate_tokens_sql", *ACCOUNT),
    ("rotate_tokens_sql", *ACCOUNT, "--allow-fk"),
    ("rotation", "verify", *ACCOUNT, "--search-copies"),
    ("rotation", "status"),
    ("rotation", "history"),
    ("rotation", "report", "--json"),
)


@pytest.fixture
def names(db: Database) -> Database:
    """Things of such names around a table."""
    make(db)
    with closing(db.connect()) as session, session.cursor() as cursor:
        for statement in (
            "ALTER TABLE account ADD UNIQUE (api_key)",
            f"CREATE FUNCTION {BAD.format('f')}() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM to_jsonb(OLD); RETURN NEW; END'",
            f"CREATE TRIGGER {BAD.format('t')} BEFORE UPDATE ON account FOR EACH ROW"
            f" EXECUTE FUNCTION {BAD.format('f')}()",
            f"CREATE MATERIALIZED VIEW {BAD.format('m')} AS SELECT api_key FROM account",
            f"CREATE TABLE {BAD.format('history')} ({BAD.format('c')} uuid)",
            f"INSERT INTO {BAD.format('history')} SELECT api_key FROM account",
            f"CREATE TABLE {BAD.format('fk')} (a uuid REFERENCES account (api_key))",
            f"CREATE INDEX {BAD.format('i')} ON account (api_key, note)",
            f"CREATE PUBLICATION {BAD.format('p')} FOR TABLE account",
            f"CREATE RULE {BAD.format('r')} AS ON UPDATE TO account DO ALSO NOTIFY x",
            f"ALTER TABLE account DISABLE RULE {BAD.format('r')}",
        ):
            cursor.execute(statement)
    return db


def test_names_forge_no_line(names: Database) -> None:
    said = ""
    for command in COMMANDS:
        done = names.run(*command)
        said += done.out + done.err
    assert "verified 9" in said  # they are shown
    assert not [line for line in said.splitlines() if line.startswith("phase 4 of 4: verified 9")]
    assert "\x1b" not in said


def test_an_update_rule_is_named_in_one_line(names: Database) -> None:
    names.sql(f"ALTER TABLE account ENABLE RULE {BAD.format('r')}")
    done = names.run("rotate_tokens_sql", *ACCOUNT)
    assert done.code == 1
    assert "rewrites every UPDATE" in done.err
    assert len(done.err.splitlines()) == 1
    assert "\x1b" not in done.err


@pytest.mark.parametrize("type_", ["text", "uuid"])
def test_key_that_holds_the_tokens(db: Database, type_: str) -> None:
    """Keys are shown in plans, named in messages, and stored in the state."""
    db.sql(
        f"CREATE TABLE account (id {type_} PRIMARY KEY, api_key uuid, note text);"
        f"INSERT INTO account SELECT t::text::{type_}, t, 'x'"
        " FROM (SELECT gen_random_uuid() AS t FROM generate_series(1, 20)) AS made"
    )
    db.remember("account", "id", "api_key")
    said = ""
    for also in ((), ("--dry-run",)):
        done = db.call("rotate_tokens_sql", *ACCOUNT, *also)
        assert done.code == 1
        assert "the primary key public.account.id holds the tokens" in done.err
        said += done.out + done.err
    assert not [token for (token,) in db.sql("SELECT token FROM before") if token in said]
    assert db.value("SELECT count(*) FROM rotation") == 0
