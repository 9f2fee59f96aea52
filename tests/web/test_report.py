"""The report: the same on the page, in a file and as JSON."""

import json
import os
import re
import stat
from pathlib import Path

import django
import pytest
from django.test import Client

from tests.conftest import Database, kill, until
from tests.web.site import LIST, RUN, record, report_of, text


def test_report(db: Database, viewer: Client, tmp_path: Path) -> None:
    db.tickets(600)
    assert db.run(*RUN, "--window", "50", "--max-rate", "400", "--reason", "leak of 12 May").code == 0
    file = tmp_path / "report.html"
    done = db.run("rotation", "report", "--html", str(file))
    assert (done.code, done.err) == (0, "")
    page = file.read_text()
    assert page == text(viewer, f"{LIST}1/report/")
    assert db.run("rotation", "report", "--html", str(file), "--id", "1").code == 0
    assert page == file.read_text()
    assert not re.search(r"(?:src|href)=|https?://|<script", page)
    for shown in ("leak of 12 May", "0 of 600 revoked tokens survive", "600, in 12 windows, each one",
                  "rate (limit 400 rows/s)", "max_rate", "16, or 1 for a small table", "1 GB",
                  "PostgreSQL", "by value"):  # fmt: skip
        assert shown in page
    evidence = json.loads(db.run("rotation", "report", "--json").out)
    assert evidence["proof"]["survivors"] == 0
    assert sum(one["rows"] for one in evidence["workers"]) == 600
    assert [one["reason"] for one in evidence["held_back"]] == ["rate (limit 400 rows/s)"]


def test_what_later_runs_and_searches_did(db: Database) -> None:
    """Their limits, once for each change, and what a search for copies found."""
    db.tickets(600)
    db.sql("DROP TABLE before")
    for limits in (("500",), ("400", "--nice", "0.1"), ("400", "--nice", "0.1"), ("500",)):
        run = db.call(*RUN, "--window", "50", "--stop-after", "50", "--max-rate", *limits)
        assert run.code == 3, run
    assert db.call(*RUN, "--window", "50", "--max-rate", "500").code == 0
    assert "were not searched for revoked tokens" in report_of(db)["proof"]["steps"][-1]
    assert db.call("rotation", "verify", "--search-copies").code == 0
    evidence = report_of(db)
    whats = [one["what"] for one in evidence["steering"]]
    assert whats[:2] == ["run again with max_rate=400 nice=0.1", "run again with the first run's limits"]
    assert re.fullmatch(
        r"search for copies: no other .* holds a revoked token \(.* searched\)", whats[2]
    )
    assert re.fullmatch(
        r"On [\d: -]+ UTC the other columns .* by value: no other .*", evidence["proof"]["steps"][-1]
    )
    assert evidence["summary"]["left"].startswith("Nothing in this column")


def test_copies_that_a_search_found_are_left_to_do(db: Database) -> None:
    db.tickets(20)
    db.sql("DROP TABLE before; CREATE TABLE audit AS SELECT token FROM ticket LIMIT 3")
    assert db.call(*RUN).code == 0
    assert db.call("rotation", "verify", "--search-copies").code == 4
    left = report_of(db)["summary"]["left"]
    assert re.fullmatch(
        r"Copies elsewhere, [\d: -]+ UTC: 3 rows of public.audit.token hold a revoked token\.", left
    )


def stages(db: Database) -> dict[str, dict]:
    return {re.split("[ ,]", one["name"])[0]: one for one in report_of(db)["stages"]}


def test_phases_of_a_rotation_that_waited_for_a_process(db: Database, steerer: Client) -> None:
    db.tickets(60)
    record(steerer)
    db.sql("UPDATE rotation SET created_at = created_at - interval '6 hours'")
    assert stages(db)["recorded"]["ended"] is None
    assert db.run(*RUN).code == 0
    found = stages(db)
    assert list(found) == ["recorded", "guard", "canary", "windows", "verification"]
    assert 21_600 < found["recorded"]["seconds"] < 21_700
    for name in ("guard", "canary", "windows", "verification"):
        assert 0 <= found[name]["seconds"] < 60, name


def test_phases_of_one_that_was_cancelled_hours_after_its_last_window(slow: Database) -> None:
    kill(slow.children[0])
    slow.sql(
        "SET session_replication_role = replica;"
        "UPDATE rotation_window SET finished_at = finished_at - interval '2 hours'"
    )
    assert slow.run("rotation", "cancel").code == 0
    found = stages(slow)
    assert found["windows"]["ended"] is not None
    assert (found["verification"]["began"], found["verification"]["ended"]) == (None, None)


def test_phases_while_verifying_and_without(slow: Database, viewer: Client) -> None:
    until(lambda: "<td>in progress</td>" in text(viewer, f"{LIST}1/live/"))
    kill(slow.children[0])
    slow.sql("UPDATE rotation SET status = 'verifying', verifying_at = now(), touched_at = now()")
    found = stages(slow)
    assert found["windows"]["ended"] is not None
    assert (found["verification"]["began"] is None, found["verification"]["ended"]) == (False, None)
    assert slow.run("rotation", "tune", "max_rate=off").code == 0
    assert slow.run(*RUN, "--window", "500").code == 0
    assert slow.run(*RUN, "--no-verify", "--new").code == 0
    assert "verification" not in stages(slow)


def test_report_after_an_upgrade_is_the_same(
    db: Database, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.tickets(60)
    assert db.run(*RUN).code == 0
    before = text(viewer, f"{LIST}1/report/")
    assert f"Django {django.get_version()}" in before
    monkeypatch.setattr("app.rotation.engine.db.identity.version", lambda name: "99.9")
    monkeypatch.setattr("platform.python_version", lambda: "99.9")
    assert text(viewer, f"{LIST}1/report/") == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--json",), 1, "no rotation yet"),
        (("--json", "--id", "7"), 1, "there is no rotation 7"),
        ((), 2, "--html --json is required"),
        (("--html", "/nosuch/report.html"), 1, "no rotation yet"),
    ],
)
def test_report_of_nothing(db: Database, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = db.run("rotation", "report", *arguments)
    assert (done.code, said in done.err) == (code, True), done.err


def test_report_that_can_not_be_written(db: Database) -> None:
    db.tickets(5)
    assert db.run(*RUN).code == 0
    done = db.run("rotation", "report", "--html", "/nosuch/report.html")
    assert done.code == 2
    assert "--html /nosuch/report.html: No such file or directory" in done.err


def test_file_is_private(db: Database, tmp_path: Path) -> None:
    db.tickets(5)
    assert db.run(*RUN).code == 0
    file = tmp_path / "report.html"
    old = os.umask(0)
    try:
        assert db.call("rotation", "report", "--html", str(file)).code == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("<!DOCTYPE html>")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_a_link_and_a_pipe_stay(db: Database, tmp_path: Path) -> None:
    db.tickets(5)
    assert db.run(*RUN).code == 0
    elsewhere = tmp_path / "elsewhere"
    link = tmp_path / "report.html"
    link.symlink_to(elsewhere)
    assert db.call("rotation", "report", "--html", str(link)).code == 0
    assert elsewhere.read_text().startswith("<!DOCTYPE html>")
    assert link.is_symlink()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert db.call("rotation", "report", "--html", str(pipe)).code == 0
    assert os.read(reader, 15) == b"<!DOCTYPE html>"
    os.close(reader)
    assert pipe.is_fifo()


def test_report_before_the_end(slow: Database) -> None:
    done = slow.run("rotation", "report", "--json")
    assert done.code == 0
    assert "it has not been verified by value" in json.loads(done.out)["result"]
