"""The site: who may look, who may steer, what is shown, and that no page shows a token."""

import getpass
import html
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import django
import psycopg2
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from app.rotation.engine.db.stop import StopSwitch
from app.rotation.engine.options import Options
from app.rotation.engine.runner import RotationDriver
from app.rotation.engine.state.journal import Point, read_points
from app.rotation.engine.table.target import TargetName
from app.rotation.models import Rotation
from app.rotation.operations.inputs import open_session
from app.rotation.operations.serve import after
from app.rotation.web.charts import draw_charts
from app.rotation.web.live import look
from app.rotation.web.metrics import metrics
from tests.conftest import PROJECT, Database, Done, kill, read_until, standby_of, until

LIST = "/admin/rotation/rotation/"
PAGE = f"{LIST}1/change/"
RUN = ("rotate_tokens_sql", "--progress", "lines")


def client_of(*permissions: str) -> Client:
    """A browser in which somebody with these rights is signed in."""
    user = User.objects.create(username=f"u{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    return client


VIEW = ("view_rotation", "view_batchprogress", "view_rotationwindow")


@pytest.fixture
def viewer(db: Database) -> Client:
    return client_of(*VIEW)


@pytest.fixture
def steerer(db: Database) -> Client:
    return client_of(*VIEW, "change_rotation", "add_rotation", "view_ticket")


@pytest.fixture
def slow(db: Database) -> Iterator[Database]:
    """A rotation that runs for as long as the test lasts."""
    db.tickets(3000)
    db.start("rotate_tokens_sql", "--window", "50", "--max-rate", "100", "--progress", "none")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    yield db


ASKED = {"table": "ticket", "column": "token", "pk": "", "reason": "seen in a log", "workers": "2",
         "max_rate": "", "max_lag": "10", "window": "50", "nice": "0.5", "vacuum": "",
         "ack_triggers": "on"}  # fmt: skip


def record(client: Client) -> None:
    """Show the plan of a rotation, and record it."""
    assert client.post(f"{LIST}add/", {**ASKED, **shown_plan(client, ASKED)}).status_code == 302


def shown_plan(client: Client, asked: dict[str, str]) -> dict[str, str]:
    """What the button that records sends, after the plan was shown."""
    page = client.post(f"{LIST}add/", {**asked, "show": ""}).content.decode()
    found = re.search(r'name="shown" value="([^"]+)"', page)
    assert found, page
    return {"shown": found[1], "record": "yes"}


def status(db: Database) -> str:
    return db.value("SELECT status FROM rotation ORDER BY id DESC LIMIT 1")


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def test_nobody_looks_without_the_right(db: Database) -> None:
    db.tickets(10)
    assert db.run(*RUN).code == 0
    for client, code in ((Client(SERVER_NAME="localhost"), 302), (client_of(), 403)):
        for address in (LIST, PAGE, f"{LIST}1/live/", f"{LIST}1/status.json", f"{LIST}1/report/"):
            assert client.get(address).status_code == code, address


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


def test_pause_resume_tune_and_cancel(slow: Database, steerer: Client) -> None:
    def steer(action: str, **more: str) -> str:
        answer = steerer.post(f"{LIST}1/steer/", {"action": action, **more}, follow=True)
        found = re.findall(r'<ul class="messagelist">(.*?)</ul>', answer.content.decode(), re.DOTALL)
        return html.unescape(" ".join(found))

    assert "asked to pause" in steer("pause")
    until(lambda: status(slow) == "paused")
    assert "can't be done now" in steer("pause")
    assert "resumed" in steer("resume")
    assert status(slow) == "running"
    # What is as it was is not tuned; what is empty is given back.
    said = steer("tune", window="30", max_rate="off", max_lag="10", workers="1")
    assert "from the next window on: window 30, max_rate off" in said
    assert slow.value("SELECT tuned FROM rotation") == {"window": 30, "max_rate": None}
    steer("tune", window="", max_rate="200")
    assert "expected 1 to 1000000 rows" in steer("tune", window="0")
    assert "'x' is not a value of workers" in steer("tune", workers="x")
    assert slow.value("SELECT tuned FROM rotation") == {"max_rate": 200.0}
    asked = text(steerer, f"{LIST}1/cancel/")
    assert re.search(r"<strong>[\d,]+ rows keep their leaked token</strong>", asked)
    assert status(slow) == "running"
    assert "cancelled; rows that were not reached keep their old tokens" in steer("cancel")
    assert status(slow) == "cancelled"
    done = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert [one.split(";")[0].split(":")[0] for one in done] == [
        "asked to pause after its current windows", "resumed", "from the next window on",
        "from the next window on", "cancelled",
    ]  # fmt: skip
    assert LogEntry.objects.values_list("user__username", flat=True).distinct().count() == 1


def test_tuning_leaves_alone_what_the_user_did_not_edit(slow: Database, steerer: Client) -> None:
    """The page was loaded before a colleague tuned: its other fields do not take that back."""
    shown = dict(re.findall(r'type="hidden" name="(shown_\w+)" value="([^"]*)"', text(steerer, PAGE)))
    assert shown["shown_max_rate"] == "100"
    fields = shown | {name.removeprefix("shown_"): value for name, value in shown.items()}
    assert slow.run("rotation", "tune", "max_rate=200", "max_lag=off").code == 0
    steerer.post(f"{LIST}1/steer/", fields | {"action": "tune", "window": "30"})
    assert slow.value("SELECT tuned FROM rotation") == {"max_rate": 200, "max_lag": None, "window": 30}
    again = steerer.post(f"{LIST}1/steer/", fields | {"action": "tune"}, follow=True)
    assert "no field was changed, so nothing was tuned" in again.content.decode()
    steerer.post(f"{LIST}1/steer/", fields | {"action": "tune", "max_rate": "1234567"})
    assert 'name="max_rate" value="1234567"' in text(steerer, PAGE)


def test_cancelling_asks_with_an_estimate_as_such(db: Database, steerer: Client) -> None:
    db.tickets(60)
    db.sql("ANALYZE ticket")
    record(steerer)
    assert "about 60 rows keep their leaked token (estimated, not counted" in text(
        steerer, f"{LIST}1/cancel/"
    )


def test_link_to_the_journal_is_for_those_who_may_read_it(db: Database, viewer: Client) -> None:
    db.tickets(10)
    assert db.run(*RUN).code == 0
    for address in (PAGE, f"{LIST}1/live/"):
        assert "The whole journal" in text(viewer, address)
        assert "The whole journal" not in text(client_of("view_rotation"), address)


def test_steering_needs_post_and_a_csrf_token(slow: Database) -> None:
    user = User.objects.create_superuser("root")
    client = Client(SERVER_NAME="localhost", enforce_csrf_checks=True)
    client.force_login(user)
    assert client.get(f"{LIST}1/steer/").status_code == 405
    assert client.post(f"{LIST}1/steer/", {"action": "cancel"}).status_code == 403
    assert status(slow) == "running"


def test_nothing_is_edited_or_deleted(db: Database) -> None:
    db.tickets(10)
    assert db.run(*RUN).code == 0
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("root"))
    lane, window = (db.value(f"SELECT id FROM {name}") for name in ("batchprogress", "rotation_window"))
    for address in (LIST + "1", f"/admin/rotation/batchprogress/{lane}",
                    f"/admin/rotation/rotationwindow/{window}"):  # fmt: skip
        assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    for name in ("batchprogress", "rotationwindow"):
        assert client.get(f"/admin/rotation/{name}/add/").status_code == 403
    assert client.post(f"/admin/rotation/batchprogress/{lane}/change/", {"rows": 5}).status_code == 403
    before = db.sql("SELECT * FROM rotation")
    assert client.post(PAGE, {"status": "running"}).status_code in (200, 405)
    assert client.post(LIST, {"action": "delete_selected", "_selected_action": "1"}).status_code < 500
    assert db.sql("SELECT * FROM rotation") == before
    assert db.value("SELECT count(*) FROM rotation_window") > 0


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
    db.sql(
        "SET session_replication_role = replica;"
        "DELETE FROM rotation_revoked WHERE hash = (SELECT min(hash) FROM rotation_revoked)"
    )
    assert db.run("rotation", "verify").code == 4
    assert "nothing could be concluded" in text(viewer, LIST)
    for address in (PAGE, f"{LIST}1/live/"):
        assert "Nothing can be concluded, because the set" in text(viewer, address)
    report = text(viewer, f"{LIST}1/report/")
    assert '<p class="result unproven">Nothing can be concluded' in report
    assert "not known: the set of revoked tokens was not intact, checked" in report
    assert "the comparison by value proves nothing" in report


def test_journal_of_one_rotation_and_its_search(db: Database, viewer: Client) -> None:
    db.tickets(60)
    assert db.run(*RUN, "--window", "20").code == 0
    assert db.run(*RUN, "--window", "10", "--new").code == 0
    journal = re.search(r'href="([^"]*rotationwindow[^"]*)">The whole journal', text(viewer, PAGE))
    assert journal
    assert "3 windows" in text(viewer, journal[1])
    assert "9 windows" in text(viewer, "/admin/rotation/rotationwindow/")
    assert "2 results" in text(viewer, "/admin/rotation/rotationwindow/?q=60")


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


def test_recorded_one_says_why_nothing_happens(db: Database, steerer: Client) -> None:
    db.tickets(60)
    record(steerer)
    unserved = "Recorded, but no process serves it: run rotate_tokens_sql --serve."
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


def test_recorded_and_taken_up(db: Database, steerer: Client) -> None:
    db.tickets(200)
    asked = ASKED
    assert "public.ticket" not in text(steerer, f"{LIST}add/")
    shown = steerer.post(f"{LIST}add/", {**asked, "show": ""}).content.decode()
    assert "start a new rotation" in shown
    assert "Record this rotation" in shown
    assert db.value("SELECT count(*) FROM rotation") == 0
    wrong = steerer.post(f"{LIST}add/", {**asked, "table": "nosuch", "record": "yes"}).content.decode()
    assert "nosuch" in wrong
    refused = steerer.post(f"{LIST}add/", {**asked, "workers": "1000", "record": "yes"})
    assert "--workers 1000: expected 1 to 64 threads" in refused.content.decode()
    assert db.value("SELECT count(*) FROM rotation") == 0
    button = shown_plan(steerer, asked)
    for other in ({**button, "max_rate": "5"}, {**button, "shown": "x" + button["shown"]}):
        answer = steerer.post(f"{LIST}add/", {**asked, **other}).content.decode()
        assert "This is the plan for what it says now" in answer
    assert db.value("SELECT count(*) FROM rotation") == 0
    answer = steerer.post(f"{LIST}add/", {**asked, **button})
    assert answer.status_code == 302
    assert answer["Location"] == PAGE
    assert db.sql("SELECT status, reason, operator FROM rotation")[0][:2] == ("pending", "seen in a log")
    assert db.value("SELECT operator FROM rotation") == User.objects.get().username
    assert db.unchanged() == 200
    assert "pending" in text(steerer, PAGE)
    again = steerer.post(f"{LIST}add/", {**asked, "record": "yes"}).content.decode()
    assert "is unfinished: let it finish, or cancel it on its page" in again
    server = db.start("rotate_tokens_sql", "--serve", "--progress", "lines")
    until(lambda: status(db) == "succeeded")
    db.each_once(200)
    assert db.sql(
        "SELECT options ->> 'workers', options ->> 'window', options ->> 'nice', options ->> 'vacuum'"
        " FROM rotation"
    ) == [("2", "50", "0.5", None)]
    assert "rotation 1 of public.ticket.token succeeded: 200 rows" in read_until(server, "this run")
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0


def errors(client: Client, **asked: str) -> list[str]:
    """What the form answers in place of a plan."""
    page = client.post(f"{LIST}add/", {**ASKED, "record": "yes", **asked}).content.decode()
    assert 'class="plan"' not in page
    listed = re.findall(r'<ul class="errorlist nonfield"[^>]*>(.*?)</ul>', page, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", one)).strip() for one in listed]


@pytest.mark.parametrize(
    "table",
    [
        *("ticket", "public.ticket", "private.ticket", '"public"."ticket"', "secrets", "secret"),
        *("auth_user", "rotation_window", "pg_authid", "pg_catalog.pg_class"),
        *(
            "ticket_seen",
            "ticket_id_seq",
            "tickets",
            "nosuch",
            "nowhere.ticket",
            "TICKET",
            "private.secrets",
            "private.secret",
        ),
    ],
)
def test_plan_shows_no_table_that_the_user_may_not_see(db: Database, table: str) -> None:
    """One and the same line, whether there is such a table or not; of what may be seen, only that."""
    db.tickets(10)
    db.sql(
        "CREATE TABLE secrets (hidden_key int PRIMARY KEY, hidden_token uuid);"
        "CREATE SCHEMA private; CREATE TABLE private.secrets (LIKE secrets INCLUDING ALL);"
        "CREATE TABLE private.ticket (hidden_key int PRIMARY KEY, hidden_token uuid);"
        "CREATE VIEW ticket_seen AS SELECT * FROM ticket"
    )
    for rights in ((), ("view_rotation",), ("change_ticket", "add_ticket"), ("view_group",)):
        client = client_of("add_rotation", *rights)
        assert "ticket" not in text(client, f"{LIST}add/").split('<form method="post" class="new">')[1]
        for column in ("token", "hidden_token", "nosuch"):
            said = errors(client, table=table, column=column, pk="nosuch" * (column == "nosuch"))
            assert said == [f"there is no table {table!r} that you may see"]
    if table not in ("ticket", "public.ticket", '"public"."ticket"'):
        said = errors(client_of("add_rotation", "view_ticket"), table=table)
        assert said == [f"there is no table {table!r} that you may see"]
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_no_catalog_is_read_for_a_table_that_the_user_may_not_see(db: Database) -> None:
    """Nor does the time that an answer takes tell whether there is one."""
    client = client_of("add_rotation", "view_ticket")
    asked = []
    for table in ("auth_user", "nosuch", "public.rotation"):
        with CaptureQueriesContext(connection) as queries:
            assert errors(client, table=table)
        assert not any("pg_class" in one["sql"] for one in queries.captured_queries)
        asked.append(len(queries))
    assert asked[0] == asked[1] == asked[2]


@pytest.mark.parametrize("table", ["ticket", "public.ticket", '"public"."ticket"'])
def test_plan_of_a_table_whose_model_the_user_may_view(db: Database, table: str) -> None:
    db.tickets(10)
    client = client_of("add_rotation", "view_rotation", "view_ticket")
    assert 'value="ticket"' in text(client, f"{LIST}add/")
    assert "has no column" in errors(client, table=table, column="nosuch")[0]
    asked = {**ASKED, "table": table}
    assert client.post(f"{LIST}add/", {**asked, **shown_plan(client, asked)}).status_code == 302


def test_recording_asks_for_the_same_right(db: Database) -> None:
    """Also of who was shown the plan by somebody else, or had the right when he saw it."""
    db.tickets(10)
    button = shown_plan(client_of("add_rotation", "view_ticket"), ASKED)
    other = client_of("add_rotation")
    assert errors(other, **button) == ["there is no table 'ticket' that you may see"]
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_superuser_may_name_any_table(db: Database) -> None:
    db.sql("CREATE TABLE secrets (id int PRIMARY KEY, token uuid)")
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("root"))
    asked = {**ASKED, "table": "secrets"}
    assert client.post(f"{LIST}add/", {**asked, **shown_plan(client, asked)}).status_code == 302
    assert "did you mean --table" in errors(client, table="secret")[0]


def test_form_takes_no_query(db: Database, steerer: Client) -> None:
    """A process that serves would not run it; nor would one that plans."""
    db.tickets(10)
    query = "SELECT pg_sleep(100)::text = ''"
    assert "throttle" not in text(steerer, f"{LIST}add/")
    asked = {**ASKED, "throttle_sql": query, "throttle-sql": query}
    began = time.monotonic()
    assert steerer.post(f"{LIST}add/", {**asked, **shown_plan(steerer, asked)}).status_code == 302
    assert time.monotonic() - began < 20
    assert db.value("SELECT options ->> 'throttle_sql' IS NULL FROM rotation")


def test_plan_of_a_large_table_looks_at_its_first_windows_only(db: Database, steerer: Client) -> None:
    db.tickets(5000)
    with CaptureQueriesContext(connection) as queries:
        page = steerer.post(f"{LIST}add/", {**ASKED, "show": ""}).content.decode()
    assert "in total; --dry-run -v 2 lists them" in page
    looked_up = [one for one in queries.captured_queries if "OFFSET" in one["sql"]]
    assert 0 < len(looked_up) < 8


def test_plan_that_takes_too_long_is_given_up(
    db: Database, steerer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.tickets(50)
    monkeypatch.setattr("app.rotation.web.forms.PLAN_SECONDS", 0.5)
    began = time.monotonic()
    with db.connect(autocommit=False) as other:
        other.cursor().execute("LOCK TABLE ticket")
        page = steerer.post(f"{LIST}add/", {**ASKED, "show": ""}).content.decode()
    assert "the plan took longer than" in page
    assert time.monotonic() - began < 5
    assert "Record this rotation" not in page


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


def test_server_takes_up_what_was_left_but_not_what_is_paused(slow: Database) -> None:
    assert slow.run("rotation", "pause").code == 0
    until(lambda: status(slow) == "paused")
    kill(slow.children[0])
    server = slow.start("rotate_tokens_sql", "--serve", "--progress", "lines")
    read_until(server, "serving")
    with pytest.raises(AssertionError):
        until(lambda: status(slow) != "paused", 6)
    assert slow.run("rotation", "tune", "max_rate=off").code == 0
    assert slow.run("rotation", "resume").code == 0
    until(lambda: status(slow) == "succeeded")
    slow.each_once(3000)
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 0


def test_server_tells_what_it_can_not_do(db: Database) -> None:
    """And it keeps serving."""
    db.sql(
        "CREATE TABLE other (id int PRIMARY KEY, token uuid DEFAULT gen_random_uuid());"
        "INSERT INTO other SELECT generate_series(1, 1000)"
    )
    child = db.start("rotate_tokens_sql", "--table", "other", "--window", "10", "--max-rate", "100")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    kill(child)
    db.sql("DROP TABLE other")
    server = db.start("rotate_tokens_sql", "--serve", "--progress", "lines")
    read_until(server, "retrying rotation 1 of public.other.token in 5 s")
    time.sleep(6)  # longer than a sign of life lasts: the reason is still visible
    assert (
        "there is no table 'public.other'"
        in json.loads(db.run("rotation", "status", "--json").out)["throttle"]
    )
    assert server.poll() is None
    server.terminate()
    assert server.wait(30) == 0


def recorded(table: str, **options: Any) -> None:
    """Record a rotation as the site does."""
    name = TargetName(table, "token", None, "public")
    asked = Options(ack_triggers=True, **options)
    RotationDriver("default", name, asked, StopSwitch(), lambda event: None).record("", "me")


def test_server_goes_on_to_others_while_one_is_blocked(db: Database) -> None:
    """It tells why, and tries again after longer and longer; of each it tells the progress."""
    db.tickets(60)
    db.sql(
        "CREATE TABLE other (id int PRIMARY KEY, token uuid DEFAULT gen_random_uuid());"
        "INSERT INTO other SELECT generate_series(1, 50)"
    )
    recorded("ticket", lock_patience=0.5)
    with db.connect(autocommit=False) as writer:
        writer.cursor().execute("UPDATE ticket SET title = 'y' WHERE id = 1")
        recorded("other")
        server = db.start("rotate_tokens_sql", "--serve", "--progress", "lines")
        told = read_until(server, "retrying rotation 1 of public.ticket.token in 5 s")
        assert "transactions that started writing before the guard are still open" in told
        told = read_until(server, "rotation 2 of public.other.token succeeded")
        assert "completed: 100.00 % (50 of 50)" in told
        read_until(server, "retrying rotation 1 of public.ticket.token in 10 s")
        until(lambda: "still open" in db.value("SELECT throttle FROM rotation WHERE id = 1"))
    told = read_until(server, "rotation 1 of public.ticket.token succeeded")
    assert "completed: 100.00 % (60 of 60)" in told
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 0


def test_server_waits_longer_each_time_but_not_for_one_that_got_on() -> None:
    waits, one = [], None
    for rows in (0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7):
        one = after(one, "why", rows)
        waits.append(one.wait)
    assert waits == [5, 10, 20, 5, 10, 20, 40, 80, 160, 300, 300]


@pytest.mark.parametrize("flag", [("--dry-run",), ("--new",), ("--table", "x"), ("--reason", "x")])
def test_serve_takes_no_target(db: Database, flag: tuple[str, ...]) -> None:
    done = db.call("rotate_tokens_sql", "--serve", *flag)
    assert done.code == 2
    assert f"{flag[0]}: not with --serve" in done.err


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
    for shown in ("leak of 12 May", "0 of 600 revoked tokens survive", "600, in 12 transactions",
                  "rate (limit 400 rows/s)", "max_rate", "16, or 1 for a small table", "1 GB",
                  "PostgreSQL", "by value"):  # fmt: skip
        assert shown in page
    evidence = json.loads(db.run("rotation", "report", "--json").out)
    assert evidence["proof"]["survivors"] == 0
    assert sum(one["rows"] for one in evidence["workers"]) == 600
    assert [one["reason"] for one in evidence["held_back"]] == ["rate (limit 400 rows/s)"]


def report_of(db: Database) -> dict:
    done = db.call("rotation", "report", "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def stages(db: Database) -> dict[str, dict]:
    return {re.split("[ ,]", one["name"])[0]: one for one in report_of(db)["stages"]}


def test_phases_of_a_rotation_that_waited_for_a_process(db: Database, steerer: Client) -> None:
    db.tickets(60)
    record(steerer)
    db.sql("UPDATE rotation SET created_at = created_at - interval '6 hours'")
    assert stages(db)["recorded"]["ended"] is None
    assert db.run(*RUN).code == 0
    found = stages(db)
    assert list(found) == ["recorded", "guard", "snapshot", "windows", "verification"]
    assert 21_600 < found["recorded"]["seconds"] < 21_700
    for name in ("guard", "snapshot", "windows", "verification"):
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


def test_who_steered_is_kept_with_the_rotation(slow: Database, steerer: Client) -> None:
    """Even when the user is gone; and nobody is said to have done what was done before."""
    name = User.objects.get().username
    assert slow.run("rotation", "pause").code == 0
    steerer.post(f"{LIST}1/steer/", {"action": "resume"})
    steerer.post(f"{LIST}1/steer/", {"action": "tune", "window": "30", "max_rate": "150"})
    assert slow.run("rotation", "tune", "max_rate=100").code == 0
    steerer.post(f"{LIST}1/steer/", {"action": "cancel"})
    other = client_of(*VIEW, "change_rotation")
    again = other.post(f"{LIST}1/steer/", {"action": "cancel"}, follow=True).content.decode()
    assert "is cancelled: cancel can&#x27;t be done now" in again
    assert "so it was not cancelled" not in slow.run("rotation", "cancel").out
    User.objects.filter(username=name).delete()
    assert LogEntry.objects.count() == 0
    steering = report_of(slow)["steering"]
    by_page, by_shell = f"{name}, on the site", f"{getpass.getuser()}@{socket.gethostname()}"
    assert [(one["who"], one["what"]) for one in steering] == [
        (by_shell, "pause"), (by_page, "resume"), (by_page, "tune window=30 max_rate=150"),
        (by_shell, "tune max_rate=100"), (by_page, "cancel"),
    ]  # fmt: skip
    for page in (text(other, PAGE), text(other, f"{LIST}1/report/")):
        assert "tune window=30 max_rate=150" in page
        assert by_shell in page


@pytest.mark.parametrize(
    "steered", ["'[]'", "steered || '[1, 2]'", "'[1, 2]'", "jsonb_set(steered, '{0,who}', '\"me\"')"]
)
def test_steering_is_appended_only(slow: Database, steered: str) -> None:
    assert slow.run("rotation", "tune", "window=10").code == 0
    with pytest.raises(psycopg2.Error, match="Cannot update"):
        slow.sql(f"UPDATE rotation SET steered = {steered}")


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


def test_report_before_the_end(slow: Database) -> None:
    done = slow.run("rotation", "report", "--json")
    assert done.code == 0
    assert "it has not been verified by value" in json.loads(done.out)["result"]


def in_new_process(db: Database, code: str, **environment: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=db.environment(**environment),
        capture_output=True, text=True,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def scrape(db: Database) -> str:
    """What Prometheus gets."""
    answer = metrics(RequestFactory().get("/metrics"))
    return answer.content.decode()


def test_metrics_are_off_unless_asked_for(db: Database, viewer: Client) -> None:
    assert viewer.get("/metrics").status_code == 404
    code = (
        "from django.core.wsgi import get_wsgi_application; get_wsgi_application();"
        "from django.test import Client;"
        "print(Client(SERVER_NAME='localhost').get('/metrics').content.decode())"
    )
    done = in_new_process(db, code, METRICS="1", DJANGO_SETTINGS_MODULE="app.settings")
    assert "rotation_rows_done" in done.out


def test_metrics(db: Database) -> None:
    db.tickets(60)
    assert db.run(*RUN).code == 0
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(scrape(db))
        for sample in family.samples
        if sample.labels.get("status", "succeeded") == "succeeded"
    }
    assert found["rotation_rows_done"] == found["rotation_rows_total"] == 60
    assert found["rotation_rows_remaining"] == found["rotation_survivors"] == 0
    assert found["rotation_status"] == 1


def samples(db: Database) -> dict[str, float]:
    """Prometheus' samples by name, of a database with one rotation."""
    families = text_string_to_metric_families(scrape(db))
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_metrics_of_one_that_is_held_back(slow: Database) -> None:
    until(lambda: samples(slow)["rotation_throttled"] == 1)
    found = samples(slow)
    assert found["rotation_rows_per_second"] > 100  # at work: waits are left out, and told apart
    assert 0.1 < found["rotation_throttled_share"] < 1
    assert found["rotation_eta_seconds"] > 5
    assert slow.run("rotation", "pause").code == 0
    until(lambda: status(slow) == "paused")
    assert "rotation_eta_seconds" not in samples(slow)


def test_metrics_name_the_standby_that_is_furthest_behind(db: Database) -> None:
    """Two bear one name; whichever of them is asked for first."""
    with standby_of(db.server) as one, standby_of(db.server) as two:
        until(
            lambda: db.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 2
        )
        for behind, ahead in ((one, two), (two, one)):
            Database(behind, "postgres").sql("SELECT pg_wal_replay_pause()")
            Database(ahead, "postgres").sql("SELECT pg_wal_replay_resume()")
            db.sql("CREATE TABLE more AS SELECT generate_series(1, 50000)")
            db.sql("DROP TABLE more")
            until(lambda: samples(db)["rotation_standby_lag_bytes"] > 1_000_000)
            time.sleep(1)  # the other one has replayed it by now
            assert samples(db)["rotation_standby_lag_bytes"] > 1_000_000


def journal(db: Database, rotation: int, windows: int, held: str = "0") -> None:
    """Write so many windows of 0.3 s more, held back before by so many milliseconds."""
    db.sql(
        "INSERT INTO rotation_window (rotation_id, lane_id, lo, hi, rows, milliseconds, throttled,"
        " throttle, transaction_id, worker, finished_at)"
        f" SELECT rotation_id, lane_id, lo, hi, 1000, 300, {held}, CASE WHEN {held} > 0 THEN 'lag' ELSE"
        " '' END, 1, worker, at + n * interval '0.3 seconds' FROM (SELECT *, (SELECT max(finished_at)"
        " FROM rotation_window) AS at FROM rotation_window WHERE rotation_id = %s ORDER BY id LIMIT 1)"
        " AS first, generate_series(1, %s) AS n",
        rotation, windows,
    )  # fmt: skip
    db.sql("UPDATE batchprogress SET windows = windows + %s WHERE rotation_id = %s", windows, rotation)


def test_chart_of_a_rotation_with_another_in_between(db: Database) -> None:
    """Its two parts keep their points, however many windows others did meanwhile."""
    db.tickets(60)
    for _ in range(2):
        assert db.run("rotate_tokens_sql", "--new").code == 0
    journal(db, 1, 300)
    journal(db, 2, 20_000)
    journal(db, 1, 300)
    points = read_points(open_session("default"), 1)
    middle = points[0].at + (points[-1].at - points[0].at) / 2
    assert 50 < sum(point.at < middle for point in points) < 100
    assert 50 < sum(point.at > middle for point in points) < 100
    assert 100 < len(read_points(open_session("default"), 2)) <= 128


def test_chart_shows_no_pace_that_never_was(db: Database) -> None:
    """Two workers may end their windows within a millisecond: that is not a million rows a second."""
    db.tickets(60)
    assert db.run(*RUN).code == 0
    journal(db, 1, 20)
    db.sql(
        "INSERT INTO rotation_window (rotation_id, lane_id, lo, hi, rows, milliseconds, transaction_id,"
        " worker, finished_at) SELECT rotation_id, lane_id, lo, hi, rows, milliseconds, 1, 'other',"
        " finished_at + interval '1 millisecond' FROM rotation_window ORDER BY id DESC LIMIT 1"
    )
    last = read_points(open_session("default"), 1)[-1]
    assert 3000 < last.rows_per_second < 7000


def test_short_wait_is_not_lost_in_the_report(db: Database, viewer: Client) -> None:
    db.tickets(60)
    assert db.run(*RUN).code == 0
    journal(db, 1, 10_000, held="(n = 4321)::int * 30000.0")
    points = read_points(open_session("default"), 1, whole=True)
    assert sum(point.throttled > 0.2 for point in points) >= 1
    report, page = text(viewer, f"{LIST}1/report/"), text(viewer, PAGE)
    assert re.search(r'aria-label="Rows a second: [^"]*; throttled: lag, from [^"]*"', report)
    assert report.count("shaded: held back for more than a fifth of the time") == 2
    assert "a sample of the windows" in page
    assert "a sample of the windows" not in report


def test_chart_tells_what_is_shaded_in_words() -> None:
    at = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    points = [Point(at + timedelta(seconds=n), 9, 9, 0.9 * (n % 2), "lag") for n in range(11)]
    chart = draw_charts(points)[0]
    assert "; throttled: lag, from 12:00:00 to 12:00:01; " in chart
    assert chart.count('class="held"') == 5
    assert "; and 2 more" in chart


PRODUCTION = {
    "HTTPS": "",
    "SECRET_KEY": "k" * 25 + "abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_HOSTS": "x.org",
}


def test_production(db: Database) -> None:
    for name in ("SECRET_KEY", "ALLOWED_HOSTS"):
        done = in_new_process(db, "import app.wsgi", **(PRODUCTION | {name: ""}))
        assert done.code == 1
        assert f"{name} is not set" in done.err
    assert (
        in_new_process(db, "import app.wsgi", **(PRODUCTION | {"SECRET_KEY": ""}), DEBUG="1").code == 0
    )
    assert in_new_process(db, "import app.wsgi", **PRODUCTION).code == 0
    done = db.run("check", "--deploy", "--fail-level", "WARNING", env=db.environment(**PRODUCTION))
    assert done.code == 0, done.err
    # A command works without them.
    assert db.run("rotation", "status", env=db.environment(HTTPS="", SECRET_KEY="")).code == 0


def test_health_is_told_whatever_the_host(db: Database) -> None:
    """The container asks at localhost, without TLS; the site is x.org, and TLS only."""
    code = (
        "from app.wsgi import application; from django.test import Client;"
        "client = Client(SERVER_NAME='localhost');"
        "print(client.get('/healthz').content, client.get('/').status_code)"
    )
    assert in_new_process(db, code, **PRODUCTION).out == "b'ok\\n' 400\n"


def test_static_files_and_policy(db: Database, viewer: Client) -> None:
    for name in ("rotation/live.js", "rotation/live.css", "admin/css/base.css"):
        answer = viewer.get(f"/static/{name}")
        assert answer.status_code == 200, name
        answer.close()
    with closing(viewer.get(LIST)) as answer:
        assert answer["Content-Security-Policy"].startswith("default-src 'self'")
