"""What a look at the live page costs, with a short journal and with a long one."""

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
    """Milliseconds for the live page's answer, with a hundredth of so many windows, and with all."""
    django.setup()
    found: dict[str, tuple[list[float], list[float]]] = {}
    for windows in (size // 100, size):
        rotation = lengthen(cursor, windows)
        times = found.setdefault(f"{windows:,} windows", ([], []))
        for number in range(rounds):
            say(f"{windows} windows, round {number + 1} of {rounds}")
            for _ in range(LOOKS):
                for kind, milliseconds in zip(times, look(rotation), strict=True):
                    kind.append(milliseconds)
    medians = [statistics.median(whole) for whole, _ in found.values()]
    plot = Plot("milliseconds", list(found), {"": medians})
    rows = {name: [spread(one, 1) for one in times] for name, times in found.items()}
    columns = ["milliseconds for an answer", "of them, waiting for the database"]
    return Table(f"{LOOKS} looks, {rounds} rounds", columns, rows, plot)


def lengthen(cursor: Any, windows: int) -> int:
    """A finished rotation whose journal has so many windows."""
    fresh_table(cursor, ROWS)
    subprocess.run(OURS, cwd=PROJECT, check=True)
    cursor.execute("SELECT max(id) FROM rotation")
    rotation = int(cursor.fetchone()[0])
    cursor.execute(
        "INSERT INTO rotation_window (rotation_id, lane_id, lo, hi, rows, milliseconds, throttled,"
        " throttle, transaction_id, worker, finished_at) SELECT rotation_id, lane_id, lo, hi, rows,"
        " 300 + n %% 70, n %% 50, '', transaction_id, worker, now() + n * interval '0.3 seconds'"
        " FROM (SELECT * FROM rotation_window WHERE rotation_id = %s LIMIT 1) AS first,"
        " generate_series(1, %s) AS n",
        [rotation, windows],
    )
    cursor.execute("ANALYZE rotation_window")
    return rotation


def look(rotation: int) -> tuple[float, float]:
    """What the browser asks for once a second, as the server does it: milliseconds, in all and in SQL.

    With a new connection, the session, the user and his rights, and the template; without the network.
    """
    # They need Django's set-up.
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    user, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    spent = 0.0

    def timed(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        nonlocal spent
        began = time.monotonic()
        try:
            return execute(sql, params, many, context)
        finally:
            spent += time.monotonic() - began

    connection.close()
    began = time.monotonic()
    with connection.execute_wrapper(timed):
        answer = client.get(f"/admin/rotation/rotation/{rotation}/live/", secure=True)
    whole = time.monotonic() - began
    assert answer.status_code == 200, answer.status_code
    return 1000 * whole, 1000 * spent
