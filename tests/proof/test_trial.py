"""Before any window the guard is tried on the target itself, by an UPDATE and an INSERT, rolled back."""

import pytest

from tests.conftest import Database, Done, until
from tests.proof.account import ACCOUNT, FUNCTION, left, make
from tests.work.gates import gate, waiting_at_gate

BROKEN = "BEGIN RAISE invalid_text_representation; END"
BROKEN_INSERT = BROKEN.replace("RAISE", "IF TG_OP = ''UPDATE'' THEN RETURN NEW; END IF; RAISE")
OPEN = "BEGIN RETURN NEW; END"


def run_with(db: Database, body: str) -> Done:
    """Rotate; replace what the guard's function says once the set is complete, before the canary."""
    with gate(db, "batchprogress", "BEFORE INSERT", passes="false"):
        child = db.start("rotate_tokens_sql", *ACCOUNT)
        until(lambda: waiting_at_gate(db))
        db.sql(f"CREATE OR REPLACE FUNCTION {db.value(FUNCTION)}() RETURNS trigger LANGUAGE plpgsql AS"
               f" '{body}'")  # fmt: skip
    out = child.communicate(timeout=60)[0]
    return Done(child.returncode, out, "")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (BROKEN, "can't be written to (invalid text representation): nothing was replaced"),
        (
            OPEN,
            "lets a revoked token be inserted: see python manage.py rotation guard status"
            " --table public.account --column api_key; nothing was replaced",
        ),
        ("BEGIN RETURN NULL; END", "can't be written to (nothing is written)"),
        (BROKEN_INSERT, "can't be written to (invalid text representation): nothing was replaced"),
    ],
)
def test_guard_that_does_not_work(db: Database, body: str, says: str) -> None:
    make(db)
    done = run_with(db, body)
    assert (done.code, says in done.out) == (1, True), done.out
    assert (left(db), db.value("SELECT count(*) FROM account")) == (20, 20)


@pytest.mark.parametrize(
    "odd",
    [
        "ALTER TABLE account ADD UNIQUE (note, id); ALTER TABLE account ADD CHECK (id < 21)",
        "ALTER TABLE account ADD other int GENERATED ALWAYS AS (1) STORED",
        "CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN NEW.api_key := gen_random_uuid(); RETURN NEW; END';"
        "CREATE TRIGGER own BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION own()",
        "ALTER TABLE account ALTER id ADD GENERATED ALWAYS AS IDENTITY; ALTER TABLE account DROP note",
        "DELETE FROM account WHERE id > 1; UPDATE account SET id = 9223372036854775807",
    ],
    ids=["constraints", "generated column", "a token of the application's", "identity", "last bigint"],
)
def test_table_that_takes_no_copy_of_a_row(db: Database, odd: str) -> None:
    """What fails for another reason than the guard says nothing; and nothing is left behind."""
    make(db)
    db.sql(odd)
    rows = db.value("SELECT count(*) FROM account")
    done = db.run("rotate_tokens_sql", *ACCOUNT)
    assert done.code == 0, done.out + done.err
    assert (left(db), db.value("SELECT count(*) FROM account")) == (0, rows)


@pytest.mark.parametrize("key", ["text", "uuid", "numeric", "varchar(40)"])
def test_keys_of_other_types(db: Database, key: str) -> None:
    db.sql(f"CREATE TABLE account (id {key} PRIMARY KEY, api_key uuid);"
           f"INSERT INTO account SELECT {'gen_random_uuid()' if key == 'uuid' else f'g::{key}'},"
           " gen_random_uuid() FROM generate_series(1, 20) AS g")  # fmt: skip
    db.remember("account", "id", "api_key")
    done = db.run("rotate_tokens_sql", *ACCOUNT)
    assert done.code == 0, done.out + done.err
    assert (left(db), db.value("SELECT count(*) FROM account")) == (0, 20)
