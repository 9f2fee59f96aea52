"""Steering from the site: who may, what is done, and who did it."""

import getpass
import html
import re
import socket

import psycopg2
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from tests.conftest import Database, until
from tests.operations.recording import status
from tests.web.site import LIST, PAGE, RUN, VIEW, client_of, record, report_of, text


def test_pause_resume_tune_and_cancel(slow: Database, steerer: Client) -> None:
    def steer(action: str, **more: str) -> str:
        answer = steerer.post(f"{LIST}1/steer/", {"action": action, **more}, follow=True)
        found = re.findall(r'<ul class="messagelist">(.*?)</ul>', answer.content.decode(), re.DOTALL)
        return html.unescape(" ".join(found))

    assert "pauses after its current windows" in steer("pause")
    until(lambda: status(slow) == "paused")
    assert "is paused: it can be paused only while windows run" in steer("pause")
    assert "dance can't be done" in steer("dance")
    assert "otation 1 of public.ticket.token continues" in steer("resume")
    assert status(slow) == "running"
    # What is as it was is not tuned; what is empty is given back.
    said = steer("tune", window="30", max_rate="off", max_lag="10", workers="1")
    assert "window=30, max_rate=off, effective from the next window" in said
    assert slow.value("SELECT tuned FROM rotation") == {"window": 30, "max_rate": None}
    steer("tune", window="", max_rate="200")
    assert "Rows in each window: Expected 1 to 1000000 rows." in steer("tune", window="0")
    assert "Workers: Expected 1 to 64; not 'x'." in steer("tune", workers="x")
    assert slow.value("SELECT tuned FROM rotation") == {"max_rate": 200.0}
    asked = text(steerer, f"{LIST}1/cancel/")
    assert re.search(r"<strong>about [\d,]+ rows keep their leaked token \(", asked)
    assert status(slow) == "running"
    assert re.search(r"is cancelled: \d+ of 3000 tokens were replaced; every other", steer("cancel"))
    assert status(slow) == "cancelled"
    done = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    what = [one.removeprefix("rotation 1 of public.ticket.token").split(";")[0] for one in done]
    assert what[:2] == [" pauses after its current windows", " continues"]
    assert what[2] == ": window=30, max_rate=off, effective from the next window"
    assert what[3] == ": max_rate=200, effective from the next window"
    assert what[4].startswith(" is cancelled: ")
    assert len(what) == 5
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
    assert "every row keeps its leaked token" in text(steerer, f"{LIST}1/cancel/")


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
    assert "is cancelled by now, so it was not cancelled" in again
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


def test_refused_value_stands_at_its_field_with_the_error(slow: Database, steerer: Client) -> None:
    """The others keep what the user typed, too; and nothing is tuned."""
    asked = {"action": "tune", "max_rate": "many", "window": "0", "workers": "3", "nice": "-1"}
    page = html.unescape(steerer.post(PAGE, asked).content.decode())
    assert slow.value("SELECT tuned FROM rotation") == {}
    for name, typed, error in (
        ("max_rate", "many", "Expected a number, or off; not 'many'."),
        ("window", "0", "Expected 1 to 1000000 rows."),
        ("nice", "-1", "Expected 0 to 1000 seconds of rest for each second of work."),
    ):
        field = re.search(rf'<input type="text" name="{name}" value="{typed}"[^>]*>', page)
        assert field, name
        assert 'aria-invalid="true"' in field[0]
        assert f"id_{name}_error" in field[0]
        assert re.search(rf'id="id_{name}_error"><li>{re.escape(error)}', page), name
    assert re.search(r'name="workers" value="3"', page)
    assert re.search(r'<details id="fold-more" class="fold" open>', page)
    for label, name in (("Most rows a second", "max_rate"), ("Rows in each window", "window")):
        assert re.search(rf"{label}</label> <code[^>]*>{name}</code>", page)
    assert '<th scope="row">Most rows a second <code' in page
    assert steerer.post(PAGE, {"action": "tune", "max_rate": "150"}).status_code == 302
    assert slow.value("SELECT tuned FROM rotation") == {"max_rate": 150}


def test_form_that_tunes_asks_for_the_right(slow: Database, viewer: Client) -> None:
    assert viewer.post(PAGE, {"action": "tune", "max_rate": "150"}).status_code == 403
    assert slow.value("SELECT tuned FROM rotation") == {}
