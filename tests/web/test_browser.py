"""The site in a real browser: headless Chromium, driven by Playwright."""

from typing import Any

import pytest

from tests.conftest import Database, until
from tests.web.chromium import Site, begin, open_page, percent, sign_in


def test_watch_until_it_has_succeeded(db: Database, page: Any) -> None:
    db.tickets(1500)
    begin(db, "--window", "25", "--max-rate", "20")
    sign_in(page, "viewer")
    page.click("text=1: public.ticket.token")
    page.wait_for_selector(".state-running")
    assert page.locator("#steering").count() == 0
    first = percent(page)
    until(lambda: page.wait_for_timeout(300) or percent(page) > first)
    page.wait_for_selector("text=Held back: rate (limit 20 rows/s)")
    assert db.run("rotation", "tune", "max_rate=250").code == 0  # soon done now, and not at once
    page.wait_for_selector("text=0 of 1,500 revoked tokens survive")
    page.wait_for_selector(".state-succeeded")
    assert percent(page) == 100
    assert page.locator("svg .line").count() == 2
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.wait_for_timeout(2500)
    assert asked == []  # it has stopped asking


def test_pause_resume_and_tune(db: Database, page: Any) -> None:
    db.tickets(3000)
    begin(db, "--window", "25", "--max-rate", "50")
    sign_in(page, "steerer")
    page.goto("/admin/rotation/rotation/1/change/")
    assert page.locator("button:visible", has_text="Resume").count() == 0
    page.click("button:has-text('Pause')")
    page.wait_for_selector(".state-paused")
    page.wait_for_selector("button:visible:has-text('Resume')")
    page.click("button:has-text('Resume')")
    page.wait_for_selector(".state-running")
    page.fill("[name=max_rate]", "off")
    page.fill("[name=window]", "500")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=window=500, max_rate=off, effective from the next window")
    page.wait_for_selector(".state-succeeded")
    assert page.locator("#steering button:visible").count() == 0
    db.each_once(3000)


@pytest.mark.long
def test_cancel_asks_first(db: Database, page: Any) -> None:
    db.tickets(3000)
    begin(db, "--window", "25", "--max-rate", "50")
    sign_in(page, "steerer")
    page.goto("/admin/rotation/rotation/1/change/")
    page.click("text=Cancel …")
    page.wait_for_selector("text=rows keep their leaked token")
    assert db.value("SELECT status FROM rotation") == "running"
    page.click("text=Cancel the rotation for good")
    page.wait_for_selector(".state-cancelled")


@pytest.mark.long
def test_start_one(db: Database, page: Any) -> None:
    db.tickets(100)
    db.start("rotate_tokens_sql", "--serve", "--progress", "none")
    sign_in(page, "steerer")
    page.goto("/admin/rotation/rotation/add/")
    page.fill("[name=reason]", "started from the page")
    page.check("[name=ack_triggers]")
    page.click("text=Show the plan")
    page.wait_for_selector("#plan >> text=It would start a new rotation")
    page.click("text=Change something")
    assert page.input_value("[name=reason]") == "started from the page"
    assert page.is_checked("[name=ack_triggers]")
    page.click("text=Show the plan")
    page.click("text=Record this rotation")
    page.wait_for_selector(".state-succeeded")
    assert "0 of 100 revoked tokens survive" in page.inner_text("#headline")
    db.each_once(100)


@pytest.mark.long
def test_lost_connection_comes_back(db: Database, site: Site, page: Any) -> None:
    db.tickets(3000)
    begin(db, "--window", "25", "--max-rate", "50")
    sign_in(page, "viewer")
    page.goto("/admin/rotation/rotation/1/change/")
    assert not page.is_visible("#lost")
    site.stop()
    page.wait_for_selector("#lost:visible")
    site.start()
    page.wait_for_selector("#lost", state="hidden")
    seen = percent(page)
    until(lambda: page.wait_for_timeout(300) or percent(page) > seen)
    assert all("ERR_CONNECTION_REFUSED" in one for one in page.wrong)
    page.wrong.clear()


def answer_with(code: int) -> Any:
    """For page.route: let the browser get this status in place of an answer."""
    return lambda route: route.fulfill(status=code)


@pytest.mark.long
def test_says_why_there_is_no_answer(db: Database, page: Any) -> None:
    db.tickets(3000)
    begin(db, "--window", "25", "--max-rate", "50")
    open_page(page, "viewer")
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.wait_for_selector("#lost:visible >> text=You are signed out")
    assert "You are signed out" in page.inner_text("[role=status]")
    page.context.add_cookies(cookies)
    page.wait_for_selector("#lost", state="hidden")
    db.sql("DELETE FROM auth_user_user_permissions")
    page.wait_for_selector("#lost:visible >> text=You may no longer view rotations")
    for code, said in ((404, "This rotation is gone"), (500, "returned an error (500)")):
        page.route("**/live/", answer_with(code))
        page.wait_for_selector(f"#lost:visible >> text={said}")
        page.unroute("**/live/")
    assert all("Failed to load resource" in one for one in page.wrong), page.wrong
    page.wrong.clear()


@pytest.mark.long
def test_hands_of_the_reader_are_left_alone(db: Database, page: Any) -> None:
    """Focus, scroll position and selection stay where they are while the page updates."""
    db.tickets(3000)
    begin(db, "--window", "25", "--max-rate", "250")
    page.set_viewport_size({"width": 300, "height": 844})
    open_page(page, "viewer")
    page.click("#fold-windows > summary")
    page.wait_for_selector("[data-part=latest] >> text=rate (limit")  # it is wide now
    page.evaluate(
        "() => { const part = document.querySelector('[data-part=latest]');"
        " part.focus(); part.scrollLeft = 30;"
        " getSelection().selectAllChildren(document.querySelector('[data-part=sentence]')); }"
    )
    selected = page.evaluate("getSelection().toString()")
    first, rows = percent(page), page.inner_text("[data-part=latest]")
    until(lambda: page.wait_for_timeout(300) or percent(page) > first + 5)
    assert page.inner_text("[data-part=latest]") != rows
    assert page.evaluate("document.activeElement.dataset.part") == "latest"
    assert page.evaluate("document.activeElement.scrollLeft") == 30
    assert page.evaluate("getSelection().toString()") == selected != ""
    page.evaluate("getSelection().removeAllRanges()")
    page.wait_for_selector("text=0 of 3,000 revoked tokens survive")


@pytest.mark.long
def test_by_keyboard_and_ear(db: Database, page: Any) -> None:
    """Tab to Pause, Enter; the new state is said in a live region, and what is drawn in words."""
    db.tickets(3000)
    begin(db, "--window", "25", "--max-rate", "100")
    open_page(page, "steerer")
    page.wait_for_selector("svg .limit", state="attached")
    assert "; limit 100" in page.get_attribute(".chart svg >> nth=0", "aria-label")
    assert page.locator("svg .held").count() == 0  # the whole width would tell nothing
    assert page.inner_text("[role=status]") == ""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Pause":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector(".state-paused")
    assert db.run("rotation", "resume").code == 0
    until(lambda: page.wait_for_timeout(100) or "running" in page.inner_text("[role=status]"))


@pytest.mark.long
def test_list_and_report(db: Database, page: Any) -> None:
    db.tickets(3000)
    begin(db, "--window", "25", "--max-rate", "1000", "--reason", "leak of 12 May")
    sign_in(page, "viewer")
    assert "3,000" in page.inner_text(".field-progress")
    assert page.inner_text(".field-state").splitlines()[0] == "running"
    until(lambda: page.reload() and page.inner_text(".field-state") == "succeeded")
    # The list reads a rotation's row, and then how far it is.
    until(lambda: page.reload() and "0 survive" in page.inner_text(".field-proof"))
    page.click(".field-name a")
    page.click("text=Report")
    page.wait_for_selector(".result.proven >> text=0 of 3,000 revoked tokens survive")
    for shown in ("leak of 12 May", "rate (limit 1000 rows/s)", "Nobody paused, tuned or cancelled it"):
        assert shown in page.inner_text("body")
    assert page.locator("svg .line").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.long
def test_fits_a_phone_while_it_runs(db: Database, page: Any, scheme: str) -> None:
    """With a limit that is drawn; and no letter of the charts is cut off or too small to read."""
    db.tickets(20_000)
    begin(db, "--window", "1000", "--max-rate", "4000")
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)
    sign_in(page, "viewer")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto("/admin/rotation/rotation/1/change/")
    page.wait_for_selector("svg .limit", state="attached")
    boxes = page.evaluate(
        "[...document.querySelectorAll('.tick, .why')].map(one => one.getBoundingClientRect())"
        ".map(one => [one.left, one.right, one.height])"
    )
    assert len(boxes) > 8
    assert all(left >= 0 and right <= 390 and height >= 10 for left, right, height in boxes), boxes
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.documentElement.scrollHeight") <= 4 * 844
    limit, ground = (
        page.evaluate(f"getComputedStyle(document.querySelector('{one}')).{what}")
        for one, what in ((".limit", "stroke"), ("body", "backgroundColor"))
    )
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert limit == ("rgb(122, 75, 0)" if scheme == "light" else "rgb(240, 195, 109)")
    page.wait_for_selector(".state-succeeded")
    page.goto("/admin/rotation/rotation/1/report/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_list_refreshes_and_leaves_the_reader_alone(db: Database, page: Any) -> None:
    """Figures change under a focused link, a new rotation appears, and the new state is said."""
    db.tickets(3000)
    begin(db, "--window", "25", "--max-rate", "50")
    sign_in(page, "viewer")
    page.focus(".field-name a")
    shown = page.inner_text("[data-part=progress-1]")
    until(lambda: page.wait_for_timeout(300) or page.inner_text("[data-part=progress-1]") != shown)
    assert page.evaluate("document.activeElement.textContent") == "1: public.ticket.token"
    assert page.inner_text("[role=status]") == ""
    assert db.run("rotation", "cancel").code == 0
    page.wait_for_selector("[data-part=state-1] >> text=cancelled")
    assert page.inner_text("[role=status]") == "rotation 1: cancelled."
    assert page.evaluate("document.activeElement.textContent") == "1: public.ticket.token"
    page.evaluate("document.activeElement.blur()")
    assert db.run("rotate_tokens_sql", "--stop-after", "10", "--window", "10").code == 3
    page.wait_for_selector("text=2: public.ticket.token")
    page.wait_for_selector(".filters >> text=cancelled (1)")


def test_what_was_opened_stays_open(db: Database, page: Any) -> None:
    """Also on a phone, where the page folds what is long, and after a button was pressed."""
    db.tickets(3000)
    begin(db, "--window", "25", "--max-rate", "50")
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, "steerer")
    for fold in ("#fold-lanes", "#fold-tune", "#fold-windows"):
        assert page.get_attribute(fold, "open") is None
    page.click("#fold-windows > summary")
    page.click("button:has-text('Pause')")
    page.wait_for_selector(".state-paused")
    assert page.get_attribute("#fold-windows", "open") is not None
    assert page.get_attribute("#fold-lanes", "open") is None
    assert "% paused | Rotation 1" in page.title()
