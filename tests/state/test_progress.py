"""Progress that does not lie, and how it is printed."""

import io
import json
import re
from dataclasses import replace

import pytest
from django.core.management.base import OutputWrapper

from app.rotation.engine.state.progress import Progress, read_progress
from app.rotation.engine.text import duration, size
from app.rotation.management.bar import progress_bar, progress_line
from app.rotation.management.console import Console
from tests.conftest import Database, until
from tests.state.half_done import HALF

DONE = replace(HALF, rows_done=50_000, lanes_done=1)


def test_the_lines_of_the_brief() -> None:
    assert progress_line(HALF).startswith(
        "completed:  2.30 % (1150 of 50000) | remaining time:   49 second(s)"
    )
    assert progress_line(DONE).startswith(
        "completed: 100.00 % (50000 of 50000) | remaining time:    0 second(s)"
    )


@pytest.mark.parametrize("rows_done", [49_999, 50_000, 60_000])
def test_never_a_hundred_before_the_end(rows_done: int) -> None:
    progress = replace(HALF, rows_done=rows_done)
    assert progress.percent is not None and progress.percent < 100
    assert "99.99 %" in progress_line(progress)


def test_more_rows_than_the_estimate_said() -> None:
    progress = replace(HALF, rows_done=60_000, rows_total_exact=False)
    assert progress.eta_seconds is None
    assert "(60000 of ~50000) | remaining time: unknown" in progress_line(progress)


def test_unknown_is_said() -> None:
    assert "remaining time: unknown" in progress_line(replace(HALF, rows_per_second=None))
    line = progress_line(replace(HALF, rows_total=None))
    assert line.startswith("completed: unknown (1150 of unknown) | remaining time: unknown")


def test_a_hundred_even_if_rows_went_away() -> None:
    assert replace(DONE, rows_done=7).percent == 100.0


@pytest.mark.parametrize("columns", [1, 10, 20, 40, 80, 200])
@pytest.mark.parametrize("progress", [HALF, DONE, replace(HALF, rows_total=10**12, rows_done=10**11)])
def test_the_bar_fits(columns: int, progress: Progress) -> None:
    assert len(progress_bar(progress, columns)) <= max(1, columns - 1)


def test_the_bar_says_everything_where_there_is_room() -> None:
    bar = progress_bar(replace(HALF, rows_done=25_000), 100)
    assert re.search(r"█{18,}░{18,}  50.00 %  25000 of 50000  1000 rows/s  remaining: 0:25", bar)


def test_a_narrow_bar_keeps_what_matters() -> None:
    assert re.search(
        r"^█+░+  50.00 %  25000 of 50000  0:25 left$",
        progress_bar(replace(HALF, rows_done=25_000), 50),
    )
    assert re.search(
        r"^█+░+ 50.00 %  25k/50k  0:25 left$", progress_bar(replace(HALF, rows_done=25_000), 40)
    )


HELD = replace(
    HALF,
    rows_done=340_000,
    rows_total=1_000_000,
    rows_per_second=52_345.0,
    workers=4,
    throttled_share=0.45,
    throttle="replica lag 12 s on standby1 (limit 10 s)",
)


@pytest.mark.parametrize("million", [HELD, replace(HELD, status="paused"), replace(HELD, workers=1)])
@pytest.mark.parametrize("times", [1, 1000])
@pytest.mark.parametrize("columns", [50, 80])
def test_what_a_narrow_terminal_shows_of_one_that_waits(
    million: Progress, times: int, columns: int
) -> None:
    """Bar, percent, rows, remaining time, and that it waits; the reason is what goes first."""
    done, total = million.rows_done * times, 1_000_000 * times
    held = replace(million, rows_done=done, rows_total=total, rows_per_second=52_345.0 * times)
    bar = progress_bar(held, columns)
    paused = held.status == "paused"
    assert re.search(r"^█+░+ +34(.00 )?%  ", bar)
    rows = f"{done} of {total}" if columns == 80 else "340k/1M" if times == 1 else "340M/1B"
    assert f" {rows}  " in bar
    assert ("paused" if paused else "throttled") in bar
    assert re.search(r"remaining: unknown|\? left" if paused else "remaining: 0:13|0:13 left", bar)
    assert len(bar) <= columns - 4


def test_bar_of_a_terminal_that_has_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal has broken the old bar into rows: all of them are cleared."""
    stream = io.StringIO()
    reporter = Console(OutputWrapper(stream), "bar", 1)
    monkeypatch.setenv("COLUMNS", "100")
    reporter(HALF)
    wide = len(stream.getvalue().removeprefix("\r\x1b[K"))
    assert wide > 70
    for columns, rows in (("40", (wide - 1) // 40), ("30", 1), ("120", 0)):
        monkeypatch.setenv("COLUMNS", columns)
        stream.truncate(stream.seek(0))
        reporter(HALF)
        assert stream.getvalue().startswith(f"\x1b[{rows}A\r\x1b[J" if rows else "\r\x1b[K")
    monkeypatch.setenv("COLUMNS", "50")
    stream.truncate(stream.seek(0))
    reporter.line("hello")
    assert re.match(r"\x1b\[1A\r\x1b\[Jhello\n\S.{1,45}$", stream.getvalue())


def test_messages_stand_above_the_bar() -> None:
    stream = io.StringIO()
    reporter = Console(OutputWrapper(stream), "bar", 1)
    reporter(HALF)
    reporter.line("hello")
    reporter.close()
    assert "\x1b[Khello\n" in stream.getvalue()
    assert stream.getvalue().endswith("\n")


def test_units() -> None:
    assert [duration(5), duration(65), duration(3661)] == ["0:05", "1:05", "1:01:01"]
    assert [size(1), size(999_000), size(2.5e9), size(3e13)] == [
        "1 bytes",
        "999 kB",
        "2.5 GB",
        "30.0 TB",
    ]


def test_pace_counts_workers_that_are_there(db: Database) -> None:
    """A process that was killed and its successor are one worker, not two."""
    db.tickets(100)
    assert db.call("rotate_tokens_sql", "--window", "100").code == 0
    db.sql("UPDATE rotation SET limits_at = NULL")
    from app.rotation.engine.db.session import Session
    from app.rotation.engine.preflight.server import describe_server, require_state

    session = Session("default")
    require_state(session, describe_server(session))

    def journal(worker: str, seconds_ago: float) -> None:
        db.sql(
            "INSERT INTO rotation_window (rotation_id, lane_id, lo, hi, rows, milliseconds,"
            " transaction_id, worker, finished_at) SELECT rotation_id, id, '1', '1', 1000, 1000, 1, %s,"
            " now() - %s * interval '1 s' FROM batchprogress",
            worker,
            seconds_ago,
        )

    for number in range(60):
        journal("first", 100 - number)
    for number in range(5):
        journal("second", 5 - number)
    progress = read_progress(session, 1)
    assert progress.workers == 1
    assert progress.rows_per_second == pytest.approx(1000)
    for number in range(5):
        journal("third", 1 - number / 10)
    assert read_progress(session, 1).workers == 2


def test_pace_is_that_of_this_run(db: Database) -> None:
    """Fast windows of an earlier run say nothing about one with a limit."""
    db.tickets(3000)
    fast = ("--window", "50", "--progress", "none")
    assert db.call("rotate_tokens_sql", *fast, "--stop-after", "1500").code == 3
    child = db.start("rotate_tokens_sql", "--max-rate", "500", "--progress", "json")
    for line in child.stdout:
        told = json.loads(line)
        if told["event"] != "progress" or told["status"] != "running":
            continue
        left = told["rows_total"] - told["rows_done"]
        assert told["rows_per_second"] <= 500
        assert left == 0 or told["eta_seconds"] >= left / 500
        if told["rows_done"] > 2000:
            break
    else:
        pytest.fail("it was never seen at work")
    assert json.loads(db.call("rotation", "status", "--json").out)["rows_per_second"] <= 500


def test_pace_follows_a_change_at_once(slow: Database) -> None:
    def shown() -> float:
        return json.loads(slow.call("rotation", "status", "--json").out)["rows_per_second"] or 0

    until(lambda: 0 < shown() <= 100)
    slow.call("rotation", "tune", "max_rate=1000", "window=100")
    noted = until(lambda: slow.sql("SELECT limits_at FROM rotation WHERE max_rate = 1000"))[0][0]
    pace = until(lambda: slow.value("SELECT count(*) FROM rotation_window WHERE finished_at > %s", noted)
                 and shown())  # fmt: skip
    assert 100 < pace <= 1000


def test_bar_tells_who_works_and_what_holds_it_back() -> None:
    wide = progress_bar(HELD, 200)
    assert (
        "52345 rows/s by 4 workers  remaining: 0:13  throttled 45%: replica lag 12 s on standby1" in wide
    )
    assert wide.endswith("(limit 10 s)")
    assert re.search(r"throttled 45%: replica [^)]*\.\.\.$", progress_bar(HELD, 120))
    assert "replica" not in progress_bar(HELD, 80)
    assert progress_bar(replace(HALF, status="paused"), 80).endswith("remaining: unknown  paused")
