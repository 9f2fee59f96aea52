"""The brief's own steps, as its users type them."""

import re
import signal
from contextlib import closing

import pytest

from app.tickets.models import Ticket
from tests.conftest import Database, read_until, until
from tests.operations.progress_line import LINE


def test_the_brief(db: Database) -> None:
    assert db.run("migrate", "-v", "0").code == 0
    assert db.run("ticket", "--init", "--size", "5000").code == 0
    assert db.value("SELECT count(*) FROM ticket") == 5000
    assert db.value("SELECT count(DISTINCT token) FROM ticket") == 5000
    assert {status for (status,) in db.sql("SELECT status FROM ticket")} == set(Ticket.Status.values)
    db.remember("ticket", "id")
    done = db.run("ticket", "--process-token")
    assert (done.code, done.err) == (0, "")
    lines = [line for line in done.lines if line.startswith("completed")]
    assert lines and all(LINE.match(line) for line in lines)
    assert db.unchanged() == 0
    assert db.value("SELECT sum(rows) FROM rotation_window") == 5000


def test_init_default_and_again(db: Database) -> None:
    db.call("ticket", "--init")
    assert db.value("SELECT count(*) FROM ticket") == 1000
    db.call("ticket", "--init", "--size", "10")
    assert db.sql("SELECT count(*), min(id), max(id) FROM ticket") == [(10, 1, 10)]
    db.call("ticket", "--init", "--size", "0")
    assert db.value("SELECT count(*) FROM ticket") == 0


def test_goes_on_near_where_it_stopped(db: Database) -> None:
    db.run("ticket", "--init", "--size", "20000")
    db.remember("ticket", "id")
    db.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END';"
        "CREATE TRIGGER slow AFTER INSERT ON rotation_window EXECUTE FUNCTION slow()"
    )
    child = db.start("ticket", "--process-token")
    read_until(child, "completed")
    child.send_signal(signal.SIGINT)
    rest = child.stdout.read() if child.stdout else ""
    assert child.wait(30) == 3, rest
    stopped = int(re.findall(r"Stopped: after (\d+) rows", rest)[0])
    db.sql("DROP TRIGGER slow ON rotation_window")
    again = db.run("ticket", "--process-token")
    assert again.code == 0
    assert f"resumed after {stopped} rows" in again.out
    assert db.unchanged() == 0
    assert db.value("SELECT sum(rows) FROM rotation_window") == 20_000


def test_new_samples_are_processed_again(db: Database) -> None:
    db.call("ticket", "--init")
    assert db.call("ticket", "--process-token").code == 0
    assert "was finished" in db.call("ticket", "--process-token").out
    db.call("ticket", "--init")
    db.remember("ticket", "id")
    assert db.call("ticket", "--process-token").code == 0
    assert db.unchanged() == 0


def test_init_ends_an_unfinished_rotation(db: Database) -> None:
    db.call("ticket", "--init")
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 500)) NOT VALID")
    assert db.call("ticket", "--process-token").code == 1
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop")
    assert db.call("ticket", "--init").code == 0
    assert db.value("SELECT status FROM rotation") == "cancelled"
    assert db.call("ticket", "--process-token").code == 0


@pytest.mark.long
def test_init_is_refused_while_a_rotation_is_under_way(db: Database) -> None:
    db.run("ticket", "--init", "--size", "3000")
    child = db.start("rotate_tokens_sql", "--window", "3")
    while not db.value("SELECT count(*) FROM rotation_window"):
        pass
    done = db.call("ticket", "--init")
    assert done.code == 1
    assert "is running: stop it first" in done.err
    assert child.wait(60) == 0
    assert db.value("SELECT count(*) FROM ticket") == 3000


def test_init_can_be_interrupted(db: Database) -> None:
    db.call("ticket", "--init", "--size", "10")
    child = db.start("ticket", "--init", "--size", "100000000")
    inserts = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SET LOCAL%INSERT INTO ticket%'"
    inserts += " AND datname ="
    until(lambda: db.sql(f"{inserts} current_database()"))
    child.send_signal(signal.SIGINT)
    out = child.communicate(timeout=20)[0]
    assert child.returncode == 3
    assert "Stopped: by SIGINT; nothing was changed" in out
    assert db.value("SELECT count(*) FROM ticket") == 10


def test_two_migrations_at_once(db: Database) -> None:
    assert db.run("migrate", "rotation", "zero", "-v", "0").code == 0
    children = [db.start("migrate", "-v", "0") for _ in range(3)]
    outs = [child.communicate(timeout=60)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], outs


@pytest.mark.parametrize(
    ("held", "name"),
    [
        ("LOCK TABLE django_migrations", "SIGTERM"),
        ("CREATE TABLE rotation (id int)", "SIGHUP"),
        ("SELECT pg_advisory_xact_lock(7264518)", "SIGINT"),
    ],
)
@pytest.mark.long
def test_migration_that_waits_says_for_whom_and_stops(db: Database, held: str, name: str) -> None:
    assert db.run("migrate", "rotation", "zero", "-v", "0").code == 0
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute(f"{held}; SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
        child = db.start("migrate", "-v", "1")
        assert f"(migrating): waits for pid {pid}" in read_until(child, "no answer for")
        child.send_signal(getattr(signal, name))
        out = child.communicate(timeout=20)[0]
        assert child.returncode == 3, out
        assert f"Stopped: by {name}; run the same command again" in out
    assert db.run("migrate", "-v", "0").code == 0


def test_saved_tickets_get_a_token(db: Database) -> None:
    one, two = Ticket.objects.create(title="a"), Ticket.objects.create(title="b")
    assert one.token != two.token
    assert str(one) == "a"
