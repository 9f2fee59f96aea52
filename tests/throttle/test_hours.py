"""Windows run at some times of day only."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.rotation.engine.hours import Hours
from tests.conftest import Database, read_until
from tests.throttle.small_windows import RUN

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("hours", "at", "wait"),
    [
        ("22:00-06:00@Europe/Berlin", "2026-11-26 21:59", "continues on Thursday at 22:00"),
        ("22:00-06:00@Europe/Berlin", "2026-11-26 22:00", ""),
        ("22:00-06:00@Europe/Berlin", "2026-11-27 00:00", ""),
        ("22:00-06:00@Europe/Berlin", "2026-11-27 05:59", ""),
        ("22:00-06:00@Europe/Berlin", "2026-11-27 06:00", "continues on Friday at 22:00"),
        ("9:00-17:30@Europe/Berlin", "2026-11-26 08:59", "continues on Thursday at 09:00"),
        ("9:00-17:30@Europe/Berlin", "2026-11-26 12:00", ""),
        ("9:00-17:30@Europe/Berlin", "2026-11-26 17:30", "continues on Friday at 09:00"),
        ("12:00-13:00@Asia/Kathmandu", "2026-11-26 07:14", "continues on Thursday at 12:00"),
        ("12:00-13:00@Asia/Kathmandu", "2026-11-26 07:15", ""),
        # The night in which clocks are put forward, and that in which they are put back.
        ("02:00-03:00@Europe/Berlin", "2026-03-29 01:59", "continues on Sunday at 02:00"),
        ("02:00-03:00@Europe/Berlin", "2026-03-29 03:00", "continues on Monday at 02:00"),
        ("02:00-03:00@Europe/Berlin", "2026-10-25 02:30", ""),
        ("00:00-12:00", "2026-11-26 01:00", ""),
        ("00:00-12:00", "2026-11-26 14:00", "continues on Friday at 00:00"),
    ],
)
def test_hours(hours: str, at: str, wait: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=BERLIN)
    said = Hours.parse(hours).wait(moment)
    assert bool(said) == bool(wait)
    assert wait in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("22:00", "expected HH:MM-HH:MM"),
        ("22-6", "expected HH:MM-HH:MM"),
        ("24:00-06:00", "expected HH:MM-HH:MM"),
        ("22:60-06:00", "expected HH:MM-HH:MM"),
        ("22:00-22:00", "begins and ends at the same time"),
        ("22:00-06:00@Europe/Atlantis", "unknown time zone Europe/Atlantis"),
        ("22:00-06:00@../../etc/passwd", "unknown time zone ../../etc/passwd"),
        ("22:00-06:00@Europe", "unknown time zone Europe "),
        ("22:00-06:00 @UTC", "expected HH:MM-HH:MM"),
        ("", "expected HH:MM-HH:MM"),
    ],
)
def test_hours_that_are_none(db: Database, text: str, says: str) -> None:
    done = db.run("rotate_tokens_sql", "--only-between", text)
    assert (done.code, says in done.err) == (2, True), done.err
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_waits_outside_and_is_tuned(db: Database) -> None:
    """What is outside now is inside after a change by `rotation tune`."""
    db.tickets(200)
    now = datetime.now(ZoneInfo("UTC"))
    begin, end = now + timedelta(hours=2), now + timedelta(hours=3)
    hours = f"{begin:%H:%M}-{end:%H:%M}@UTC"
    child = db.start(*RUN, "--only-between", hours)
    output = read_until(child, "throttled: ")
    assert f"throttled: outside {begin:%H:%M}-{end:%H:%M} UTC: continues on {begin:%A} at" in output
    assert db.value("SELECT count(*) FROM rotation_window") == 0
    shown = db.call("rotation", "status")
    assert f"outside {begin:%H:%M}" in shown.out
    done = db.run("rotation", "tune", f"only_between={now:%H:%M}-{begin:%H:%M}@UTC")
    assert (done.code, f"only_between={now:%H:%M}" in done.out) == (0, True), done.err
    assert child.wait(60) == 0
    db.each_once(200)
