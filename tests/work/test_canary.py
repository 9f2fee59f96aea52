"""The canary window: what undoes the UPDATE is found before anything is replaced."""

import json
import re
from contextlib import closing

import pytest

from tests.conftest import Database, kill, until
from tests.proof.account import make, rotate
from tests.proof.proven import succeeded
from tests.work.gates import RUN, gate, waiting_at_gate

RESTORE_OLD = "CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body} END';"


@pytest.mark.parametrize(
    ("body", "trigger"),
    [
        ("NEW.token := OLD.token; RETURN NEW;", "BEFORE UPDATE ON ticket FOR EACH ROW"),
        ("RETURN OLD;", "BEFORE UPDATE ON ticket FOR EACH ROW"),
        ("RETURN NULL;", "BEFORE UPDATE ON ticket FOR EACH ROW"),
    ],
    ids=["keeps the token", "returns OLD", "returns NULL"],
)
def test_trigger_that_undoes_the_update(db: Database, body: str, trigger: str) -> None:
    db.tickets(50)
    db.sql(f"{RESTORE_OLD.format(body=body)} CREATE TRIGGER undo {trigger} EXECUTE FUNCTION undo()")
    done = db.call("rotate_tokens_sql", "--window", "20")
    assert done.code == 1
    assert re.search(
        r"Refused: in the canary window 1\.\.20 of public\.ticket\.token 20 of 20 tokens kept their old"
        r" value although PostgreSQL counted \d+ rows as updated: a trigger or a rule undoes the UPDATE;"
        r" it was rolled back, nothing was replaced",
        done.err,
    )
    assert db.changes() == {0: 50}
    assert db.value("SELECT count(*) FROM rotation_window") == 0
    db.sql("DROP TRIGGER undo ON ticket")
    assert db.call("rotate_tokens_sql", "--window", "20").code == 0
    succeeded(db)


def test_trigger_that_writes_the_old_token_back(db: Database) -> None:
    """Although it runs within the rotation's own statement: the flag counts in no trigger."""
    db.tickets(50)
    body = (
        "IF pg_trigger_depth() = 1 THEN UPDATE ticket SET token = OLD.token WHERE id = OLD.id;"
        " END IF; RETURN NULL;"
    )
    trigger = "AFTER UPDATE ON ticket FOR EACH ROW"
    db.sql(f"{RESTORE_OLD.format(body=body)} CREATE TRIGGER undo {trigger} EXECUTE FUNCTION undo()")
    assert db.call("rotate_tokens_sql", "--window", "20").code == 0
    assert db.unchanged() == 0


def test_deferred_trigger_speaks_in_the_canary(db: Database) -> None:
    db.tickets(50)
    db.sql(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE unique_violation; END';"
        "CREATE CONSTRAINT TRIGGER no AFTER UPDATE ON ticket DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION no()"
    )
    done = db.call("rotate_tokens_sql")
    assert done.code == 1
    assert "the canary window failed, as every window would" in done.err
    assert db.value("SELECT count(*) FROM rotation_window") == 0


def test_killed_canary(db: Database) -> None:
    db.tickets(250)
    with gate(db, "ticket", "BEFORE UPDATE", passes="false"):
        child = db.start(*RUN)
        until(lambda: waiting_at_gate(db))
        kill(child)
        until(lambda: not waiting_at_gate(db), 5)
    assert db.changes() == {0: 250}
    assert db.run(*RUN).code == 0
    db.each_once(250)


def test_canary_goes_round_a_locked_row(db: Database) -> None:
    db.tickets(250)
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT title FROM ticket WHERE id IN (1, 2) FOR UPDATE")
        child = db.start(*RUN[:-1], "50")
        until(lambda: db.value("SELECT max(last_id::bigint) FROM batchprogress"))
    assert child.wait(60) == 0
    succeeded(db)


def test_canary_sees_tokens_that_are_not_distinct(db: Database) -> None:
    """A trigger that writes one and the same token into every row: new, and worthless."""
    db.sql("CREATE TABLE plain (id int PRIMARY KEY, token uuid);"
           "INSERT INTO plain SELECT n, gen_random_uuid() FROM generate_series(1, 50) AS n;"
           "CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.token :="
           " ''11111111-2222-4333-8444-555555555555''; RETURN NEW; END';"
           "CREATE TRIGGER same BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION same()"
    )  # fmt: skip
    before = db.sql("SELECT * FROM plain ORDER BY id")
    done = db.call("rotate_tokens_sql", "--table", "plain", "--window", "20")
    assert done.code == 1
    assert "canary window 1..20 of public.plain.token" in done.err
    assert "only 1 different" in done.err
    assert db.sql("SELECT * FROM plain ORDER BY id") == before


def test_trigger_that_undoes_some_updates(db: Database) -> None:
    """The canary can't see it; the verification does, tries again, and gives up with names."""
    db.tickets(50)
    body = "IF OLD.id IN (33, 44) THEN NEW.token := OLD.token; END IF; RETURN NEW;"
    trigger = "BEFORE UPDATE ON ticket FOR EACH ROW"
    db.sql(f"{RESTORE_OLD.format(body=body)} CREATE TRIGGER undo {trigger} EXECUTE FUNCTION undo()")
    done = db.call("rotate_tokens_sql", "--window", "10")
    assert done.code == 4
    assert done.out.count("2 rows hold a revoked token: id 33, 44; rotating again") == 3
    assert re.search(
        r"^Unproven: 2 of 50 revoked tokens survive in public\.ticket\.token, checked .*: id 33, 44;"
        r" find out what writes old tokens,"
        r" then run python manage.py rotate_tokens_sql --table public.ticket to rotate those rows$",
        done.err,
    )
    status = json.loads(db.call("rotation", "status", "--json").out)
    assert (status["status"], status["survivors"], status["revoked"]) == ("failed", 2, 50)
    db.sql("DROP TRIGGER undo ON ticket")
    assert db.call("rotate_tokens_sql").code == 0
    succeeded(db)


def test_insert_of_the_canary_fires_nobodys_trigger(db: Database) -> None:
    """What a trigger does outside the database is not rolled back."""
    make(db)
    db.acknowledges = False
    db.sql("CREATE SEQUENCE fired; CREATE FUNCTION welcome() RETURNS trigger LANGUAGE plpgsql AS"
           " $$BEGIN PERFORM nextval('public.fired'); RETURN NULL; END$$;"
           "CREATE TRIGGER welcome AFTER INSERT ON account"
           " FOR EACH ROW EXECUTE FUNCTION welcome()")  # fmt: skip
    rotate(db)
    assert not db.value("SELECT is_called FROM fired")


def test_insert_of_the_canary_waits_for_nobodys_insert(db: Database) -> None:
    """An open transaction has inserted the next key, as every sequence does."""
    make(db)
    db.sql("ALTER TABLE account ADD CONSTRAINT stop CHECK (halts(id <> 8)) NOT VALID")
    rotate(db, "--window", "5", code=1)
    db.sql("ALTER TABLE account DROP CONSTRAINT stop")
    with closing(db.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute("INSERT INTO account VALUES (21, gen_random_uuid())")
        rotate(db, "--lock-patience", "3")
