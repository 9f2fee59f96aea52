"""The site's pages: who may look, what is shown, and that none shows a token."""

import json
import re

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from app.rotation.models import Rotation
from app.rotation.operations.inputs import open_session
from app.rotation.web.live import look
from tests.conftest import Database, kill, until
from tests.operations.recording import recorded, status
from tests.web.site import LIST, PAGE, RUN, VIEW, client_of, record, scrape, tamper_with_set, text


def test_nobody_looks_without_the_right(db: Database) -> None:
    db.tickets(10)
    assert db.run(*RUN).code == 0
    for client, code in ((Client(SERVER_NAME="localhost"), 302), (client_of(), 403)):
        for address in (LIST, PAGE, f"{LIST}1/live/", f"{LIST}1/status.json", f"{LIST}1/report/"):
            assert client.get(address).status_code == code, address


def test_pages_say_that_there_is_no_state(db: Database, steerer: Client) -> None:
    assert db.run("migrate", "rotation", "zero", "-v", "0").code == 0
    for address in (LIST, PAGE, f"{LIST}1/live/", f"{LIST}1/report/", "/admin/rotation/rotationwindow/"):
        answer = steerer.get(address)
        assert answer.status_code == 503, address
        assert "run python manage.py migrate rotation" in answer.content.decode()
    assert "/admin/" in text(steerer, "/admin/")


def test_viewer_watches_and_steers_nothing(slow: Database, viewer: Client) -> None:
    page = text(viewer, PAGE)
    assert "running" in page
    assert "Pause" not in page
    assert "<form" not in page.split('id="rotation"')[1]
    for action in ("pause", "resume", "cancel", "tune"):
        assert viewer.post(f"{LIST}1/steer/", {"action": action}).status_code == 403
    assert viewer.get(f"{LIST}1/cancel/").status_code == 403
    assert viewer.get(f"{LIST}add/").status_code == 403
    assert status(slow) == "running"


def test_link_to_the_journal_is_for_those_who_may_read_it(db: Database, viewer: Client) -> None:
    db.tickets(10)
    assert db.run(*RUN).code == 0
    for address in (PAGE, f"{LIST}1/live/"):
        assert "The whole journal" in text(viewer, address)
        assert "The whole journal" not in text(client_of("view_rotation"), address)


def test_no_page_shows_a_token(db: Database, steerer: Client) -> None:
    db.tickets(60)
    tokens = {str(token) for (token,) in db.sql("SELECT token FROM ticket")}
    assert db.run(*RUN, "--window", "20", "--reason", "<b>leak</b>").code == 0
    tokens |= {str(token) for (token,) in db.sql("SELECT token FROM ticket")}
    for address in (LIST, PAGE, f"{LIST}1/live/", f"{LIST}1/status.json", f"{LIST}1/report/",
                    f"{LIST}1/history/", "/admin/rotation/batchprogress/",
                    "/admin/rotation/rotationwindow/?q=20"):  # fmt: skip
        page = text(steerer, address)
        assert not tokens & set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", page))
        assert "<b>leak</b>" not in page
    report = db.run("rotation", "report", "--json").out
    assert not any(token in report for token in tokens)


def test_pages_of_a_finished_rotation(db: Database, viewer: Client) -> None:
    db.tickets(60)
    assert db.run(*RUN, "--window", "20").code == 0
    listed = text(viewer, LIST)
    for shown in ("succeeded", "public.ticket.token", "100.00 %", "60 of 60", "0 survive"):
        assert shown in listed
    answer = viewer.get(f"{LIST}1/live/")
    assert answer["X-Rotation-Over"] == "yes"
    assert answer["X-Rotation-Actions"] == ""
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    page = answer.content.decode()
    assert "0 of 60 revoked tokens survive in public.ticket.token, checked" in page
    assert page.count("<svg") == 2
    assert "style=" not in page
    known = db.run("rotation", "status", "--json").out
    assert json.loads(text(viewer, f"{LIST}1/status.json")) == json.loads(known)
    for number in ("7", "x", "9" * 30):
        assert viewer.get(f"{LIST}{number}/change/").status_code == 404
    assert viewer.get(f"{LIST}7/live/").status_code == 404


def test_last_answer_is_of_the_end(db: Database) -> None:
    """Even if the rotation ended after the view had fetched it: nobody asks again."""
    db.tickets(60)
    recorded("ticket")
    fetched = Rotation.objects.get()
    assert db.run(*RUN).code == 0
    session = open_session("default")
    with CaptureQueriesContext(connection) as queries:
        shown = look(session, fetched)
    assert not shown["going_on"]
    assert "0 of 60 revoked tokens survive" in shown["sentence"]
    assert all(stage.seconds is not None for stage in shown["stages"])
    assert sum("recent_milliseconds" in one["sql"] for one in queries.captured_queries) == 1


def test_tampered_set_of_revoked_tokens(db: Database, viewer: Client) -> None:
    """Nothing can be concluded from it: every page says so, and none breaks."""
    db.tickets(60)
    assert db.run(*RUN).code == 0
    tamper_with_set(db)
    concluded = "the set of revoked tokens had been tampered with, so nothing can be concluded from it"
    assert f"not known: {concluded}" in text(viewer, LIST)
    for address in (PAGE, f"{LIST}1/live/"):
        assert concluded in text(viewer, address)
    report = text(viewer, f"{LIST}1/report/")
    unknown = "Whether revoked tokens survive in public.ticket.token is not known, checked"
    assert f'<p class="result unproven">{unknown}' in report
    assert f"not known: {concluded}, checked" in report
    assert re.search(rf"On \S+ \S+ UTC {concluded}: end the rotation with", report)


def test_journal_of_one_rotation_and_its_search(db: Database, viewer: Client) -> None:
    db.insert("SELECT 770000000 + generate_series(1, %s)", 60)  # keys that no worker's pid holds
    assert db.run(*RUN, "--window", "20").code == 0
    assert db.run(*RUN, "--window", "10", "--new").code == 0
    journal = re.search(r'href="([^"]*rotationwindow[^"]*)">The whole journal', text(viewer, PAGE))
    assert journal
    assert "3 windows" in text(viewer, journal[1])
    assert "9 windows" in text(viewer, "/admin/rotation/rotationwindow/")
    assert "2 results" in text(viewer, "/admin/rotation/rotationwindow/?q=770000060")


def test_live_part_of_every_state(slow: Database, viewer: Client) -> None:
    until(lambda: "Held back: rate (limit 100 rows/s)" in text(viewer, f"{LIST}1/live/"))
    assert viewer.get(f"{LIST}1/live/")["X-Rotation-Actions"] == "pause cancel tune"
    kill(slow.children[0])
    until(lambda: "No process is working on it" in text(viewer, f"{LIST}1/live/"))
    assert slow.run("rotation", "pause").code == 0
    until(lambda: viewer.get(f"{LIST}1/live/")["X-Rotation-Actions"] == "resume cancel tune")


def test_stalled_one_is_shown_as_such_and_without_a_pace(slow: Database, viewer: Client) -> None:
    until(lambda: "rows/s" in text(viewer, LIST))
    kill(slow.children[0])
    until(lambda: "running, stalled" in text(viewer, LIST))
    listed, page = text(viewer, LIST), text(viewer, PAGE)
    assert "No process is working on it" in listed
    assert "running, stalled" in page
    for shown in (listed, page):
        assert " rows/s" not in shown.replace("(limit 100 rows/s)", "")
    known = json.loads(text(viewer, f"{LIST}1/status.json"))
    assert (known["rows_per_second"], known["eta_seconds"]) == (None, None)
    assert "rotation_rows_per_second{" not in scrape(slow)


def test_paused_and_finished_have_no_pace(slow: Database, viewer: Client) -> None:
    assert slow.run("rotation", "pause").code == 0
    until(lambda: status(slow) == "paused")
    for _ in range(2):
        known = json.loads(text(viewer, f"{LIST}1/status.json"))
        assert known["rows_per_second"] is None
        assert "rotation_rows_per_second{" not in scrape(slow)
        slow.run("rotation", "tune", "max_rate=off", "window=off")
        slow.run("rotation", "resume")
        until(lambda: status(slow) == "succeeded")


def test_pace_is_not_shown_while_windows_wait_for_long(slow: Database) -> None:
    """A process that serves and can't do it shows a sign of life, and no row is rotated."""
    kill(slow.children[0])
    slow.sql("UPDATE batchprogress SET updated_at = now() - interval '31 seconds'")
    slow.sql("UPDATE rotation SET throttle = 'why', touched_at = now()")
    known = json.loads(slow.call("rotation", "status", "--json").out)
    assert (known["throttle"], known["rows_per_second"], known["eta_seconds"]) == ("why", None, None)


@pytest.mark.long
def test_recorded_one_says_why_nothing_happens(db: Database, steerer: Client) -> None:
    db.tickets(60)
    record(steerer)
    unserved = "Recorded, but no process serves it: run python manage.py rotate_tokens_sql --serve."
    until(lambda: unserved in text(steerer, PAGE))
    assert unserved in text(steerer, LIST)
    with db.connect(autocommit=False) as writer:
        writer.cursor().execute("UPDATE ticket SET title = 'y' WHERE id = 1")
        db.start(*RUN)
        until(lambda: "Held back: the barrier waits for pid" in text(steerer, PAGE))
    until(lambda: "Held back" not in text(steerer, PAGE))
    until(lambda: status(db) == "succeeded")


def test_list_looks_once_at_each_rotation(db: Database, viewer: Client) -> None:
    db.tickets(10)
    asked = []
    for _ in range(2):
        assert db.run("rotate_tokens_sql", "--new").code == 0
        with CaptureQueriesContext(connection) as queries:
            text(viewer, LIST)
        asked.append(len(queries))
    assert asked[1] - asked[0] == 1


@override_settings(TIME_ZONE="Asia/Tokyo")
def test_times_are_of_utc_wherever_the_site_is(db: Database, viewer: Client) -> None:
    db.tickets(60)
    assert db.run(*RUN).code == 0
    day_hour = db.value(
        "SELECT to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM rotation"
    )
    assert text(viewer, f"{LIST}1/report/").count(day_hour) > 3
    assert f"<td>{day_hour[-5:]}" in text(viewer, PAGE)
    assert day_hour in text(viewer, "/admin/rotation/rotationwindow/")


def test_pages_within_a_project_whose_requests_are_atomic(
    slow: Database, steerer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    for address in (LIST, PAGE, f"{LIST}1/live/", f"{LIST}1/status.json", f"{LIST}1/report/",
                    f"{LIST}1/cancel/"):  # fmt: skip
        text(steerer, address)
    assert steerer.post(f"{LIST}1/steer/", {"action": "cancel"}).status_code == 302
    assert status(slow) == "cancelled"
    record(steerer)


@pytest.mark.parametrize(
    "stored",
    ["[1]", "null", '"x"', '{"window": [1], "min_free": "x", "standbys": [1, {}], "nice": {}}',
     "[" * 5000 + "]" * 5000, "1" * 5000],
    ids=lambda one: one[:30],
)  # fmt: skip
def test_options_written_by_hand_break_no_page(db: Database, stored: str) -> None:
    """And can be tuned, which fixes what was tuned by hand."""
    db.tickets(10)
    recorded("ticket")
    db.sql("UPDATE rotation SET options = %s, tuned = %s", stored, stored)
    for steered in ("5", '{"at": "2026-13-45 10:00:00"}', '{"at": "0001-01-01 00:00:00+14"}'):
        db.sql("UPDATE rotation SET steered = steered || %s::jsonb", f"[{steered}]")
    client = client_of(*VIEW, "change_rotation")
    for address in (LIST, PAGE, f"{LIST}1/live/", f"{LIST}1/status.json", f"{LIST}1/report/"):
        text(client, address)
    for command in (("status",), ("status", "--json"), ("history", "--json"), ("report", "--json")):
        assert db.call("rotation", *command).code == 0
    if not stored.startswith("{"):
        assert db.call("rotation", "tune", "nice=1").code == 0
        assert db.value("SELECT tuned FROM rotation") == {"nice": 1}
