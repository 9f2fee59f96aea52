"""The site in headless Chromium, driven by Playwright; who signs in there, and what a page says."""

import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from django.contrib.auth.models import Permission, User

from tests.conftest import PROJECT, Database, until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VIEW = ("view_rotation", "view_rotationwindow")
PASSWORD = "of this test only"
LIVE = "/admin/rotation/rotation/{}/change/"


class Site:
    """The site on a port of its own, as the demo and the image run it."""

    def __init__(self, db: Database) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._db = db
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "app.wsgi", "--bind", f"127.0.0.1:{self.port}",
             "--log-level", "critical", "--workers", "1"],
            cwd=PROJECT, env=self._db.environment(SECRET_KEY="k" * 50),
        )  # fmt: skip
        until(self._answers)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _answers(self) -> bool:
        with suppress(URLError, OSError), urlopen(f"{self.url}/healthz", timeout=2):
            return True
        return False


def launch() -> Any:
    """Playwright, for a `with` statement. Skips the test without it, or without Chromium."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    return pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed"
    ).sync_playwright()


def make_users() -> None:
    """Somebody who may watch, and somebody who may steer."""
    for name, rights in (
        ("viewer", VIEW),
        ("steerer", (*VIEW, "change_rotation", "add_rotation", "view_ticket", "view_batchprogress")),
    ):
        user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))


def sign_in(page: Any, name: str) -> None:
    page.goto("/")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_selector("#changelist")


def begin(db: Database, *flags: str) -> None:
    db.start("rotate_tokens_sql", "--progress", "none", *flags)
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))


def percent(page: Any) -> float:
    return float(page.inner_text(".figures dd >> nth=0").rstrip(" %"))


def open_page(page: Any, name: str) -> None:
    sign_in(page, name)
    page.goto(LIVE.format(1))
