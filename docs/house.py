"""Draws docs/house.svg: the rooms of `app/rotation/` from the top down, and the way of one window.

python3 docs/house.py
"""

import sys
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.rooms import TIERS

WIDTH = 1180
LEFT = 20
TOP = 50
DRAWN = 700  # width of a tier
ROOM = 38  # height of a room
GAP = 8
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
    "sql/ in the same rooms: session, table, work, proof, state, preflight, throttle, maintenance;"
    " citus, schema"
)
#: The way of one window: the room in which each step happens, and what it is.
WINDOW = [
    ("engine.work", "1 worker: may a window start?"),
    ("engine.throttle", "2 throttle.reason() is None"),
    ("engine.db", "3 session: BEGIN, settings of the transaction"),
    ("engine.work", "4 stages: claim_lane, FOR UPDATE SKIP LOCKED"),
    ("engine.table", "5 windows: find_window, its last key"),
    ("engine.work", "6 stages: rotate_window, advance_checkpoint"),
    ("engine.db", "7 session: COMMIT"),
    ("engine.events", "8 events: window_done → console"),
]
STYLE = (
    ".room{fill:#eef3fa;stroke:#5b7aa5}"
    ".sql{fill:#f8ecec;stroke:#a55b5b}"
    ".way{fill:none;stroke:#999}"
    "text{font-family:sans-serif;fill:#222}"
    ".name{font-size:13px;font-weight:bold}"
    ".says{font-size:11px}"
    ".step{font-size:12px}"
    ".title{font-size:15px;font-weight:bold}"
)


def box(x: float, y: float, width: float, room: str) -> str:
    """A room."""
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{ROOM}" rx="4" class="room"/>'
        f'<text x="{x + 10:.0f}" y="{y + 16:.0f}" class="name">{escape(room.replace(".", "/"))}</text>'
        f'<text x="{x + 10:.0f}" y="{y + 31:.0f}" class="says">{escape(ROOMS[room])}</text>'
    )


def draw() -> str:
    """The picture."""
    parts = []
    middles = {}  # of each room, on the right
    y = TOP
    for rooms in TIERS:
        each = (DRAWN - GAP * (len(rooms) - 1)) / len(rooms)
        for number, room in enumerate(rooms):
            parts.append(box(LEFT + number * (each + GAP), y, each, room))
            middles[room] = y + ROOM / 2
        y += ROOM + GAP
    parts.append(f'<rect x="{LEFT}" y="{y}" width="{DRAWN}" height="{ROOM}" rx="4" class="sql"/>')
    parts.append(f'<text x="{LEFT + 10}" y="{y + 23}" class="says">{escape(SQL)}</text>')
    edge = LEFT + DRAWN
    right = edge + 60
    step = (y - TOP) / len(WINDOW)
    for number, (room, what) in enumerate(WINDOW):
        at = TOP + step * (number + 0.5)
        middle = middles[room]
        parts.append(
            f'<path d="M {edge} {middle:.0f} C {right - 30} {middle:.0f}, {right - 30} {at:.0f},'
            f' {right - 4} {at:.0f}" class="way"/>'
            f'<text x="{right}" y="{at + 4:.0f}" class="step">{escape(what)}</text>'
        )
    height = y + ROOM + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="The rooms of app/rotation and the way of one window"><style>{STYLE}</style>'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
        f'<text x="{LEFT}" y="30" class="title">app/rotation: imports go down</text>'
        f'<text x="{right}" y="30" class="title">One window</text>{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    Path(__file__).with_name("house.svg").write_text(draw(), encoding="utf-8")
