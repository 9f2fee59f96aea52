"""A rotation recorded by the form: its plan, and tables that the user may not see."""

import html
import re
import signal
import time
from datetime import datetime, timedelta, timezone

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from tests.conftest import Database, read_until, until
from tests.operations.recording import status
from tests.web.site import ASKED, LIST, PAGE, client_of, record, shown_plan, text


@pytest.mark.long
def test_recorded_and_taken_up(db: Database, steerer: Client) -> None:
    db.tickets(200)
    now = datetime.now(timezone.utc)
    hours = f"{now:%H:%M}-{now - timedelta(hours=1):%H:%M}@UTC"
    asked = {**ASKED, "only_between": hours}
    assert "public.ticket" not in text(steerer, f"{LIST}add/")
    shown = steerer.post(f"{LIST}add/", {**asked, "show": ""}).content.decode()
    assert 'id="plan"' in shown
    assert "Record this rotation" in shown
    assert db.value("SELECT count(*) FROM rotation") == 0
    wrong = steerer.post(f"{LIST}add/", {**asked, "table": "nosuch", "record": "yes"}).content.decode()
    assert "nosuch" in wrong
    refused = steerer.post(f"{LIST}add/", {**asked, "workers": "1000", "record": "yes"})
    assert field_errors(refused.content.decode()) == {"workers": "Expected 1 to 64 connections."}
    refused = steerer.post(f"{LIST}add/", {**asked, "only_between": "at night", "record": "yes"})
    said = field_errors(refused.content.decode())
    assert said == {"only_between": "Expected HH:MM-HH:MM, or HH:MM-HH:MM@ZONE."}
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
        "SELECT options ->> 'workers', options ->> 'window', options ->> 'nice', options ->> 'vacuum',"
        " options ->> 'only_between' FROM rotation"
    ) == [("2", "50", "0.5", None, hours)]
    assert "rotation 1 of public.ticket.token succeeded: 200 rows" in read_until(server, "this run")
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0


def errors(client: Client, **asked: str) -> list[str]:
    """What the form answers in place of a plan."""
    page = client.post(f"{LIST}add/", {**ASKED, "record": "yes", **asked}).content.decode()
    assert 'id="plan"' not in page
    listed = re.findall(r'<ul class="errorlist[^"]*"[^>]*>(.*?)</ul>', page, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", one)).strip() for one in listed]


def field_errors(page: str) -> dict[str, str]:
    """The errors that stand at fields, by their names."""
    found = re.findall(r'<ul class="errorlist" id="id_(\w+)_error">(.*?)</ul>', page, re.DOTALL)
    return {name: html.unescape(re.sub(r"<[^>]+>", "", one)).strip() for name, one in found}


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
        assert "ticket" not in text(client, f"{LIST}add/").split('<form method="post" class="new"')[1]
        for column in ("token", "hidden_token", "nosuch"):
            said = errors(client, table=table, column=column, pk="nosuch" * (column == "nosuch"))
            assert said == [f"There is no table {table!r} that you may see."]
    if table not in ("ticket", "public.ticket", '"public"."ticket"'):
        said = errors(client_of("add_rotation", "view_ticket"), table=table)
        assert said == [f"There is no table {table!r} that you may see."]
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_plan_names_no_other_table(db: Database) -> None:
    """Who may view tickets, and record a rotation of them, learns how many findings there are."""
    db.tickets(10)
    db.sql("CREATE TABLE secret_audit (hidden_column uuid);"
           "INSERT INTO secret_audit SELECT token FROM ticket;"
           "CREATE MATERIALIZED VIEW secret_view AS SELECT token FROM ticket;"
           "CREATE TABLE secret_history (x text);"
           "CREATE TABLE secret_child (token uuid REFERENCES ticket (token) ON UPDATE CASCADE)"
    )  # fmt: skip
    asked = {**ASKED, "allow_fk": "on", "show": ""}
    client = client_of("add_rotation", "view_ticket")
    page = html.unescape(client.post(f"{LIST}add/", asked).content.decode())
    page = page[page.index('id="plan"') :]
    told = re.search(
        r"warn</strong> (\d) findings about other tables, which python manage.py rotate", page
    )
    assert told, page
    assert int(told[1]) >= 3
    assert re.search(r"note</strong> 1 finding about other tables", page)
    assert not re.search("secret|hidden_column", page)
    page = html.unescape(client.post(f"{LIST}add/", {**asked, "allow_fk": ""}).content.decode())
    assert "It would be refused now" in page
    assert "refuse</strong> 1 finding about other tables" in page
    assert 'name="shown"' not in page
    record(client, asked)
    assert "secret" not in str(db.value("SELECT findings FROM rotation"))
    superuser = client_of()
    User.objects.filter(username="u1").update(is_superuser=True)
    db.sql("UPDATE rotation SET status = 'cancelled'")
    page = html.unescape(superuser.post(f"{LIST}add/", asked).content.decode())
    assert all(f"secret_{one}" in page for one in ("audit", "view", "history", "child"))


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
    assert errors(other, **button) == ["There is no table 'ticket' that you may see."]
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


def facts(page: str) -> dict[str, str]:
    """The facts of a plan, by their names."""
    found = re.findall(r'<tr><th scope="row">(.*?)</th><td>(.*?)</td></tr>', page)
    return {name: html.unescape(re.sub("<[^>]+>", "", fact)) for name, fact in found}


def test_plan_states_facts_and_takes_the_user_back(db: Database, steerer: Client) -> None:
    db.tickets(120)
    asked = {**ASKED, "max_rate": "500", "ack_triggers": ""}
    page = steerer.post(f"{LIST}add/", {**asked, "show": ""}).content.decode()
    assert "It would be refused now" in page
    assert re.search(r'level-refuse">refuse</strong>.*Its triggers keep no copies', page)
    assert "Record this rotation" not in page
    page = steerer.post(f"{LIST}add/", {**asked, "ack_triggers": "on", "show": ""}).content.decode()
    known = facts(page)
    assert known["Column"] == "public.ticket.token"
    assert known["Primary key"] == "id (bigint)"
    assert known["Rows"] == "120; with a token: 120"
    assert known["Windows"] == "one transaction each, at most 50 rows"
    assert known["New tokens"] == "UUIDs, spelled as the old ones: 122 random bits"
    assert known["Time"] == "unknown until it runs"
    assert known["Most rows a second"] == "500 (asked for)"
    assert known["WAL"].startswith("about ")
    assert known["Disk"].startswith("grows by at most ")
    assert "3 windows in total." in page
    assert re.search(
        r"<details[^>]*><summary>SQL of the first window</summary><pre[^>]*>.*UPDATE", page, re.S
    )
    kept = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    page = steerer.post(f"{LIST}add/", kept | {"change": "yes"}).content.decode()
    assert 'id="plan"' not in page
    assert 'class="errorlist' not in page
    for name, value in (("max_rate", "500"), ("window", "50"), ("reason", "seen in a log")):
        assert re.search(rf'name="{name}"[^>]* value="{value}', page), name
    assert re.search(r'name="ack_triggers"[^>]* checked', page)
    assert not re.search(r'name="allow_fk"[^>]* checked', page)


TARGETS = {
    "tickets": {"field": "tickets.Ticket.token", "where": "status = 'open'", "max_rate": 300},
    "users": "auth.User.password",
}


def test_target_of_the_settings_brings_its_options(db: Database, steerer: Client) -> None:
    """Those that the form has can be changed; the others stay as the settings say."""
    db.tickets(60)
    with override_settings(ROTATION={"TARGETS": TARGETS}):
        page = text(steerer, f"{LIST}add/")
        assert "?target=tickets" in page
        assert "?target=users" not in page  # whose table the user may not see
        page = text(steerer, f"{LIST}add/?target=tickets")
        assert 'name="table"' not in page
        assert re.search(r'name="max_rate" value="300"', page)
        assert "--where status = &#x27;open&#x27;" in page
        asked = {"target": "tickets", "workers": "1", "max_rate": "", "ack_triggers": "on"}
        button = shown_plan(steerer, asked)
        changed = {"tickets": {**TARGETS["tickets"], "where": "true"}}  # type: ignore[dict-item]
        with override_settings(ROTATION={"TARGETS": changed}):
            answer = steerer.post(f"{LIST}add/", {**asked, **button}).content.decode()
            assert "This is the plan for what it says now" in answer
        assert steerer.post(f"{LIST}add/", {**asked, **button}).status_code == 302
        for name in ("users", "nosuch"):
            answer = steerer.get(f"{LIST}add/?target={name}").content.decode()
            assert f"there is no target &#x27;{name}&#x27; that you may see" in answer.lower()
            answer = steerer.post(f"{LIST}add/", {**asked, "target": name, "show": ""}).content.decode()
            assert 'id="plan"' not in answer
    found = db.sql("SELECT options ->> 'where', options ->> 'max_rate' FROM rotation")
    assert found == [("status = 'open'", None)]
