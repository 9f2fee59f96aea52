"""Charts of the pace, and what is shaded in them."""

import re
from datetime import datetime, timedelta, timezone

from django.test import Client

from app.rotation.engine.state.journal import Point, read_points
from app.rotation.operations.inputs import open_session
from app.rotation.web.charts import draw_charts
from tests.conftest import Database
from tests.web.site import LIST, PAGE, RUN, text


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


def test_chart_tells_what_is_shaded_in_words() -> None:
    at = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    points = [Point(at + timedelta(seconds=n), 9, 9, 0.9 * (n % 2), "lag") for n in range(11)]
    chart = draw_charts(points)[0]
    assert "; throttled: lag, from 12:00:00 to 12:00:01; " in chart
    assert chart.count('class="held"') == 5
    assert "; and 2 more" in chart
