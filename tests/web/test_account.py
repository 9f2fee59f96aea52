"""What the report says of each state: only what follows from it."""

import re
from typing import Any

import pytest
from django.test import Client

from tests.conftest import Database, kill, until
from tests.web.site import LIST, RUN, record, report_of, tamper_with_set, text

KEYS = ("--table", "api_key")
STARTED = "It was asked for with a guard, a trigger that keeps revoked tokens from being written back"
LATE = "ALTER TABLE ticket ADD CONSTRAINT legacy CHECK (id > 3) NOT VALID"


def told(db: Database) -> tuple[str, dict[str, str], str]:
    """The sentence at the top of the latest rotation's report, the summary, and how it was proven."""
    found = report_of(db)
    return found["result"], found["summary"], found["proof"]["method"]


def make_keys(db: Database) -> None:
    db.sql(
        "CREATE TABLE api_key (id int PRIMARY KEY, token text NOT NULL UNIQUE, hash text, kind text);"
        "INSERT INTO api_key SELECT n, 'k_' || md5(n::text), 'x', CASE WHEN n <= 10 THEN 'live' END"
        " FROM generate_series(1, 30) AS n"
    )


def put_back(db: Database) -> None:
    """Give a row the token that it had before."""
    db.sql(
        f"{db.active()}; UPDATE ticket SET token = before.token::uuid FROM before"
        " WHERE before.id::int = ticket.id AND ticket.id = 7"
    )


def test_pending_and_cancelled_before_the_start(db: Database, steerer: Client) -> None:
    db.tickets(60)
    record(steerer)
    result, summary, method = told(db)
    assert result == "Rotation 1 of public.ticket.token is recorded; no token has been replaced yet."
    assert re.fullmatch(r"recorded .* UTC, not begun; on .* UTC it is pending", summary["when"])
    assert summary["replaced"] == "0 tokens, of an unknown number"
    assert summary["proven"] == "no: it was not verified by value"
    assert (
        "No snapshot of the tokens was completed, so none is revoked, and none was replaced." in method
    )
    assert "new one" not in method
    assert db.run("rotation", "cancel").code == 0
    result, summary, method = told(db)
    assert result.endswith("was cancelled before any token was replaced: every row kept its leaked one.")
    assert re.fullmatch(r"recorded .* UTC, cancelled .* UTC; never begun", summary["when"])
    assert summary["left"].startswith(
        "Every row that it did not reach keeps its leaked token: run python"
    )
    assert "none was replaced" in method
    assert report_of(db)["stages"][0]["name"] == "recorded, until it was cancelled"


def test_running_paused_and_cancelled_midway(slow: Database, viewer: Client) -> None:
    result, summary, method = told(slow)
    assert re.search(r"is running, [\d,]+ of 3,000 tokens replaced; it has not been verified", result)
    assert re.fullmatch(r"begun .* UTC; on .* UTC it is running", summary["when"])
    assert summary["left"] == "Its end: a process is at work."
    assert re.search(
        r"[\d,]+ of 3,000 tokens were replaced by new ones \(random, by gen_random_uuid\) in", method
    )
    assert "; rows that it has not reached, or could not update, keep their leaked tokens" in method
    assert "has not been verified by value yet" in method
    assert slow.run("rotation", "pause").code == 0
    until(lambda: slow.value("SELECT status FROM rotation") == "paused")
    result, summary, method = told(slow)
    assert " is paused, " in result
    assert summary["left"] == "Resume it: python manage.py rotation resume --table public.ticket"
    assert slow.run("rotation", "cancel").code == 0
    done = slow.value("SELECT sum(rows) FROM batchprogress")
    result, summary, method = told(slow)
    named = f"Rotation 1 of public.ticket.token was cancelled, {done:,} of 3,000 tokens replaced"
    assert result == f"{named}: every other row kept its leaked one."
    assert re.fullmatch(r"\S+ \S+ UTC to \S+ \S+ UTC \(0:\d\d\)", summary["when"])
    assert summary["replaced"] == f"{done:,} of 3,000 tokens"
    assert "Every one" not in method
    assert f"{done:,} of 3,000 tokens were replaced" in method
    assert "keep their leaked tokens. Its end has not been verified by value." in method
    page = text(viewer, f"{LIST}1/report/")
    assert '<p class="result unproven">Rotation 1' in page
    assert slow.run("rotation", "verify").code == 4
    result, summary, _ = told(slow)
    assert result.startswith(f"{3000 - done:,} of 3,000 revoked tokens survive in public.ticket.token")
    assert result.endswith(f"The rotation was cancelled after {done:,} of 3,000 tokens were replaced.")
    assert summary["proven"].startswith(f"no: {3000 - done:,} of 3,000 revoked tokens survived on ")


def test_succeeded_and_verified_again(db: Database, viewer: Client) -> None:
    db.tickets(60)
    assert db.run(*RUN, "--window", "20", "--reason", "leak of 12 May").code == 0
    result, summary, method = told(db)
    assert result.startswith("0 of 60 revoked tokens survive in public.ticket.token, checked ")
    assert summary["what"] == "public.ticket.token: leak of 12 May"
    assert summary["replaced"] == "60 of 60 tokens"
    assert re.fullmatch(r"yes, by value, on \S+ \S+ UTC", summary["proven"])
    assert summary["left"].startswith("Nothing in this column.")
    assert method.startswith(STARTED)
    assert (
        "Every one of those tokens was replaced by a new one (random, by gen_random_uuid) in 3 windows"
        in method
    )
    first = re.search("On (.*) UTC the token of every row was hashed again .* 0 of 60 survived", method)
    assert first
    db.sql("SELECT pg_sleep(1)")
    assert db.run("rotation", "verify").code == 0
    again = re.search("On (.*) UTC the token of every row was hashed again", told(db)[2])
    assert again
    assert again[1] > first[1]
    page = text(viewer, f"{LIST}1/report/")
    assert '<p class="result proven">0 of 60' in page
    assert "At the end" not in page


def test_rows_that_came_and_went(db: Database) -> None:
    """Counts are of the start: nothing says of others what is not known."""
    db.sql(
        "CREATE TABLE account (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), token uuid);"
        "INSERT INTO account (token) SELECT gen_random_uuid() FROM generate_series(1, 100)"
    )
    run = (*RUN, "--table", "account", "--window", "10")
    assert db.call(*run, "--stop-after", "10").code == 3
    db.sql("INSERT INTO account (token) SELECT gen_random_uuid() FROM generate_series(1, 100)")
    assert db.call(*run, "--stop-after", "20").code == 3
    assert "keep their leaked token (rows that came or went since the start are" in (
        db.call("rotation", "status").out if db.call("rotation", "cancel").code == 0 else ""
    )
    db.sql("DELETE FROM account WHERE id > (SELECT id FROM account ORDER BY id OFFSET 99 LIMIT 1)")
    assert db.call(*run, "--new", "--stop-after", "10").code == 3
    db.sql("DELETE FROM account WHERE id > (SELECT id FROM account ORDER BY id OFFSET 89 LIMIT 1)")
    assert db.call(*run).code == 0
    _, summary, method = told(db)
    assert summary["replaced"] == "90 of 100 tokens"
    assert "90 of 100 tokens were replaced by new ones" in method
    assert "The rows of the others were deleted or emptied meanwhile." in method


def test_without_verification_or_guard(db: Database) -> None:
    db.tickets(60)
    assert db.run(*RUN, "--no-verify").code == 0
    result, summary, method = told(db)
    assert result.endswith("succeeded, 60 of 60 tokens replaced; it has not been verified by value.")
    assert summary["proven"] == "no: it was not verified by value"
    assert summary["left"] == "Prove it: python manage.py rotation verify --table public.ticket"
    assert "Its end was not verified by value (--no-verify). Other columns" in method
    assert db.run(*RUN, "--new", "--no-guard").code == 0
    found = report_of(db)
    assert found["proof"]["method"].startswith("It was asked for without a guard (--no-guard)")
    assert found["summary"]["proven"].endswith("UTC, for that moment: it was asked for without a guard")
    assert [one["name"].split(",")[0] for one in found["stages"]][1] == "snapshot"
    assert found["proof"]["of_them_earlier"] == 60


def test_rows_that_can_not_be_updated(db: Database) -> None:
    db.tickets(60)
    db.sql(LATE)
    assert db.run(*RUN, "--window", "10").code == 4
    found = report_of(db)
    assert found["result"].endswith(
        "failed, 57 of 60 tokens replaced; it has not been verified by value."
    )
    left = found["summary"]["left"]
    assert left.startswith("Mend what is in its way (id 1, 2, 3 can't be updated: ")
    assert "then run python manage.py rotate_tokens_sql --table public.ticket" in left
    method = found["proof"]["method"]
    assert "57 of 60 tokens were replaced by new ones" in method
    assert "set aside, because they or rows near them could not be updated" in method
    assert "; 3 of them were not rotated." in method
    assert "other sessions" not in method
    kept = found["proof"]["left_for_later"]
    assert (kept["locked"], kept["set_aside"], kept["open"]) == (0, kept["skipped"], 3)
    db.sql("ALTER TABLE ticket DROP CONSTRAINT legacy")
    assert db.run(*RUN).code == 0
    method = told(db)[2]
    assert "Every one of those tokens was replaced" in method
    assert "all of them were rotated afterwards" in method


def test_survivors_reopen_it(db: Database, viewer: Client) -> None:
    db.tickets(60)
    assert db.run(*RUN).code == 0
    put_back(db)
    assert db.run("rotation", "verify").code == 4
    result, summary, method = told(db)
    assert re.match("1 of 60 revoked tokens survive .* The rotation is failed.", result)
    assert re.fullmatch(
        r"begun .* UTC; had succeeded .* UTC, and was reopened by a verification; on .* it has failed",
        summary["when"],
    )
    assert summary["proven"].startswith("no: 1 of 60 revoked tokens survived on ")
    assert "1 of 60 revoked tokens survive, checked" in summary["left"]
    assert "1 found by a verification to hold a revoked token; 1 of them were not rotated." in method
    assert "1 of 60 survived" in method
    assert "UTC, and reopened by a later verification" in text(viewer, f"{LIST}1/report/")
    assert db.run(*RUN).code == 0
    method = told(db)[2]
    assert "1 found by a verification to hold a revoked token; all of them were rotated" in method
    assert "0 of 60 survived" in method


def test_some_rows_by_the_operators_own_sql(db: Database) -> None:
    make_keys(db)
    own = ("--expression", "'n_' || md5(random()::text)", "--also", "hash=md5(new_token)")
    assert db.run(*RUN, *KEYS, "--where", "kind = 'live'", *own).code == 0
    found = report_of(db)
    method = found["proof"]["method"]
    assert "hash of the token of every row for which this was true (kind = 'live') was stored" in method
    assert (
        "(by the operator's own SQL: 'n_' || md5(random()::text); set with it: hash=md5(new_token))"
        in method
    )
    assert "gen_random_uuid" not in method
    assert "only rows with --where" in found["summary"]["what"]
    assert found["summary"]["replaced"] == "10 of 10 tokens"
    limits = " ".join(found["proof"]["not_reached"])
    assert "Rows for which --where was not true: they keep their tokens" in limits
    assert "as hard to guess as the operator's own SQL makes them" in limits


def test_format_lists_and_an_earlier_rotation(db: Database, tmp_path: Any) -> None:
    make_keys(db)
    assert db.run(*RUN, *KEYS, "--format", "k_{hex:32}").code == 0
    assert "(random, k_{hex:32}, made of gen_random_uuid)" in told(db)[2]
    leaked = tmp_path / "leaked"
    leaked.write_text("k_gone\nk_lost\n")
    again = ("--format", "k_{hex:40}", "--new", "--leaked", str(leaked))
    assert db.run(*RUN, *KEYS, *again).code == 0
    proof = report_of(db)["proof"]
    assert (proof["revoked"], proof["of_them_from_lists"], proof["of_them_earlier"]) == (62, 2, 30)
    first = db.call("rotation", "report", "--json", "--id", "1").out
    assert "See rotation 2 of the column, which came later (succeeded)." in first


def test_rows_that_others_replaced(db: Database, viewer: Client) -> None:
    assert db.run("ticket", "--init", "--size", "50").code == 0
    assert db.run(*RUN).code == 0
    assert db.run("ticket", "--init", "--size", "20").code == 0
    summary = told(db)[1]
    assert summary["left"].startswith("Nothing here: other rows took the place of its rows")
    assert "it says nothing about later ones" in text(viewer, f"{LIST}1/report/")
    db.sql("ALTER TABLE ticket ADD CONSTRAINT none CHECK (id > 3) NOT VALID")
    assert db.run(*RUN).code == 4
    assert db.run("ticket", "--init", "--size", "0").code == 0
    result, summary, _ = told(db)
    assert result.endswith("because other rows took the place of the table's.")
    assert "keeps its leaked token" not in summary["left"]


def test_inconclusive(db: Database) -> None:
    db.tickets(60)
    assert db.run(*RUN).code == 0
    tamper_with_set(db)
    result, summary, method = told(db)
    assert result.startswith("Whether revoked tokens survive in public.ticket.token is not known")
    assert summary["proven"].startswith("not known: on ")
    assert summary["left"].startswith("End the rotation with python manage.py rotation cancel")
    assert "survived" not in method
    assert "the set of revoked tokens had been tampered with" in method


def test_no_rows(db: Database) -> None:
    assert db.run(*RUN).code == 0
    _, summary, method = told(db)
    assert summary["replaced"] == "0 of 0 tokens"
    assert "There was no token to replace." in method


def test_interruptions_are_told(slow: Database, viewer: Client) -> None:
    first = slow.children[0]
    assert "Between windows, none that left the work" in text(viewer, f"{LIST}1/report/")
    kill(first)
    assert slow.run("rotation", "tune", "max_rate=off").code == 0
    assert slow.run(*RUN, "--window", "500").code == 0
    found = report_of(slow)
    (one,) = found["interruptions"]
    assert one["by"].startswith(f"{first.pid} ")
    assert one["continued_by"].startswith(f"{slow.children[-1].pid} ")
    assert one["left_at"] < one["continued_at"]
    assert found["summary"]["when"].endswith(", once continued by another process")
    page = text(viewer, f"{LIST}1/report/")
    assert "Between these moments no window ran, then another process continued." in page


def test_processes_side_by_side_are_no_interruption(db: Database) -> None:
    db.tickets(3000)
    for _ in range(2):
        db.start(*RUN, "--window", "50", "--max-rate", "100", "--lanes", "4")
    each = "SELECT min(n) FROM (SELECT count(*) AS n FROM rotation_window GROUP BY worker) AS w"
    until(lambda: (db.sql(f"{each} HAVING count(*) = 2") or [(0,)])[0][0] > 2)
    for child in db.children:
        kill(child)
    assert report_of(db)["interruptions"] == []


@pytest.mark.long
def test_detached_partition_is_not_called_proven(db: Database) -> None:
    db.sql(
        "CREATE TABLE part (id int PRIMARY KEY, token uuid NOT NULL DEFAULT gen_random_uuid())"
        " PARTITION BY RANGE (id);"
        "CREATE TABLE low PARTITION OF part FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE high PARTITION OF part FOR VALUES FROM (50) TO (100);"
        "INSERT INTO part SELECT generate_series(1, 99);"
        "CREATE TABLE old AS SELECT id, token FROM part"
    )
    assert db.run(*RUN, "--table", "part").code == 0
    db.sql(
        "ALTER TABLE part DETACH PARTITION high;"
        "UPDATE high SET token = old.token FROM old WHERE old.id = high.id AND high.id = 60"
    )
    assert db.run("rotation", "verify").code == 4
    _, summary, _ = told(db)
    assert summary["proven"].startswith("no: none was found on ")
    assert summary["left"].startswith("Mend what is in its way")
