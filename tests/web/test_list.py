"""The list of rotations: what it says of each, its filters, and what has left the menu."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from app.rotation.models import Rotation
from tests.conftest import Database, until
from tests.operations.recording import recorded, status
from tests.web.site import ASKED, LIST, PAGE, RUN, client_of, shown_plan, text

LANES = "/admin/rotation/batchprogress/"
WINDOWS = "/admin/rotation/rotationwindow/"


def cell(page: str, name: str, number: int = 0) -> str:
    """The text of a column of the list, in one of its rows."""
    cells = re.findall(rf'<t[dh] class="field-{name}[^"]*">(.*?)</t[dh]>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", cells[number]).split())


def listed(page: str) -> list[int]:
    """The rotations in the list, by their numbers."""
    return [int(number) for number in re.findall(r">(\d+): public\.", page)]


def test_when_how_long_by_whom_and_why(db: Database, viewer: Client) -> None:
    db.tickets(60)
    assert db.run(*RUN, "--window", "20", "--reason", "leak of 12 May").code == 0
    db.sql(
        "UPDATE rotation SET begun_at = '2026-05-12 10:00Z', finished_at = '2026-05-12 10:00:20Z',"
        " operator = 'ann', host = 'box'"
    )
    page = text(viewer, LIST)
    assert cell(page, "started") == "2026-05-12 10:00:00"
    assert cell(page, "took") == "0:20"
    assert cell(page, "started_by") == "ann@box"
    assert cell(page, "reason_given") == "leak of 12 May"
    assert cell(page, "pace") == "3 rows/s on average"
    assert cell(page, "remaining") == "–"
    shown = text(viewer, PAGE)
    assert re.search(r"<dt>duration</dt><dd>0:20</dd>", shown)
    assert re.search(r"<dt>average pace</dt><dd>3 rows/s</dd>", shown)
    for gone in ("held back", "workers", "remaining"):
        assert f"<dt>{gone}</dt>" not in shown


def test_one_that_waits_for_a_process_has_not_started(db: Database, viewer: Client) -> None:
    db.tickets(5)
    recorded("ticket")
    page = text(viewer, LIST)
    assert cell(page, "started") == "not yet"
    assert cell(page, "took") == cell(page, "pace") == "–"


def test_paused_one_is_not_held_back(slow: Database, viewer: Client) -> None:
    """Nor has it workers; and the page says who paused it."""
    until(lambda: "<dt>held back</dt>" in text(viewer, PAGE))
    assert "<dt>workers</dt>" in text(viewer, PAGE)
    assert slow.run("rotation", "pause").code == 0
    until(lambda: status(slow) == "paused")
    slow.sql("UPDATE rotation SET throttle = 'rate (limit 100 rows/s)', touched_at = now()")
    shown = text(viewer, f"{LIST}1/live/")
    assert "Held back" not in shown
    assert re.search(r"Paused by \S+@\S+ at [\d: -]+ UTC\.", shown)
    for gone in ("held back", "workers", "pace", "remaining"):
        assert f"<dt>{gone}</dt>" not in shown


def test_filters_by_state_and_table(db: Database, viewer: Client) -> None:
    db.tickets(5)
    db.sql("""CREATE TABLE "o""dd <i>" (id int PRIMARY KEY, token uuid)""")
    assert db.run(*RUN).code == 0
    assert ">Table</h2>" not in text(viewer, LIST)  # of one table there is nothing to choose
    recorded('o"dd <i>')
    recorded("ticket")
    page = text(viewer, LIST)
    assert listed(page) == [3, 2, 1]
    for shown in ("unfinished (2)", "pending (2)", "succeeded (1)", "public.ticket (2)"):
        assert shown in page
    assert "<i>" not in page
    table = re.search(r'href="([^"]*table=[^"]*dd[^"]*)"', page)
    assert table
    assert listed(text(viewer, LIST + table[1].replace("&amp;", "&"))) == [2]
    assert listed(text(viewer, f"{LIST}?state=unfinished")) == [3, 2]
    assert listed(text(viewer, f"{LIST}?state=succeeded")) == [1]
    assert listed(text(viewer, f"{LIST}?state=unfinished&table=public.ticket")) == [3]
    assert "No rotation is like that" in text(viewer, f"{LIST}?state=failed")
    assert listed(text(viewer, f"{LIST}?state=nosuch")) == []


def test_lanes_and_windows_are_reached_from_their_rotation_only(db: Database, viewer: Client) -> None:
    db.tickets(60)
    for _ in range(2):
        assert db.run(*RUN, "--window", "20", "--new").code == 0
    for menu in ("/admin/", "/admin/rotation/", LIST):
        page = text(viewer, menu)
        assert LANES not in page
        assert WINDOWS not in page
    shown = text(viewer, PAGE)
    for address in (LANES, WINDOWS):
        assert f"{address}?rotation__id__exact=1" in shown
        page = text(viewer, f"{address}?rotation__id__exact=1")
        assert "of rotation 1 of public.ticket.token</h1>" in page
        crumbs = page[page.index('class="breadcrumbs"') :].partition("</div>")[0]
        assert re.findall(r">(\w[\w ]*)<", crumbs) == ["Home", "Rotations", "Rotation 1"]
        assert f'href="{PAGE}"' in crumbs
        assert "of all rotations</h1>" in text(viewer, address)
    lane = db.value("SELECT min(id) FROM batchprogress")
    assert f'href="{PAGE}"' in text(viewer, f"{LANES}{lane}/change/")
    others = text(client_of("view_rotation"), PAGE)
    assert LANES not in others
    assert WINDOWS not in others


def test_nothing_is_offered_that_is_refused(slow: Database, viewer: Client) -> None:
    """To who may only look: no button, no form that steers, and every link leads somewhere."""
    for address in (LIST, PAGE, f"{LANES}?rotation__id__exact=1"):
        page = text(viewer, address)
        content = page[page.index('id="content"') :]
        for refused in ("<button", "/steer/", "/cancel/", "/add/"):
            assert refused not in content, refused
        for link in set(re.findall(r'<a [^>]*href="(/[^"]*)"', content)):
            assert viewer.get(link.replace("&amp;", "&")).status_code == 200, link


def test_who_records_and_may_not_look_is_led_to_no_dead_end(db: Database) -> None:
    db.tickets(5)
    client = client_of("add_rotation", "view_ticket")
    answer = client.post(f"{LIST}add/", {**ASKED, **shown_plan(client, ASKED)}, follow=True)
    assert answer.status_code == 200
    assert "is recorded" in answer.content.decode()


def test_cancelling_what_is_over_offers_no_button(db: Database, steerer: Client) -> None:
    db.tickets(5)
    assert db.run(*RUN).code == 0
    page = text(steerer, f"{LIST}1/cancel/")
    assert "It is succeeded: there is nothing to cancel now" in page
    assert "Cancel the rotation for good" not in page


def test_thousand_lanes_cost_what_some_cost(db: Database, viewer: Client) -> None:
    """Those in work are shown; of the others as many as fit."""
    db.tickets(2000)
    db.start(*RUN, "--lanes", "1000", "--window", "1", "--max-rate", "30")
    until(lambda: db.value("SELECT count(*) FROM rotation_window") > 2)
    db.run("rotation", "pause")
    page = text(viewer, f"{LIST}1/live/")
    assert len(re.findall(r'aria-label="Lane \d+"', page)) == 32
    assert re.search(r"\d+ of 1000 done", page)
    begun = db.sql("SELECT lane FROM batchprogress WHERE last_id IS NOT NULL AND last_id <> upper")
    assert all(f'aria-label="Lane {lane}"' in page for (lane,) in begun)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a\u202eb\nc", "x" * 63])
def test_odd_names_are_shown_as_text(db: Database, viewer: Client, name: str) -> None:
    db.sql(f'CREATE TABLE "{name}" (id int PRIMARY KEY, token uuid)')
    recorded(name)
    assert Rotation.objects.get().table_name == name
    User.objects.update(is_superuser=True)
    for address in (LIST, PAGE, f"{LIST}1/live/", f"{LIST}1/cancel/", f"{LIST}add/?discover=1"):
        page = text(viewer, address)
        assert "<script>alert" not in page
        assert "\u202e" not in page, address


def test_failed_one_says_why_and_what_to_do(db: Database, viewer: Client) -> None:
    db.tickets(20)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (id <> 7) NOT VALID")
    assert db.call(*RUN).code == 4
    page = text(viewer, f"{LIST}1/change/")
    assert "id 7 can&#x27;t be updated: " in page
    assert "; run python manage.py rotate_tokens_sql --table public.ticket to continue." in page
