"""The site of docs: it builds, links and anchors lead somewhere, nothing is loaded from elsewhere."""

import functools
import re
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import PROJECT, until

ELSEWHERE = r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"'
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*map(str, command)], cwd=PROJECT, capture_output=True, text=True)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Built by the command of `run.py docs`, in an environment of its own."""
    from run import VERBS

    home, pages = tmp_path / "environment", tmp_path / "site"
    run(sys.executable, "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    done = run(*pip, "install", "-q", "--no-compile", "-r", "docs/requirements.txt")
    if done.returncode:
        pytest.skip(f"mkdocs-material can't be installed: {done.stderr[-200:]}")
    done = run(python, *VERBS["docs"][1], "--site-dir", pages)
    assert done.returncode == 0, done.stderr  # as for a link or an anchor that leads nowhere
    return pages


@pytest.mark.timeout(600)
def test_site(site: Path) -> None:
    """One test for all: to build it takes longest."""
    pages = {path.stem: path.read_text() for path in site.glob("*.html")}
    assert {path.stem for path in (PROJECT / "docs").glob("*.md")} < {*pages}
    for name, page in pages.items():
        assert not re.findall(ELSEWHERE, page), name
    for path in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", path.read_text()), path
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: the search was not tried")
    search(site)


def search(site: Path) -> None:
    """In a page from this machine, without asking anybody else."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    pages = functools.partial(SimpleHTTPRequestHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), pages) as server, playwright.sync_playwright() as driver:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_port}/"
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{here}index.html")
        found = page.locator(".md-search-result__item a[href*='servers.html']").first

        def ask() -> bool:
            """Again, as a person would: what is typed before the page listens is lost."""
            page.fill("input.md-search__input", "")
            page.fill("input.md-search__input", "standby")
            page.wait_for_timeout(1000)
            return bool(found.is_visible())

        until(ask)
        browser.close()
        server.shutdown()
    assert all(url.startswith((here, "data:", "blob:")) for url in asked)
