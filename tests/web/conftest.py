"""Clients of those who may look, and of those who may steer; and a real browser."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from tests.conftest import Database

if TYPE_CHECKING:
    from tests.web.chromium import Site


@pytest.fixture
def viewer(db: Database) -> Client:
    from tests.web.site import VIEW, client_of  # not before Django is set up

    return client_of(*VIEW)


@pytest.fixture
def steerer(db: Database) -> Client:
    from tests.web.site import VIEW, client_of  # not before Django is set up

    return client_of(*VIEW, "change_rotation", "add_rotation", "view_ticket")


@pytest.fixture
def site(db: Database) -> "Iterator[Site]":
    from tests.web.chromium import Site

    running = Site(db)
    yield running
    running.stop()


@pytest.fixture
def browser(db: Database) -> Iterator[Any]:
    from tests.web.chromium import CHROMIUM, launch, make_users

    playwright = launch()
    make_users()  # before Playwright's loop runs here
    with playwright as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, site: "Site") -> Iterator[Any]:
    """A page whose every request goes to this machine, and which writes no error to its console."""
    page = browser.new_page(base_url=site.url, viewport={"width": 1200, "height": 1000})
    wrong: list[str] = []
    page.on("console", lambda one: wrong.append(one.text) if one.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda one: None if one.url.startswith((site.url, "data:")) else wrong.append(one.url)
    )
    page.wrong = wrong
    page.set_default_timeout(15_000)
    yield page
    assert wrong == []
