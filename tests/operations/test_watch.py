"""`rotation watch` follows a rotation from another shell, and `rotation status` tells how it went."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import PROJECT, Database, kill, until


class Watching:
    """`rotation watch` on a terminal of its own."""

    def __init__(self, db: Database, columns: int, rows: int) -> None:
        self._mine, its = pty.openpty()
        environment = db.environment(TERM="xterm", COLUMNS=str(columns), LINES=str(rows))
        self.child = subprocess.Popen(
            [sys.executable, str(PROJECT / "manage.py"), "rotation", "watch"],
            stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(its)
        self.said = ""

    def read_until(self, enough: Callable[[str], bool]) -> str:
        """Everything shown so far, once it is enough, or after its end."""
        try:
            while not enough(self.said):
                self.said += os.read(self._mine, 4096).decode()
        except OSError:  # its end of the terminal is closed
            pass
        return self.said

    def latest(self) -> list[str]:
        """The lines of the latest picture."""
        return re.split(r"\x1b\[\d*A\r\x1b\[J|\r\x1b\[K", self.said)[-1].splitlines()


def test_a_picture_that_is_drawn_anew(slow: Database) -> None:
    """With bar and lanes, within the terminal; Ctrl-C ends watching and not the rotation."""
    watching = Watching(slow, 80, 24)
    watching.read_until(lambda said: said.count("Ctrl-C ends watching") > 2)
    lines = watching.latest()
    assert re.match(r"rotation 1 of public.ticket.token: running, \d worker", lines[0])
    assert re.match(r"^█*░+ +\d+.\d\d %  \d+ of 3000  ", lines[1])
    assert any(re.match(r"lane \d+  (not begun|█*░+ +\d+%  up to \d+, \d+ rows?)", one) for one in lines)
    assert all(len(one) < 80 for one in lines)
    watching.child.send_signal(signal.SIGINT)
    said = watching.read_until(lambda said: False)
    assert watching.child.wait(30) == 3
    assert "watching, by SIGINT; the rotation goes on" in said
    assert slow.value("SELECT status FROM rotation") == "running"


def test_it_ends_with_the_rotation(slow: Database) -> None:
    child = slow.start("rotation", "watch")
    slow.call("rotation", "tune", "max_rate=off")
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    lines = out.splitlines()
    assert re.match(r"rotation 1 of public.ticket.token: running", lines[0])
    assert any(line.startswith("completed: ") for line in lines)
    assert "rotation 1 of public.ticket.token: succeeded" in lines
    assert any(re.match(r"proof: 0 of \d+ revoked tokens survive, checked ", line) for line in lines)


def test_one_that_was_cancelled(slow: Database) -> None:
    child = slow.start("rotation", "watch")
    until(lambda: "running" in child.stdout.readline())
    slow.call("rotation", "cancel")
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 3
    assert re.search(r"\d+ rows? in \d+ windows?, .*; about [\d,]+ rows keep their leaked token", out)


def test_one_whose_process_was_killed(slow: Database) -> None:
    """It goes on: somebody may run it again."""
    child = slow.start("rotation", "watch")
    kill(slow.children[0])
    until(
        lambda: (
            "no process is working on it: run python manage.py rotate_tokens_sql"
            in child.stdout.readline()
        )
    )
    assert child.poll() is None


def test_the_command_that_continues_it_is_shown_whole(slow: Database) -> None:
    """On a narrow terminal, too, which folds it, so that it is copied as one line."""
    watching = Watching(slow, 50, 24)
    watching.read_until(lambda said: said.count("Ctrl-C ends watching") > 1)
    kill(slow.children[0])
    watching.read_until(lambda said: "run python" in said and said.endswith("not the rotation"))
    heading, *lines = watching.latest()
    watching.child.send_signal(signal.SIGINT)
    said = watching.read_until(lambda said: False)
    assert watching.child.wait(30) == 3
    told = r"running, but no process is working on it: run python .* --max-rate 100 again to continue"
    assert re.search(f"{told}$", heading)
    assert all(len(one) < 50 for one in lines)
    assert re.search(f"Stopped: .*{told}", said)


def test_a_script_does_not_wait_for_one_that_nobody_works_on(
    slow: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.rotation.management.commands import rotation

    kill(slow.children[0])
    monkeypatch.setattr(rotation, "ABANDONED_SECONDS", 0.5)
    done = slow.call("rotation", "watch")
    assert done.code == 3
    assert re.search(r"Stopped: rotation 1 .*: running, but no process is working on it: run", done.err)
    assert re.search(
        r"rotation 1 .* is running, not paused; no process is working on it: run python manage.py",
        slow.call("rotation", "resume").err,
    )
    listed = r"   1  running    public.ticket.token  \d+ rows  since [\d: -]+ UTC, no process is "
    assert re.match(listed, slow.call("rotation", "history").out)


def test_a_paused_one_without_a_process_is_left_as_well(
    slow: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.rotation.management.commands import rotation

    assert slow.call("rotation", "pause").code == 0
    until(lambda: slow.value("SELECT status FROM rotation") == "paused")
    kill(slow.children[0])
    monkeypatch.setattr(rotation, "ABANDONED_SECONDS", 0.5)
    done = slow.call("rotation", "watch")
    assert done.code == 3
    resume = "python manage.py rotation resume --table public.ticket"
    run = "python manage.py rotate_tokens_sql --table public.ticket"
    assert f": paused, and no process waits for it: run {resume}, then {run}" in done.err


def test_there_is_nothing_to_watch(db: Database) -> None:
    done = db.call("rotation", "watch")
    assert done.code == 1
    assert "no rotation yet: python manage.py rotate_tokens_sql starts one" in done.err


def test_status_of_one_that_is_over(db: Database) -> None:
    db.tickets(100)
    assert db.call("rotate_tokens_sql", "--window", "10", "--reason", "leak of 12 May").code == 0
    lines = db.call("rotation", "status").out.splitlines()
    assert lines[0] == "rotation 1 of public.ticket.token: succeeded"
    assert re.fullmatch(
        r"100 rows in 10 windows, \d+:\d\d from start to end, \d+ rows/s on average, ended [\d: -]+ UTC",
        lines[1],
    )
    assert re.fullmatch(r"proof: 0 of 100 revoked tokens survive, checked [\d: -]+ UTC", lines[2])
    assert re.fullmatch(r"started [\d: -]+ UTC by \S+@\S+; reason: leak of 12 May", lines[3])
    assert db.call("rotate_tokens_sql", "--new", "--no-verify").code == 0
    assert "proof: not verified" in db.call("rotation", "status").out
