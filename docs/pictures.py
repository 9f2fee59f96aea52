"""Makes docs/img/*.png from real runs on the embedded server: `python3 run.py pictures`.

In a database of its own, which is dropped at the end. What it clicks and waits for is named by
`data-part` attributes, names of forms and Django's own ids, so that the pages' looks may change.
"""

from app import start

if __name__ == "__main__":
    start.begin("run.py pictures")

import contextlib
import fcntl
import html
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2

from app.tickets.output import say

DATABASE = "pictures"
PICTURES = Path(__file__).with_name("img")
TICKETS = 400_000
#: Width and height, in pixels, of each page's picture.
LIVE = (1180, 1420)
LIST = (1180, 560)
REPORT = (900, 1400)
PAUSE_SECONDS = 4
COLUMNS = 80  # of the terminal
ROWS = 9
BAR = ("--reason", "leak of 12 May")
SLOW = (
    "--workers",
    "2",
    "--max-rate",
    "15000",
    "--reason",
    "leak of 12 May: access log in a public bucket",
)
#: xterm's colours, by the last digit of their codes.
COLOURS = ("#24292f", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#76e3ea", "#f0f3f6")
TERMINAL = (
    "body{margin:0}"
    "pre{margin:0;padding:18px 22px;width:max-content;background:#0d1117;color:#e6edf3;"
    "font:15px/1.35 'DejaVu Sans Mono',monospace}"
    "b{font-weight:700}"
)


class Screen:
    """What a terminal shows of what a program has written, as far as ours use it."""

    def __init__(self, columns: int) -> None:
        self.rows: list[list[tuple[str, str]]] = [[]]  #: each a list of characters with their colours
        self._columns = columns
        self._x = 0
        self._y = 0
        self._colour = ""

    @property
    def text(self) -> str:
        """What it shows, without colours."""
        return "\n".join("".join(mark for mark, _ in row) for row in self.rows)

    def feed(self, written: str) -> None:
        """Show what was written."""
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\s\S]", written):
            if part.startswith("\x1b["):
                self._control(part[-1], part[2:-1])
            elif part == "\r":
                self._x = 0
            elif part == "\n":
                self._move_down()
            else:
                self._write(part)

    def _control(self, letter: str, numbers: str) -> None:
        if letter == "A":
            self._y = max(0, self._y - int(numbers or 1))
        elif letter in "KJ":
            del self.rows[self._y][self._x :]
            if letter == "J":
                del self.rows[self._y + 1 :]
        elif letter == "m":
            codes = [int(code) for code in numbers.split(";") if code]
            shown = [COLOURS[code % 10] for code in codes if code // 10 in (3, 9)]
            self._colour = shown[-1] if shown else self._colour if codes and 0 not in codes else ""

    def _move_down(self) -> None:
        self._y += 1
        while len(self.rows) <= self._y:
            self.rows.append([])

    def _write(self, mark: str) -> None:
        if self._x == self._columns:
            self._x = 0
            self._move_down()
        row = self.rows[self._y]
        row.extend([(" ", "")] * (self._x + 1 - len(row)))
        row[self._x] = (mark, self._colour)
        self._x += 1

    def as_html(self, rows: int) -> str:
        """Its last rows, exactly so many."""
        kept = self.rows[-rows:]
        lines = ["".join(map(_cell, row)) for row in kept] + [""] * (rows - len(kept))
        padded = "\n".join((lines[0] + " " * (self._columns - len(kept[0])), *lines[1:]))
        return f"<!DOCTYPE html><meta charset=utf-8><style>{TERMINAL}</style><pre>{padded}</pre>"


def _cell(cell: tuple[str, str]) -> str:
    mark, colour = cell
    return f'<span style="color:{colour}">{html.escape(mark)}</span>' if colour else html.escape(mark)


def record_terminal(percent: float, *command: str) -> Screen:
    """Run manage.py on a terminal to its end; its screen when the bar was at so many percent."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    child = subprocess.Popen(
        [sys.executable, "manage.py", *command],
        stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    screen = Screen(COLUMNS)
    screen.feed(f"$ python manage.py {' '.join(map(quoted, command))}\r\n")
    reached = False
    while written := _read(mine):
        if not reached:
            screen.feed(written)
            found = re.findall(r"([\d.]+) %", screen.text)
            reached = bool(found) and percent <= float(found[-1]) < 100
    os.close(mine)
    if child.wait() or not reached:
        sys.exit(f"run.py pictures: the run on a terminal ended so: {screen.text.splitlines()[-1:]}")
    return screen


def quoted(argument: str) -> str:
    """An argument as a person types it."""
    return f"'{argument}'" if " " in argument else argument


def _read(terminal: int) -> str:
    """What came next; nothing at the end."""
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # the other end is closed
        return ""


@contextlib.contextmanager
def own_database() -> Iterator[None]:
    """A database of the embedded server that is dropped at the end; the environment points at it."""
    from app.localpg.server import project_server

    server = project_server()
    server.ensure()
    with contextlib.closing(psycopg2.connect(**server.address())) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        server.ensure(DATABASE)
        os.environ |= {"DATABASE_URL": server.url(DATABASE), "HTTPS": "off"}
        try:
            yield
        finally:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def main() -> None:
    """Make every picture."""
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
    )
    if not chromium:
        start.end("run.py pictures: Chromium is not installed (Debian: apt install chromium)")
    start.begun()
    PICTURES.mkdir(exist_ok=True)
    os.environ |= {"DJANGO_SETTINGS_MODULE": "app.settings", "DJANGO_ALLOW_ASYNC_UNSAFE": "1"}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with own_database():
            picture_terminal(browser)
        with own_database():
            picture_site(browser)
        browser.close()


def picture_terminal(browser: Any) -> None:
    """The terminal of a first run, a good half of it done."""
    make_tickets()
    screen = record_terminal(60, "rotate_tokens_sql", *BAR)
    page = browser.new_page()
    page.set_content(screen.as_html(ROWS))
    page.locator("pre").screenshot(path=PICTURES / "terminal.png")
    say("docs/img/terminal.png")


def picture_site(browser: Any) -> None:
    """A rotation that was paused and tuned, its report, and the list with one of each kind."""
    make_tickets()
    from app.tickets import site

    password = site.make_user()
    port = site.free_port()
    with site.children_of_the_demo() as children:
        site.start_site(children, port)
        page = browser.new_page(base_url=f"http://127.0.0.1:{port}", color_scheme="light")
        sign_in(page, site.USER, password)
        number = steer_one(children)
        take(page, "live.png", LIVE, site.page(number), "[data-part=charts] svg")
        site.manage("rotation", "tune", "--table", site.TICKETS, "max_rate=off")
        site.wait_until(lambda: site.progress(number).status == "succeeded")
        take(page, "report.png", REPORT, site.page(number, "report"), "h1")
        site.pause_one(children)
        site.run_one(children)
        site.manage("rotation", "tune", "--table", site.TICKETS, "max_rate=20000")
        again = site.latest(site.TICKETS)
        site.wait_until(lambda: site.progress(again).rows_done > TICKETS * 0.4)
        take(page, "list.png", LIST, site.page_of_all(), "#changelist")


def make_tickets() -> None:
    """Sample tickets in the database that the environment points at."""
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    connection.close()  # to the database of that name before
    call_command("migrate", verbosity=0)
    call_command("ticket", init=True, size=TICKETS, verbosity=0, stdout=io.StringIO())


def steer_one(children: contextlib.ExitStack) -> int:
    """Start a rotation of the tickets, pause, resume and tune it; its number when most is done."""
    from app.tickets import site

    site.start(children, [*site.MANAGE, "rotate_tokens_sql", "--progress", "none", *SLOW])
    site.wait_until(lambda: site.latest(site.TICKETS))
    number = site.latest(site.TICKETS)
    site.wait_until(lambda: site.progress(number).rows_done > TICKETS * 0.25)
    site.manage("rotation", "pause", "--table", site.TICKETS)
    time.sleep(PAUSE_SECONDS)
    site.manage("rotation", "resume", "--table", site.TICKETS)
    site.manage("rotation", "tune", "--table", site.TICKETS, "max_rate=12000", "window=1000")
    site.wait_until(lambda: site.progress(number).rows_done > TICKETS * 0.6)
    return number


def sign_in(page: Any, user: str, password: str) -> None:
    """As the demo's user, on Django's own form."""
    page.goto("/")
    page.fill("#id_username", user)
    page.fill("#id_password", password)
    page.click("[type=submit]")
    page.wait_for_selector("#changelist")


def take(page: Any, name: str, size: tuple[int, int], path: str, shown: str) -> None:
    """A picture of the top of a page, once an element of it is shown."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(path)
    page.wait_for_selector(shown)
    page.screenshot(path=PICTURES / name)
    say(f"docs/img/{name}")


if __name__ == "__main__":
    start.run("run.py pictures", main)
