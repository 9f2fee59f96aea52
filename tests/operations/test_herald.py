"""The operator's command: one call after the other, each with a time limit."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from app.rotation.operations import herald
from app.rotation.operations.herald import Hook
from tests.conftest import Database, until
from tests.unguarded import GUARDED, UNGUARDED


def test_a_command_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With everything that it has started."""
    monkeypatch.setattr(herald, "HOOK_SECONDS", 0.5)
    events: list[Any] = []
    hook = Hook(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; wait"], events.append)
    began = time.monotonic()
    hook.send({"event": "rotation_started"})
    hook.close()
    assert time.monotonic() - began < 30
    assert [str(one) for one in events] == [
        "warn: the hook sh: no end after 0 s: killed; the run goes on"
    ]
    child = (tmp_path / "child").read_text().strip()
    state = Path(f"/proc/{child}/stat")
    until(lambda: not state.exists() or state.read_text().split()[2] == "Z")  # it dies by itself


def test_it_hears_everything_in_order(tmp_path: Path) -> None:
    hook = Hook(["sh", "-c", f"cat >> {tmp_path}/told; echo >> {tmp_path}/told"], print)
    for number in range(5):
        hook.send({"number": number})
    hook.close()
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [one["number"] for one in told] == [0, 1, 2, 3, 4]


def test_what_it_was_too_slow_to_hear_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of it runs on; what follows the program may be a secret, and is not shown."""
    events: list[Any] = []
    hook = Hook(["sleep", "70.5"], events.append)
    for number in range(6):
        hook.send({"number": number})
    monkeypatch.setattr(herald, "HOOK_SECONDS", 0.2)
    hook.close()
    until(lambda: subprocess.run(["pgrep", "-f", "sleep 70.5"], capture_output=True).returncode)
    (said,) = (str(one) for one in events if "slow" in str(one))
    assert said.startswith("warn: the hook sleep: it was too slow to hear of the last ")


def test_without_a_verification_nothing_is_proven(db: Database, tmp_path: Path) -> None:
    """Whatever an earlier one found."""
    db.tickets(20)
    assert db.run("rotate_tokens_sql").code == 0
    db.sql(f"{UNGUARDED} UPDATE ticket SET token = before.token::uuid FROM before"
           f" WHERE before.id = '7' AND ticket.id = 7{GUARDED}")  # fmt: skip
    assert db.run("rotation", "verify").code == 4
    assert db.value("SELECT survivors FROM rotation") == 1
    hook = tmp_path / "hook.sh"
    hook.write_text(f"#!/bin/sh\ncat >> {tmp_path}/told; echo >> {tmp_path}/told\n")
    hook.chmod(0o755)
    assert db.run("rotate_tokens_sql", "--no-verify", "--hook", str(hook)).code == 0
    told = [json.loads(line)["event"] for line in (tmp_path / "told").read_text().splitlines()]
    assert told == ["rotation_started", "rotation_unproven"]
    assert db.sql("SELECT status, survivors, verified_at FROM rotation") == [("succeeded", None, None)]


def test_one_that_reads_nothing(tmp_path: Path) -> None:
    """As `true` does, which ends before it is told."""
    events: list[Any] = []
    hook = Hook(["true"], events.append)
    hook.send({"text": "x" * 1_000_000})
    hook.close()
    assert events == []
