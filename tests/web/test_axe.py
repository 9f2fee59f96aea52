"""axe-core finds nothing on any page, in light and in dark, wide and on a phone."""

from typing import Any

import pytest

from tests.conftest import Database, until
from tests.web.chromium import LIVE, begin, sign_in

axe_core = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-core is not installed (axe-playwright-python)"
)

LIST = "/admin/rotation/rotation/"
#: Django's own: the label of its search box is an image, of which axe takes no notice.
OF_DJANGO = ["#searchbar"]
NAME = "<b>customer_relationship_management_api_credentials</b>_2026"


def found(page: Any) -> list[str]:
    """What axe-core finds on the whole page, with all that is folded opened."""
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    # What it preloads, a page's content policy may forbid, which the page's console would tell.
    options = {"preload": False, "resultTypes": ["violations"]}
    answer = axe_core.Axe().run(page, {"exclude": OF_DJANGO}, options)
    return [
        f"{page.url}: {one['id']}: {node['target']} {node['html'][:200]}"
        for one in answer.response["violations"]
        for node in one["nodes"]
    ]


def scene(db: Database) -> None:
    """A rotation that has ended, one of a table with an odd name that is paused, and one that runs."""
    db.tickets(3000)
    db.sql(f'CREATE TABLE "{NAME}" (id int PRIMARY KEY, token uuid)')
    db.sql(f'INSERT INTO "{NAME}" SELECT n, gen_random_uuid() FROM generate_series(1, 500) AS n')
    odd = ("--table", f'"{NAME}"')
    assert db.run("rotate_tokens_sql", "--window", "500", "--reason", "leak of 12 May").code == 0
    db.start("rotate_tokens_sql", *odd, "--window", "20", "--max-rate", "20", "--progress", "none")
    until(lambda: db.value("SELECT count(*) FROM rotation_window WHERE rotation_id = 2") > 1)
    assert db.run("rotation", "pause", *odd).code == 0
    begin(db, "--new", "--window", "10", "--max-rate", "30")
    until(lambda: db.value("SELECT count(*) FROM rotation_window WHERE rotation_id = 3") > 2)


def tune_wrongly(page: Any) -> None:
    page.goto(LIVE.format(3))
    if not page.is_visible("[name=max_rate]"):
        page.click("#fold-tune > summary")
    page.fill("[name=max_rate]", "many")
    page.click("button:has-text('Tune')")
    page.wait_for_selector("#id_max_rate_error")


def show_plan(page: Any, table: str, accept: bool) -> None:
    page.goto(f"{LIST}add/")
    page.fill("[name=table]", table)
    page.fill("[name=column]", "token")
    page.set_checked("[name=ack_triggers]", accept)
    page.click("text=Show the plan")


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 390)])
def test_no_page_has_a_violation(db: Database, page: Any, scheme: str, width: int) -> None:
    scene(db)
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    violations = []
    sign_in(page, "steerer")
    numbered = [LIVE.format(number) for number in (1, 2, 3)]
    journal = "/admin/rotation/rotationwindow/?rotation__id__exact=1"
    lanes = "/admin/rotation/batchprogress/?rotation__id__exact=1"
    for address in (LIST, f"{LIST}?state=failed", *numbered, f"{LIST}3/cancel/", f"{LIST}1/cancel/",
                    f"{LIST}add/", f"{LIST}add/?discover=1", f"{LIST}1/report/", f"{LIST}1/history/",
                    journal, lanes):  # fmt: skip
        page.goto(address)
        violations += found(page)
    tune_wrongly(page)
    violations += found(page)
    assert db.run("rotation", "cancel", "--table", "ticket").code == 0
    for table, accept in (("nosuch", False), ("ticket", False), ("ticket", True)):
        show_plan(page, table, accept)
        page.wait_for_selector("#id_table_error" if table == "nosuch" else "#plan")
        violations += found(page)
    assert page.wrong == []
    assert db.run("migrate", "rotation", "zero", "-v", "0").code == 0
    page.goto(LIST)
    page.wait_for_selector("text=run python manage.py migrate rotation")
    violations += found(page)
    page.wrong.clear()  # the browser tells that it is an error
    assert violations == []
