"""The main job: start, finish, say so, start another; what is printed and with which exit code."""

import json
from typing import Any

import pytest

from app.rotation.engine.options import TUNABLE, as_flags
from tests.conftest import Database, kill, until
from tests.operations.progress_line import LINE


def test_rotates_every_token_once(db: Database) -> None:
    db.tickets(2500)
    done = db.run("rotate_tokens_sql", "--window", "1000", "--reason", "leak of 12 May")
    assert (done.code, done.err) == (0, "")
    db.each_once(2500)
    assert db.value("SELECT count(DISTINCT token) FROM ticket") == 2500
    assert db.sql("SELECT lo, hi, rows FROM rotation_window ORDER BY id") == [
        ("1", "1000", 1000),
        ("1001", "2000", 1000),
        ("2001", "2500", 500),
    ]
    assert db.sql("SELECT reason, rows_total, rows_total_exact FROM rotation") == [
        ("leak of 12 May", 2500, True)
    ]
    begins = done.lines.index("rotation 1 of public.ticket.token started")
    *lines, last = done.lines[begins + 1 :]
    comparing = "phase 4 of 4: comparing every token with the 2500 revoked ones"  # if it takes long
    assert [line for line in lines if not LINE.match(line) and line != comparing] == [
        "phase 1 of 4: guard in place; transactions that were writing have ended",
        "phase 2 of 4: 2500 tokens revoked; a salted hash of each is stored",
        "phase 3 of 4: 2500 tokens replaced",
        next(line for line in lines if "phase 4 of 4: verified by value: 0 of 2500" in line),
    ]
    assert "100.00 % (2500 of 2500) | remaining time:    0 second(s)" in lines[-1]
    assert last.startswith("rotation 1 of public.ticket.token succeeded: 2500 rows in 3 windows")


def test_finished_says_so_and_new_starts_another(db: Database) -> None:
    db.tickets(10)
    assert db.call("rotate_tokens_sql").code == 0
    again = db.call("rotate_tokens_sql")
    assert again.code == 0
    assert "was finished" in again.out and "--new" in again.out
    assert db.changes() == {1: 10}
    new = db.call("rotate_tokens_sql", "--new")
    assert new.code == 0
    assert "phase 2 of 4: 10 tokens revoked (20 with lists and earlier rotations);" in new.out
    assert db.changes() == {2: 10}
    assert db.value("SELECT count(*) FROM rotation") == 2


def test_finished_names_what_is_not(db: Database) -> None:
    db.tickets(10)
    assert db.call("rotate_tokens_sql").code == 0
    db.sql("CREATE TABLE account (id int PRIMARY KEY, token uuid)")
    db.sql("INSERT INTO account SELECT n, gen_random_uuid() FROM generate_series(1, 20) AS n")
    other = ("rotate_tokens_sql", "--table", "account")
    assert db.call(*other, "--window", "5", "--stop-after", "10").code == 3
    done = db.call("rotate_tokens_sql")
    assert done.code == 0
    command = "python manage.py rotate_tokens_sql --table public.account"
    said = f"rotation 2 of public.account.token is unfinished: run {command}"
    assert said in done.out
    # What a killed process waited for is not said of the next one.
    db.sql("UPDATE rotation SET throttle = 'rate (limit 5 rows/s)' WHERE id = 2")
    done = db.call(*other)
    assert done.code == 0
    assert "throttled" not in done.out
    assert "unfinished" not in db.call("rotate_tokens_sql").out


def test_limits_of_the_first_run_are_not_forgotten(db: Database) -> None:
    """Whoever follows the advice of `status` has them; who does not is warned."""
    db.tickets(300)
    limits = ("--max-rate", "200", "--max-wal", "5GB", "--throttle-sql", "SELECT 0")
    child = db.start("rotate_tokens_sql", "--window", "20", *limits, "--workers", "2", "--local-tokens")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    kill(child)
    until(lambda: "no process is working on it" in db.call("rotation", "status").out)
    again = "--window 20 --workers 2 --max-wal 5000000000 --max-rate 200 --throttle-sql 'SELECT 0'"
    again += " --local-tokens"
    assert as_flags({"standbys": ["a b", "c"]}, TUNABLE) == " --standby 'a b' --standby c"
    assert f"run python manage.py rotate_tokens_sql --table public.ticket {again} again" in (
        db.call("rotation", "status").out
    )
    assert db.call("rotation", "tune", "max_wal=off").code == 0
    done = db.call("rotate_tokens_sql", "--throttle-sql", "SELECT 0")
    assert done.code == 0
    assert (
        "warn: rotation 1 of public.ticket.token was started with --max-rate 200 --local-tokens, and"
        " this run goes without: stop it and add that, or use python manage.py rotation tune" in done.out
    )
    db.each_once(300)


def test_rotation_that_another_process_starts_meanwhile(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our look for one of this table and that for one of another column: it is joined."""
    from app.rotation.engine.state import rotations

    sets = rotations._sets

    def just_started(*looked_for: Any) -> list[int]:
        if not db.value("SELECT count(*) FROM rotation"):
            db.start("rotate_tokens_sql", "--window", "20", "--progress", "none")
            until(lambda: db.value("SELECT count(*) FROM rotation"))
        return sets(*looked_for)

    monkeypatch.setattr(rotations, "_sets", just_started)
    db.tickets(500)
    assert db.call("rotate_tokens_sql", "--window", "20").code == 0
    db.each_once(500)


def test_null_tokens_stay_null(db: Database) -> None:
    db.tickets(9)
    db.sql("ALTER TABLE ticket ALTER token DROP NOT NULL; UPDATE ticket SET token = NULL WHERE id > 5")
    db.sql("DELETE FROM changes")
    assert db.call("rotate_tokens_sql", "--window", "2").code == 0
    assert db.value("SELECT count(*) FROM ticket WHERE token IS NULL") == 4
    assert db.value("SELECT count(*) FROM changes") == 5
    assert db.value("SELECT rows_total FROM rotation") == 5
    assert db.unchanged() == 0


def test_rows_changed_by_nobody_else_keep_their_other_columns(db: Database) -> None:
    db.tickets(50)
    kept = "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM"
    kept += " (SELECT id, title, status, created_at, updated_at FROM ticket) AS t"
    before = db.value(kept)
    assert db.call("rotate_tokens_sql").code == 0
    assert db.value(kept) == before


def test_windows_grow_from_small_without_window(db: Database) -> None:
    db.tickets(30_000)
    assert db.call("rotate_tokens_sql", "--window-seconds", "3").code == 0
    sizes = [rows for (rows,) in db.sql("SELECT rows FROM rotation_window ORDER BY id")]
    assert sizes[0] == 500
    assert sizes[1] == 1000
    assert len(sizes) < 12
    db.each_once(30_000)


def test_total_is_an_estimate_when_counting_takes_too_long(db: Database, monkeypatch) -> None:
    db.tickets(20_000)
    db.sql("ANALYZE ticket")
    monkeypatch.setattr("app.rotation.engine.table.size.COUNT_SECONDS", 0.001)
    done = db.call("rotate_tokens_sql", "--dry-run", "--window", "20000")
    assert done.code == 0
    assert "rows       about 20,000; with a token: about 20,000" in done.out


def test_total_is_unknown_without_count_and_statistics(db: Database, monkeypatch) -> None:
    db.tickets(20_000)
    monkeypatch.setattr("app.rotation.engine.table.size.COUNT_SECONDS", 0.001)
    db.sql("ALTER TABLE ticket SET (autovacuum_enabled = off)")
    done = db.call("rotate_tokens_sql", "--dry-run", "--window", "1000")
    assert done.code == 0
    assert "rows       unknown: ANALYZE the table for an estimate" in done.out
    assert db.call("rotate_tokens_sql", "--window", "1000").code == 0
    assert db.sql("SELECT rows_total, rows_total_exact FROM rotation") == [(20_000, True)]


def test_status_json_has_the_keys_of_the_contract(db: Database) -> None:
    assert db.call("rotation", "status", "--json").out.strip() == "null"
    db.tickets(100)
    db.call("rotate_tokens_sql", "--window", "60")
    status = json.loads(db.call("rotation", "status", "--json").out)
    assert list(status) == [
        *("id", "table", "column", "status", "stalled", "rows_done", "rows_total"),
        *("rows_total_exact", "percent", "rows_per_second", "eta_seconds", "throttle", "windows"),
        *("lanes", "revoked", "survivors", "holes", "workers", "started_at", "finished_at"),
    ]
    assert status["status"] == "succeeded"
    assert (status["rows_done"], status["percent"], status["eta_seconds"]) == (100, 100.0, 0.0)
    assert status["lanes"] == [
        {"lane": 0, "lower": 1, "upper": 100, "last_id": 100, "rows": 100, "done": True}
    ]


def test_status_and_history_for_people(db: Database) -> None:
    for action in ("status", "history"):
        assert "no rotation yet" in db.call("rotation", action).out
    db.tickets(10)
    db.call("rotate_tokens_sql", "--reason", "why not")
    assert "succeeded" in db.call("rotation", "status").out
    db.call("rotate_tokens_sql", "--new")
    history = db.call("rotation", "history").lines
    assert len(history) == 2
    assert history[1].endswith("| why not")
    entries = json.loads(db.call("rotation", "history", "--json").out)
    assert [entry["id"] for entry in entries] == [2, 1]


def test_status_of_a_rotation_that_nobody_works_on(db: Database) -> None:
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "50").code == 1
    until(lambda: json.loads(db.call("rotation", "status", "--json").out)["stalled"], 10)
    status = json.loads(db.call("rotation", "status", "--json").out)
    assert (status["status"], status["workers"], status["eta_seconds"]) == ("running", 0, None)
    text = db.call("rotation", "status").out
    command = "python manage.py rotate_tokens_sql --table public.ticket --window 50"
    assert f"running, but no process is working on it: run {command} again to continue" in text
    assert "50.00 % (50 of 100) | remaining time: unknown" in text


def test_signs_of_life_from_the_future_are_none(db: Database) -> None:
    """The clock was set back, or a standby with another clock was promoted: nobody works on it."""
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "50").code == 1
    db.sql("SET session_replication_role = replica;"
           "UPDATE rotation SET created_at = now() + interval '1 hour', throttle = 'a full disk',"
           " touched_at = now() + interval '1 hour';"
           "UPDATE batchprogress SET worker = 'gone', updated_at = now() + interval '1 hour';"
           "UPDATE rotation_window SET finished_at = now() + interval '1 hour'")  # fmt: skip
    status = json.loads(db.call("rotation", "status", "--json").out)
    assert (status["stalled"], status["workers"], status["throttle"]) == (True, 0, None)
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop")
    done = db.call("rotate_tokens_sql")
    assert done.code == 0
    assert "is running this rotation" not in done.out
    db.each_once(100)


def test_status_of_a_table_without_rotations(db: Database) -> None:
    for action in ("status", "history"):
        done = db.call("rotation", action, "--table", "nope")
        assert (done.code, "no rotation of table 'nope'" in done.err) == (1, True)
        assert db.call("rotation", action).code == 0
    assert db.call("rotation", "status", "--table", "nope", "--json").out.strip() == "null"


def test_progress_json_is_one_object_a_line(db: Database) -> None:
    db.tickets(1000)
    done = db.run("rotate_tokens_sql", "--window", "300", "--progress", "json")
    events = [json.loads(line) for line in done.out.splitlines()]
    kinds = [event["event"] for event in events]
    # Found: the oracle's trigger, and its table.
    assert kinds[:4] == ["connected", "found", "found", "began"]
    assert (kinds[-1], events[-1]["exit_code"]) == ("ended", 0)
    assert kinds.count("window_done") == 4
    percents = [event["percent"] for event in events if event["event"] == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100.0
    assert sum(event["rows"] for event in events if event["event"] == "window_done") == 1000


def test_the_first_line_says_where_it_is(db: Database) -> None:
    db.tickets(10)
    version = db.value("SELECT current_setting('server_version')")
    where = f"PostgreSQL {version} on this machine, database {db.name}, role postgres"
    for also in (["--dry-run"], []):
        lines = db.run("rotate_tokens_sql", *also).out.splitlines()
        assert lines[1 if also else 0].removeprefix("server     ") == where


def test_quiet_prints_errors_only(db: Database) -> None:
    db.tickets(10)
    assert db.run("rotate_tokens_sql", "--verbosity", "0").lines == []
    assert db.run("rotate_tokens_sql", "--verbosity", "0", "--table", "nosuch").err


def test_server_log_stays_free_of_tokens_and_errors(db: Database) -> None:
    db.tickets(50)
    before = db.server.log.stat().st_size
    assert db.call("rotate_tokens_sql").code == 0
    assert "ERROR" not in db.server.log.read_text()[before:]
