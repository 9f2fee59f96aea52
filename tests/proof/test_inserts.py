"""A revoked token comes in by no INSERT, whichever way it is written."""

import io
from contextlib import closing

import psycopg2
import pytest

from tests.conftest import Database
from tests.proof.account import REVOKED, TWENTY, is_refused, left, old, rotate


def test_insert_whose_key_is_taken_until_the_end(db: Database) -> None:
    db.sql(
        "CREATE TABLE account (id bigint PRIMARY KEY DEFERRABLE INITIALLY DEFERRED,"
        " api_key uuid, note text)"
    )
    db.sql(TWENTY)
    db.remember("account", "id", "api_key")
    rotate(db)
    gone = "WITH gone AS (DELETE FROM account WHERE id = 3) INSERT INTO account VALUES (3, %s)"
    is_refused(db, gone, old(db))
    is_refused(
        db,
        "INSERT INTO account VALUES (3, %s); DELETE FROM account WHERE note = 'x' AND id = 3",
        old(db),
    )
    assert left(db) == 0


@pytest.mark.parametrize(
    "before",
    [
        "UPDATE account SET id = 999 WHERE id = 3; UPDATE account SET id = 3 WHERE id = 999;"
        " DELETE FROM account WHERE id = 3",
        "UPDATE account SET id = -3 WHERE id = 3",
        "SELECT set_config('rotation.moving', md5('api_key 3'), false);"
        " DELETE FROM account WHERE id = 3",
        "DELETE FROM account",
    ],
    ids=["there and back", "away", "a flag that lingers", "all deleted"],
)
def test_key_that_was_moved_before(rotated: Database, before: str) -> None:
    is_refused(rotated, f"{before}; INSERT INTO account VALUES (3, %s)", old(rotated))
    assert left(rotated) == 0


@pytest.mark.parametrize("body", ["NEW.id := 905;", "DELETE FROM account WHERE id = NEW.id;"])
def test_later_trigger_that_changes_what_is_inserted(rotated: Database, body: str) -> None:
    rotated.sql(
        f"CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body} RETURN NEW; END';"
        "CREATE TRIGGER zzz BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION later()"
    )
    is_refused(rotated, "INSERT INTO account VALUES (3, %s)", old(rotated))
    assert left(rotated) == 0


@pytest.mark.parametrize("event", ["INSERT", "UPDATE"])
def test_trigger_that_brings_the_token_itself(rotated: Database, event: str) -> None:
    """What is really written counts, not what was asked for."""
    rotated.sql(
        f"CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS"
        f" 'BEGIN NEW.api_key := ''{old(rotated)}''; RETURN NEW; END';"
        f"CREATE TRIGGER fill BEFORE {event} ON account FOR EACH ROW EXECUTE FUNCTION fill()"
    )
    if event == "INSERT":
        is_refused(rotated, "INSERT INTO account VALUES (905, gen_random_uuid())")
    rotated.sql("UPDATE account SET note = 'z'")
    assert left(rotated) == 0


def copy(db: Database) -> None:
    with closing(db.connect()) as connection, connection.cursor() as cursor:
        cursor.copy_expert("COPY account (id, api_key) FROM STDIN", io.StringIO(f"901\t{old(db)}\n"))


WAYS = {
    "SELECT": "INSERT INTO account SELECT 901, %s",
    "WITH": "WITH i AS (INSERT INTO account VALUES (901, %s) RETURNING id) SELECT * FROM i",
    "MERGE": "MERGE INTO account USING (SELECT 901 AS id) AS n ON n.id = account.id"
    " WHEN NOT MATCHED THEN INSERT VALUES (901, %s)",
    "replica": "SET session_replication_role = replica; INSERT INTO account VALUES (901, %s)",
    "view": "CREATE VIEW v AS SELECT * FROM account; INSERT INTO v VALUES (901, %s)",
    "savepoint": "BEGIN; SAVEPOINT a; INSERT INTO account VALUES (901, %s); RELEASE a; COMMIT",
    "prepared": "PREPARE p AS INSERT INTO account VALUES (901, $1); EXECUTE p(%s)",
    "serializable": "BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO account VALUES (901, %s); COMMIT",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_ways_to_insert(rotated: Database, way: str) -> None:
    if "MERGE" in way and rotated.value("SHOW server_version_num") < "150000":
        pytest.skip("no MERGE before PostgreSQL 15")
    is_refused(rotated, way, old(rotated))
    assert left(rotated) == 0


def test_copy(rotated: Database) -> None:
    with pytest.raises(psycopg2.IntegrityError, match=REVOKED):
        copy(rotated)
    assert left(rotated) == 0
