"""The operator's command: one call after the other, each with a time limit."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from app.rotation.operations import herald
from app.rotation.operations.herald import Hook


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
        f"warn: --hook sh -c 'sleep 60 & echo $! > {tmp_path}/child; wait': no end after 0 s: killed;"
        " the run goes on"
    ]
    child = (tmp_path / "child").read_text().strip()
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_it_hears_everything_in_order(tmp_path: Path) -> None:
    hook = Hook(["sh", "-c", f"cat >> {tmp_path}/told; echo >> {tmp_path}/told"], print)
    for number in range(5):
        hook.send({"number": number})
    hook.close()
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert [one["number"] for one in told] == [0, 1, 2, 3, 4]


def test_one_that_reads_nothing(tmp_path: Path) -> None:
    """As `true` does, which ends before it is told."""
    events: list[Any] = []
    hook = Hook(["true"], events.append)
    hook.send({"text": "x" * 1_000_000})
    hook.close()
    assert events == []
