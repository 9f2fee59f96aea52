"""A rate, a rest, and the time that remains with them."""

import json
from dataclasses import replace

import pytest

from app.rotation.engine.throttle.bucket import Bucket
from app.rotation.management.bar import progress_line
from tests.conftest import Database, until
from tests.state.half_done import HALF


@pytest.mark.parametrize("workers", ["1", "3"])
def test_rate_of_all_workers_together(db: Database, workers: str) -> None:
    db.tickets(3000)
    done = db.run("rotate_tokens_sql", "--max-rate", "1000", "--workers", workers, "--lanes", "3",
                  "--progress", "json")  # fmt: skip
    assert done.code == 0
    rows, seconds = db.sql(
        "SELECT sum(rows)::int, extract(epoch FROM max(finished_at) - min(finished_at))::float"
        " FROM rotation_window"
    )[0]
    assert rows / seconds < 1500  # the first window of each worker is free
    assert db.value("SELECT max(rows) FROM rotation_window") <= 500
    shares = [json.loads(line).get("throttled_share") for line in done.out.splitlines()]
    assert any(share and share > 0.5 for share in shares)


def test_rate_of_two_processes_together(db: Database) -> None:
    """Each takes its share, once it has seen the other's windows."""
    db.tickets(9000)
    flags = ("--max-rate", "1500", "--lanes", "4", "--workers", "1", "--progress", "none")
    children = [db.start("rotate_tokens_sql", *flags) for _ in range(2)]
    until(lambda: db.value("SELECT count(DISTINCT worker) FROM rotation_window") == 2)
    began = db.value("SELECT clock_timestamp() + interval '2 seconds'")
    assert [child.wait(60) for child in children] == [0, 0]
    rows, seconds = db.sql(
        "SELECT sum(rows), extract(EPOCH FROM max(finished_at) - min(finished_at))::float8"
        " FROM rotation_window WHERE finished_at > %s", began
    )[0]  # fmt: skip
    assert seconds > 1
    assert float(rows) / seconds < 1500 * 1.4


def test_nice_rests_as_long_as_it_works(db: Database) -> None:
    db.tickets(2000)
    assert db.run("rotate_tokens_sql", "--window", "100", "--nice", "1").code == 0
    worked, rested = db.sql("SELECT sum(milliseconds), sum(throttled) FROM rotation_window")[0]
    assert rested > 0.5 * worked
    assert db.value("SELECT count(*) FROM rotation_window WHERE throttle = '--nice 1'") > 10


def test_bucket(monkeypatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    bucket = Bucket()
    assert bucket.owes(100) == 0
    bucket.spend(50)
    assert bucket.owes(100) == 0.5
    now = 0.4
    assert bucket.owes(100) == pytest.approx(0.1)
    now = 0.51
    assert bucket.owes(100) == 0


def test_remaining_time_is_unknown_while_windows_are_stuck() -> None:
    half = replace(HALF, throttled_share=0.5)
    assert progress_line(half).endswith(
        "| 1000 rows/s | throttled 50 % of the time".replace("50 %", "50%")
    )
    held = replace(half, throttle="replica lag 12 s on standby1 (limit 10 s)", idle_seconds=40.0)
    assert held.eta_seconds is None
    assert "remaining time: unknown" in progress_line(held)
    assert progress_line(held).endswith(
        "throttled 50% of the time, now by replica lag 12 s on standby1 (limit 10 s)"
    )
