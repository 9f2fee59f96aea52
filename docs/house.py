"""Draws docs/house.svg: the rooms of `app/rotation/` from the top down, and the way of one window.

python3 docs/house.py
"""

import sys
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.rooms import TIERS

WIDTH = 800  # of a page: nothing is scaled down there
LEFT = 16
TOP = 46
DRAWN = WIDTH - 2 * LEFT  # width of a tier
LOW, HIGH = 28, 42  # of a room with one line, and with two
NAMES = 150  # width of the names where there is one room
GAP = 6
STEPS = 4  # of a window, in a row
#: What is in each room.
ROOMS = {
    "apps": "what Django needs to know",
    "management": "flags in, text out",
    "checks": "of the project",
    "api": "for its own code",
    "admin": "lists that are never edited",
    "web": "pages, live view, report, metrics",
    "operations": "use cases: run, record, verify, serve, steer, guard · inputs, herald, metrics",
    "engine.runner": "starts or resumes a rotation, watches its thread, says how it ended",
    "engine.phases": "guard, barrier, snapshot, lanes, canary, windows, leftovers, proof",
    "engine.work": "pool of workers, stages, leftovers, contention, canary",
    "engine.preflight": "table, server, indexes, copies: refuse, warn, note",
    "engine.throttle": "monitor, probes, standbys, rate",
    "engine.maintenance": "vacuum, reindex",
    "engine.state": "rotations found, transitions between statuses, progress, journal",
    "engine.proof": "guard, barrier, revoked set, verification, lists, copies by value",
    "engine.table": "target, placement (plain, Citus), lanes, windows, plan, size",
    "engine.db": "driver, session, statements, errors by SQLSTATE, retries, threads, stop",
    "engine.events": "facts told",
    "engine.kept": "what was asked",
    "engine.options": "what is asked",
    "engine.recipe": "what is written",
    "engine.formats": "of tokens",
    "engine.hours": "times of day",
    "engine.errors": "one root, exit codes",
    "engine.text": "sizes, names, moments",
    "models": "the state's tables, every status and set of statuses",
    "invariants": "what the database refuses",
    "triggers": "TokenGuard",
    "signals": "told to the project",
    "schema": "access to sql/schema/",
}
SQL = (
    "in the same rooms: table, work, proof, state, preflight, throttle, maintenance; session,"
    " citus, schema"
)
#: The way of one window: the room in which each step happens, and what it is.
WINDOW = [
    ("engine.work", "may a window start?"),
    ("engine.throttle", "no reason to wait"),
    ("engine.db", "BEGIN, and its settings"),
    ("engine.work", "claim a lane"),
    ("engine.table", "find the window's end"),
    ("engine.work", "UPDATE, checkpoint"),
    ("engine.db", "COMMIT"),
    ("engine.events", "tell the console"),
]
STYLE = (
    ".room{fill:#eef3fa;stroke:#5b7aa5}"
    ".sql{fill:#f8ecec;stroke:#a55b5b}"
    ".step{fill:#fff;stroke:#5b7aa5}"
    ".way{fill:none;stroke:#5b7aa5;marker-end:url(#end)}"
    "text{font-family:sans-serif;font-size:12.5px;fill:#222}"
    ".name{font-weight:bold}"
    ".title{font-size:16px;font-weight:bold}"
)
HEAD = (
    '<marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto">'
    '<path d="M 0 0 L 8 4 L 0 8 z" fill="#5b7aa5"/></marker>'
)


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A frame."""
    place = f'x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<rect {place} rx="4" class="{kind}"/>'


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """A line of text."""
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{style}>{escape(words)}</text>'


def tier(rooms: tuple[str, ...], y: float) -> tuple[str, float]:
    """The rooms of a tier side by side, and where the next tier begins."""
    height = LOW if len(rooms) == 1 else HIGH
    each = (DRAWN - GAP * (len(rooms) - 1)) / len(rooms)
    parts = []
    for number, room in enumerate(rooms):
        x = LEFT + number * (each + GAP)
        right, below = (NAMES, 0) if len(rooms) == 1 else (10, 17)
        parts.append(box(x, y, each, height, "room"))
        parts.append(text(x + 10, y + 18, room.replace(".", "/"), "name"))
        parts.append(text(x + right, y + 18 + below, ROOMS[room]))
    return "".join(parts), y + height + GAP


def window(y: float) -> tuple[str, float]:
    """The steps of a window in two rows, and where they end."""
    parts = [text(LEFT, y + 14, "The way of one window", "title")]
    y += 30
    gap = 4 * GAP
    each = (DRAWN - gap * (STEPS - 1)) / STEPS
    for number, (room, what) in enumerate(WINDOW):
        row, place = divmod(number, STEPS)
        x, top = LEFT + place * (each + gap), y + row * (HIGH + gap)
        parts.append(box(x, top, each, HIGH, "step"))
        parts.append(text(x + 8, top + 17, f"{number + 1} {room.replace('.', '/')}", "name"))
        parts.append(text(x + 8, top + 34, what))
        middle = top + HIGH / 2
        if place < STEPS - 1:
            parts.append(f'<path d="M {x + each:.0f} {middle:.0f} h {gap - 3}" class="way"/>')
        elif number < len(WINDOW) - 1:
            down = f"M {x + each / 2:.0f} {top + HIGH:.0f} v {gap / 2:.0f} H {LEFT + each / 2:.0f}"
            parts.append(f'<path d="{down} v {gap / 2 - 2:.0f}" class="way"/>')
    return "".join(parts), y + 2 * HIGH + gap


def draw() -> str:
    """The picture."""
    parts = []
    y: float = TOP
    for rooms in TIERS:
        drawn, y = tier(rooms, y)
        parts.append(drawn)
    parts.append(box(LEFT, y, DRAWN, HIGH, "sql"))
    parts += [text(LEFT + 10, y + 17, "sql", "name"), text(LEFT + 10, y + 34, SQL)]
    drawn, y = window(y + HIGH + 24)
    height = f"{y + LEFT:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" role="img"'
        f' viewBox="0 0 {WIDTH} {height}"'
        ' aria-label="The rooms of app/rotation, and the way of one window">'
        f"<style>{STYLE}</style><defs>{HEAD}</defs>"
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#fff"/>'
        f"{text(LEFT, 30, 'The rooms of app/rotation: imports go down', 'title')}"
        f"{''.join(parts)}{drawn}</svg>\n"
    )


if __name__ == "__main__":
    Path(__file__).with_name("house.svg").write_text(draw(), encoding="utf-8")
