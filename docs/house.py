"""Draws docs/house.svg: the rooms of `app/rotation/` from the top down, and the way of one window.

python3 docs/house.py
"""

from html import escape
from pathlib import Path

WIDTH, LEFT, ROOM, GAP = 1180, 20, 42, 12
#: Tiers from the top down; a room imports from those below it only.
TIERS = [
    [
        ("management", "flags in, text out: commands, console"),
        ("admin · web", "pages, live view, report, metrics"),
    ],
    [("operations", "use cases: run, dry_run, verify, serve, databases · inputs, evidence, wording")],
    [
        (
            "engine/runner → engine/phases",
            "starts or resumes; guard, barrier, snapshot, canary, windows, proof",
        )
    ],
    [("engine/work", "pool of workers, stages, leftovers, contention, canary")],
    [("engine/preflight", "table, server, indexes, copies: refuse, warn, note")],
    [("engine/throttle", "monitor, probes, standbys, rate"), ("engine/maintenance", "vacuum, reindex")],
    [("engine/state", "rotations found, transitions between statuses, progress, journal")],
    [("engine/proof", "guard, barrier, revoked set, verification, lists, copies by value")],
    [("engine/table", "target, placement (plain, Citus), lanes, windows, plan, size")],
    [("engine/db", "session, statements, errors by SQLSTATE, retries, threads, stop")],
    [("engine: events, options, errors, text", "what is told and asked; no database")],
    [("models · invariants · triggers · schema", "the state's tables, and what the database refuses")],
]
#: The way of one window: the tier in which each step happens, and what it is.
WINDOW = [
    (3, "1 worker: claim a window's turn"),
    (5, "2 throttle.reason() is None"),
    (9, "3 session: BEGIN, settings of the transaction"),
    (3, "4 stages: claim_lane, FOR UPDATE SKIP LOCKED"),
    (8, "5 windows: find_window, its last key"),
    (3, "6 stages: rotate_window, advance_checkpoint"),
    (9, "7 session: COMMIT"),
    (10, "8 events: window_done → console"),
]


def box(x: float, y: float, width: float, name: str, says: str) -> str:
    """A room."""
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{ROOM}" rx="4" class="room"/>'
        f'<text x="{x + 10:.0f}" y="{y + 17:.0f}" class="name">{escape(name)}</text>'
        f'<text x="{x + 10:.0f}" y="{y + 33:.0f}" class="says">{escape(says)}</text>'
    )


def draw() -> str:
    """The picture."""
    parts, tops = [], []
    y, width = 50, 700
    for rooms in TIERS:
        tops.append(y)
        each = (width - GAP * (len(rooms) - 1)) / len(rooms)
        for number, (name, says) in enumerate(rooms):
            parts.append(box(LEFT + number * (each + GAP), y, each, name, says))
        y += ROOM + GAP
    parts.append(f'<rect x="{LEFT}" y="{y}" width="{width}" height="{ROOM}" rx="4" class="sql"/>')
    says = (
        "sql/ in the same rooms: session, table, work, proof, state, preflight, throttle, maintenance;"
        " citus, schema"
    )
    parts.append(f'<text x="{LEFT + 10}" y="{y + 25}" class="says">{escape(says)}</text>')
    right, step = LEFT + width + 60, (y - 50) / len(WINDOW)
    for number, (tier, what) in enumerate(WINDOW):
        at, room = 50 + step * (number + 0.5), tops[tier] + ROOM / 2
        parts.append(
            f'<path d="M {LEFT + width} {room:.0f} C {right - 30} {room:.0f}, {right - 30} {at:.0f},'
            f' {right - 4} {at:.0f}" class="way"/>'
            f'<text x="{right}" y="{at + 4:.0f}" class="step">{escape(what)}</text>'
        )
    height = y + ROOM + 20
    style = (
        ".room{fill:#eef3fa;stroke:#5b7aa5}.sql{fill:#f8ecec;stroke:#a55b5b}.way{fill:none;stroke:#999}"
        "text{font-family:sans-serif;fill:#222}.name{font-size:13px;font-weight:bold}.says{font-size:11px}"
        ".step{font-size:12px}.title{font-size:15px;font-weight:bold}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="The rooms of app/rotation and the way of one window"><style>{style}</style>'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
        f'<text x="{LEFT}" y="30" class="title">app/rotation: imports go down</text>'
        f'<text x="{right}" y="30" class="title">One window</text>{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    Path(__file__).with_name("house.svg").write_text(draw(), encoding="utf-8")
