"""Charts of the pace, and what is shaded in them."""

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from django.test import Client

from app.rotation.engine.state.journal import Point, read_points
from app.rotation.operations.inputs import open_session
from app.rotation.web.charts import Limit, draw_charts
from tests.conftest import Database
from tests.web.site import LIST, PAGE, RUN, text

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def journal(db: Database, rotation: int, windows: int, held: str = "0") -> None:
    """Write so many windows of 0.3 s more, held back before by so many milliseconds."""
    db.sql(
        "INSERT INTO rotation_window (rotation_id, lane_id, lo, hi, rows, milliseconds, throttled,"
        " throttle, transaction_id, worker, finished_at)"
        f" SELECT rotation_id, lane_id, lo, hi, 1000, 300, {held}, CASE WHEN {held} > 0 THEN 'lag' ELSE"
        " '' END, 1, worker, at + n * interval '0.3 seconds' FROM (SELECT *, (SELECT max(finished_at)"
        " FROM rotation_window) AS at FROM rotation_window WHERE rotation_id = %s ORDER BY id LIMIT 1)"
        " AS first, generate_series(1, %s) AS n",
        rotation, windows,
    )  # fmt: skip
    db.sql("UPDATE batchprogress SET windows = windows + %s WHERE rotation_id = %s", windows, rotation)


def test_chart_of_a_rotation_with_another_in_between(db: Database) -> None:
    """Its two parts keep their points, however many windows others did meanwhile."""
    db.tickets(60)
    for _ in range(2):
        assert db.run("rotate_tokens_sql", "--new").code == 0
    journal(db, 1, 300)
    journal(db, 2, 20_000)
    journal(db, 1, 300)
    points = read_points(open_session("default"), 1)
    middle = points[0].at + (points[-1].at - points[0].at) / 2
    assert 50 < sum(point.at < middle for point in points) < 100
    assert 50 < sum(point.at > middle for point in points) < 100
    assert 100 < len(read_points(open_session("default"), 2)) <= 128


def test_chart_shows_no_pace_that_never_was(db: Database) -> None:
    """Two workers may end their windows within a millisecond: that is not a million rows a second."""
    db.tickets(60)
    assert db.run(*RUN).code == 0
    journal(db, 1, 20)
    db.sql(
        "INSERT INTO rotation_window (rotation_id, lane_id, lo, hi, rows, milliseconds, transaction_id,"
        " worker, finished_at) SELECT rotation_id, lane_id, lo, hi, rows, milliseconds, 1, 'other',"
        " finished_at + interval '1 millisecond' FROM rotation_window ORDER BY id DESC LIMIT 1"
    )
    last = read_points(open_session("default"), 1)[-1]
    assert 3000 < last.rows_per_second < 7000


def test_short_wait_is_not_lost_in_the_report(db: Database, viewer: Client) -> None:
    db.tickets(60)
    assert db.run(*RUN).code == 0
    journal(db, 1, 10_000, held="(n = 4321)::int * 30000.0")
    points = read_points(open_session("default"), 1, whole=True)
    assert sum(point.throttled > 0.2 for point in points) >= 1
    report, page = text(viewer, f"{LIST}1/report/"), text(viewer, PAGE)
    assert re.search(r'aria-label="Rows a second: [^"]*; throttled: lag, from [^"]*"', report)
    assert report.count("shaded: held back for more than a fifth of the time") == 2
    assert "a sample of the windows" in page
    assert "a sample of the windows" not in report


def test_interruption_of_a_run_with_a_limit(db: Database, viewer: Client) -> None:
    """It is a gap, although waits for the limit are none; and no pace counts it."""
    db.tickets(600)
    run = (*RUN, "--window", "25", "--max-rate", "500")
    assert db.run(*run, "--stop-after", "300").code == 3
    assert db.value("SELECT max(throttle) FROM rotation_window") == "rate (limit 500 rows/s)"
    db.sql(
        "SET session_replication_role = replica;"
        "UPDATE rotation_window SET finished_at = finished_at - interval '5 minutes'"
    )
    assert db.run(*run).code == 0
    paces = [one.rows_per_second for one in read_points(open_session("default"), 1, whole=True)]
    assert min(paces) > 100
    report = text(viewer, f"{LIST}1/report/")
    assert report.count(">no windows</text>") == 2
    assert report.count('<polyline class="line"') == 4
    assert report.count('<line class="limit"') == 1


def test_chart_tells_what_is_shaded_in_words() -> None:
    points = [Point(NOON + timedelta(seconds=n), 9, 9, 0.9 * (n % 2), "lag") for n in range(11)]
    chart = draw_charts(points)[0]
    assert "; throttled: lag, from 12:00:00 to 12:00:01; " in chart
    assert chart.count('class="held"') == 5
    assert "; and 2 more" in chart


def windows(*seconds: float, **also: Any) -> list[Point]:
    """Points at these seconds, of windows of 0.3 s."""
    as_usual = {"rows_per_second": 1000.0, "milliseconds": 300.0, "throttled": 0.0, "throttle": ""}
    return [Point(at=NOON + timedelta(seconds=one), **{**as_usual, **also}) for one in seconds]


def lines(chart: str) -> list[list[float]]:
    """Where the pieces of the line are, from left to right."""
    found = re.findall(r'<polyline class="line"[^>]* points="([^"]+)"', chart)
    return [[float(dot.split(",")[0]) for dot in piece.split()] for piece in found]


def test_no_line_leads_through_an_interruption() -> None:
    points = windows(*(0.4 * n for n in range(20)), *(60 + 0.4 * n for n in range(20)))
    for chart in draw_charts(points):
        before, after = lines(chart)
        assert (max(before) < 160, min(after) > 550) == (True, True)
        assert "; no windows, from 12:00:07 to 12:01:00" in chart
        assert ">no windows</text>" in chart


def test_another_pace_is_no_gap() -> None:
    """Nor is one window that took long."""
    for points in (
        windows(*(0.4 * n for n in range(20)), *(10 + 4.0 * n for n in range(20))),
        [*windows(*range(20)), *windows(40, milliseconds=20_000.0), *windows(*range(41, 60))],
    ):
        assert len(lines(draw_charts(points)[0])) == 1


def test_pause_is_a_gap_with_its_reason() -> None:
    """However the distances between the windows look."""
    points = windows(0, 2, 4, 9, 14, 16)
    assert len(lines(draw_charts(points)[0])) == 1
    pauses = [(NOON + timedelta(seconds=5), NOON + timedelta(seconds=8))]
    chart = draw_charts(points, pauses=pauses)[0]
    assert len(lines(chart)) == 2
    assert ">paused</text>" in chart
    assert "; paused, from 12:00:04 to 12:00:09" in chart


def test_wait_before_one_window_is_a_gap_with_its_reason() -> None:
    late = windows(40, throttled=0.9, throttle="lag (standby a 12 s behind)")
    chart = draw_charts([*windows(*range(10)), *late, *windows(*range(41, 50))])[0]
    assert len(lines(chart)) == 2
    assert ">lag</text>" in chart


def test_limit_is_a_line_from_when_it_holds() -> None:
    points = windows(*range(11), throttled=0.9, throttle="rate (limit 1000 rows/s)")
    pace, times = draw_charts(points, limit=Limit(1000, NOON + timedelta(seconds=5)))
    found = re.search(r'<line class="limit" x1="([\d.]+)" x2="([\d.]+)"', pace)
    assert found
    assert (float(found[1]), float(found[2])) == (357.0, 630.0)
    assert ">limit 1,000</text>" in pace
    assert "; limit 1,000" in pace
    assert 'class="limit"' not in times
    assert 'class="held"' not in pace
    assert 'class="limit"' not in draw_charts(points, limit=Limit(50_000, None))[0]


def test_nothing_is_shaded_from_end_to_end() -> None:
    points = windows(*range(11), throttled=0.9, throttle="lag (standby a 12 s behind)")
    for chart in draw_charts(points):
        assert 'class="held"' not in chart
        assert "held back throughout, throttled: lag (standby a 12 s behind)" in chart
