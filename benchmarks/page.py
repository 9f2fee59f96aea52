"""What a look at the live page costs the database, with a short journal and with a long one."""

import statistics
import subprocess
import time
from typing import Any

import django

from benchmarks.measuring import OURS, PROJECT, fresh_table, say, spread
from benchmarks.report import Plot, Table

LOOKS = 30
ROWS = 1000


def page(cursor: Any, size: int, rounds: int) -> Table:
    """Milliseconds for what the live page asks, with a hundredth of so many windows, and with all."""
    django.setup()
    from app.rotation.management.selection import open_session  # noqa: PLC0415 (needs Django's set-up)
    from app.rotation.models import Rotation  # noqa: PLC0415
    from app.rotation.web.look import look  # noqa: PLC0415

    found: dict[str, list[float]] = {}
    for windows in (size // 100, size):
        fresh_table(cursor, ROWS)
        subprocess.run(OURS, cwd=PROJECT, check=True)
        cursor.execute(
            "INSERT INTO rotation_window (rotation_id, lane_id, lo, hi, rows, milliseconds, throttled,"
            " throttle, transaction_id, worker, finished_at) SELECT rotation_id, lane_id, lo, hi, rows,"
            " 300 + n %% 70, n %% 50, '', transaction_id, worker, now() + n * interval '0.3 seconds'"
            " FROM rotation_window, generate_series(1, %s) AS n"
            " WHERE rotation_id = (SELECT max(id) FROM rotation)",
            [windows],
        )
        cursor.execute("ANALYZE rotation_window")
        times = found.setdefault(f"{windows:,} windows", [])
        for number in range(rounds):
            say(f"{windows} windows, round {number + 1} of {rounds}")
            rotation = Rotation.objects.latest("pk")
            session = open_session("default")
            for _ in range(LOOKS):
                began = time.monotonic()
                list(look(session, rotation)["latest"])
                times.append(1000 * (time.monotonic() - began))
    plot = Plot("milliseconds", list(found), {"": [statistics.median(one) for one in found.values()]})
    rows = {name: [spread(times, 1)] for name, times in found.items()}
    return Table(f"{LOOKS} looks, {rounds} rounds", ["milliseconds for a look"], rows, plot)
