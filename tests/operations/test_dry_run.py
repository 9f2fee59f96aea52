"""The dry run: it shows what a run does, from the same plan, and writes nothing."""

import re
import subprocess
from contextlib import closing

import pytest

from tests.conftest import Database, read_until


def test_shows_the_plan(db: Database) -> None:
    db.tickets(2500)
    done = db.call("rotate_tokens_sql", "--dry-run", "--window", "100")
    assert (done.code, done.err) == (0, "")
    assert done.lines[0] == "Dry run: nothing is written."
    shown = re.findall(r"^ +(\d+)  (\d+)\.\.(\d+)  \((\d+) rows\)$", done.out, re.MULTILINE)
    assert [line[0] for line in shown] == ["1", "2", "3", "23", "24", "25"]
    assert shown[0] == ("1", "1", "100", "100")
    assert shown[-1] == ("25", "2401", "2500", "100")
    assert "25 in total" in done.out
    assert "rows       2,500; with a token: 2,500" in done.out
    assert 'UPDATE "public"."ticket"' in done.out
    assert """WHERE target."id"::pg_catalog.int8 BETWEEN '1'::"pg_catalog"."int8" AND""" in done.out
    assert re.search(r"found by   \w[\w ]+ using ticket_pkey", done.out)
    assert re.search(r"WAL        about [\d.]+ \w+, at most", done.out)
    assert re.search(r"disk       grows by at most [\d.]+ \w+", done.out)


def test_all_windows_when_verbose(db: Database) -> None:
    db.tickets(2500)
    done = db.call("rotate_tokens_sql", "--dry-run", "--window", "100", verbosity=2)
    assert len(re.findall(r"\(100 rows\)", done.out)) == 25


def test_the_run_does_the_planned_windows(db: Database) -> None:
    db.tickets([1, 5, 6, 70, 71, 72, 900, 10**15])
    done = db.call("rotate_tokens_sql", "--dry-run", "--window", "3", verbosity=2)
    planned = re.findall(r"(\d+)\.\.(\d+)  \((\d+) rows\)", done.out)
    assert db.call("rotate_tokens_sql", "--window", "3").code == 0
    journal = db.sql("SELECT lo, hi, rows::text FROM rotation_window ORDER BY id")
    assert journal == planned


def test_writes_nothing(db: Database) -> None:
    db.tickets(500)
    tables = ("ticket", "rotation", "batchprogress", "rotation_window", "changes")
    look = " UNION ALL ".join(
        f"SELECT '{table}', count(*), max(xmin::text::bigint) FROM {table}" for table in tables
    )
    before, given = db.sql(look), 1
    for _ in range(3):  # an autovacuum may come between
        if given:
            transaction = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
            given = -db.value(transaction)
            assert db.run("rotate_tokens_sql", "--dry-run", "-v", "2", "--window", "7").code == 0
            given += db.value(transaction)
    assert db.sql(look) == before
    # No transaction id was given out: nothing on this server was written meanwhile.
    assert given == 0


def test_its_transaction_refuses_every_write(db: Database) -> None:
    from app.rotation.engine.db.session import Session
    from app.rotation.engine.errors import DatabaseFailure

    db.tickets(5)
    session = Session("default", names={"state": ("public",)})
    with pytest.raises(DatabaseFailure, match="read only sql transaction"), session.reading():
        session.change("truncate_tickets")
    assert db.value("SELECT count(*) FROM ticket") == 5


def test_of_an_unfinished_rotation_shows_what_is_left(db: Database) -> None:
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 60)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "20").code == 1
    done = db.call("rotate_tokens_sql", "--dry-run", "--window", "20")
    assert "would      resume rotation 1, started by " in done.out
    assert "lane 0     1..100, done up to 60" in done.out
    assert "        1  61..80  (20 rows)" in done.out
    assert "2 in total" in done.out


def test_of_a_finished_rotation(db: Database) -> None:
    db.tickets(10)
    db.call("rotate_tokens_sql")
    assert (
        "would      do nothing: rotation 1 is finished" in db.call("rotate_tokens_sql", "--dry-run").out
    )
    assert "start a new rotation" in db.call("rotate_tokens_sql", "--dry-run", "--new").out


def test_of_an_empty_table(db: Database) -> None:
    assert "the table has no rows" in db.call("rotate_tokens_sql", "--dry-run").out


def test_more_windows_than_are_walked(db: Database, monkeypatch) -> None:
    db.tickets(500)
    monkeypatch.setattr("app.rotation.operations.dry_run.MOST_WALKED", 10)
    done = db.call("rotate_tokens_sql", "--dry-run", "--window", "10")
    assert "up to 500; about 50 in total; --dry-run -v 2 lists them" in done.out


def test_window_that_would_not_use_the_key_is_refused(db: Database) -> None:
    db.tickets(100)
    with closing(db.connect(autocommit=False)) as older, older.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
        # As when it was built over rows that changed meanwhile: it is not for who may see the old ones.
        db.sql("UPDATE pg_index SET indcheckxmin = true WHERE indexrelid = 'ticket_pkey'::regclass")
        done = db.call("rotate_tokens_sql", "--dry-run")
        assert done.code == 1
        assert "not by the index of id: check that the primary key's index is valid" in done.err
        assert db.call("rotate_tokens_sql").code == 1
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_stale_statistics_do_not_matter(db: Database) -> None:
    """Statistics from a table of 100 rows call a window of 100 all of it: PostgreSQL would scan it."""
    db.sql("ALTER TABLE ticket SET (autovacuum_enabled = off)")
    db.tickets(100)
    db.sql("ANALYZE ticket")
    db.insert("SELECT generate_series(101, %s)", 20_000)
    text = "EXPLAIN UPDATE ticket SET token = token WHERE id BETWEEN 1 AND 100"
    assert any("Seq Scan" in line for (line,) in db.sql(text))
    done = db.call("rotate_tokens_sql", "--dry-run", "--window", "100")
    assert "using ticket_pkey" in done.out


def test_closed_output(db: Database) -> None:
    db.tickets(5000)
    child = db.start(
        "rotate_tokens_sql", "--dry-run", "-v", "2", "--window", "1", stderr=subprocess.PIPE
    )
    assert child.stdout and child.stderr
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr.read() == ""
    assert child.wait(30) == 0


def test_output_that_can_not_show_every_character(db: Database) -> None:
    db.sql('CREATE TABLE "täbel→" (id int PRIMARY KEY, token uuid); INSERT INTO "täbel→" VALUES (1)')
    latin = db.environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    for arguments in (["--dry-run"], ["--progress", "bar"]):
        done = db.run("rotate_tokens_sql", "--table", "täbel→", *arguments, env=latin)
        assert (done.code, done.err) == (0, "")
        assert r"t\xe4bel\u2192" in done.out
        assert r"\u2588" not in done.out  # the bar is made of what there is


def test_interrupted_output(db: Database) -> None:
    db.tickets(50)
    child = db.start("rotate_tokens_sql", "--dry-run", "-v", "2", "--window", "1")
    assert "Dry run" in read_until(child, "in total")
    assert child.wait(10) == 0


def test_lanes_are_aligned_and_few(db: Database) -> None:
    db.tickets(2000)
    out = db.call("rotate_tokens_sql", "--dry-run", "--lanes", "12").out
    lanes = [line for line in out.splitlines() if line.startswith("lane ")]
    assert len(lanes) == 10
    assert {line.index(line.split()[2]) for line in lanes} == {11}
    assert "           and 2 lanes more; --dry-run -v 2 lists them" in out
    out = db.call("rotate_tokens_sql", "--dry-run", "--lanes", "12", verbosity=2).out
    assert sum(line.startswith("lane ") for line in out.splitlines()) == 12


def test_time_by_what_is_known(db: Database) -> None:
    """Unknown at first, then by the unfinished rotation's pace, then by the latest one's, or a limit."""

    def said(*flags: str) -> str:
        out = db.call("rotate_tokens_sql", "--dry-run", *flags).out
        return next(line for line in out.splitlines() if line.startswith("time "))

    db.tickets(2000)
    assert said() == "time       unknown until it runs"
    assert db.call("rotate_tokens_sql", "--window", "100", "--stop-after", "500").code == 3
    pace = r"\(\d+ rows/s, 1 worker\)"
    assert re.fullmatch(rf"time       about 0:\d\d at the pace of rotation 1 {pace}", said())
    assert said("--max-rate", "10") == "time       about 2:30 at --max-rate"
    assert db.call("rotate_tokens_sql").code == 0
    new = rf"time       about 0:\d\d at the pace of rotation 1( without its waits)? {pace}"
    assert re.fullmatch(new, said("--new"))
    db.sql("UPDATE rotation SET started_at = begun_at + interval '100 s', finished_at = verifying_at")
    assert re.fullmatch(
        r"time       about (3:20|3:2\d) at --max-rate", said("--new", "--max-rate", "20")
    )


def test_time_without_the_waits_of_the_latest(db: Database) -> None:
    """A new rotation need not wait as long as one that was held back."""
    db.tickets(400)
    assert db.call("rotate_tokens_sql", "--max-rate", "200").code == 0
    said = db.call("rotate_tokens_sql", "--dry-run", "--new").out
    its = re.search(r"at the pace of rotation 1 without its waits \((\d+) rows/s, 1 worker\)", said)
    assert its, said
    assert int(its[1]) > 300
