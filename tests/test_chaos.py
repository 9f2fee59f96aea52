"""The chaos harness: quick drills done once or so, and what its oracle and table say of real damage."""

import random
from collections.abc import Callable
from functools import partial

import pytest

from tests.chaos import company, kills, limits, outages, report, shortages, traffic
from tests.chaos.arena import COMMAND, Arena, Result
from tests.conftest import SERVER, Database

ONCE: dict[str, tuple[Callable[..., None], int]] = {
    "kill at random": (partial(kills.random_kills, workers=4), 1),
    "kill at a gate": (partial(kills.gated_kills, workers=1), 1),
    "crash": (outages.crashes, 1),
    "terminate": (outages.terminations, 2),
    "commit done": (outages.commits_done, 2),
    "commit not done": (outages.commits_not_done, 1),
    "failover": (outages.failovers, 1),
    "three at once": (partial(company.triple_starts, pooled=True), 1),
    "freeze": (partial(company.frozen, seconds=0), 1),
    "freeze anywhere": (company.frozen_anywhere, 1),
    "traffic": (partial(traffic.hostile_traffic, rows=2000), 1),
    "disk": (shortages.full_disk, 1),
    "connections": (shortages.no_connections, 1),
    "clock": (shortages.clock_jumps, 1),
    "server's clock": (shortages.server_clock_jumps, 1),
    "disk of the WAL": (shortages.full_wal, 2),
    "output": (shortages.nobody_reads, 1),
    "temporary files": (limits.temporary_files, 1),
    "locks": (limits.locks_exhausted, 1),
    "files": (limits.few_files, 1),
    "memory": (limits.little_memory, 1),
    "OOM": (limits.out_of_memory, 1),
}


@pytest.mark.parametrize("name", ONCE)
@pytest.mark.long
def test_drill(name: str) -> None:
    SERVER.ensure()
    result, (harm, times) = Result(), ONCE[name]
    harm(result, Arena(SERVER), random.Random(), times)
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.sound, result
    assert result.times >= 1
    assert result.rotations >= 1


def test_oracle_sees_damage(db: Database) -> None:
    """A row that was not rotated, one that was rotated twice, an old token, an exit code."""
    db.tickets(100)
    assert db.run(*COMMAND).code == 0
    db.sql("UPDATE ticket SET title = 'again' WHERE id = 5")  # a change too many
    db.sql("DELETE FROM changes WHERE id = '7'")  # as if it had never been changed
    db.sql(f"{db.active()}; UPDATE ticket SET token = before.token::uuid"
           " FROM before WHERE before.id = '9' AND ticket.id = 9")  # fmt: skip
    result = Result()
    result.judge(db.run("rotation", "pause"), db)
    assert (result.lost, result.twice, result.survivors) == (1, 2, 1)
    assert [fault.split(" ")[0] for fault in result.faults] == ["exit", "rows"]
    assert not result.sound


def test_table_goes_into_the_page(monkeypatch, tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- chaos -->\nold\n<!-- end chaos -->\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    done = Result(times=3, rotations=1, faults=["x"])
    text = report.table({"a": ("harm", done), "b": ("other", Result(skipped="no right"))})
    report.publish("command", "machine", text)
    lines = page.read_text().splitlines()
    assert lines[1:3] == ["<!-- chaos -->", "`command`: machine"]
    assert "| `a` | harm | 3 | 1 | 0 | 0 | 0 | 1 |  |" in lines
    assert "| `b` | other | – | – | – | – | – | – | skipped: no right |" in lines
    assert lines[0] == "before"
    assert lines[-2:] == ["<!-- end chaos -->", "after"]
