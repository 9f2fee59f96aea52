"""Leaked tokens by file and by pipe: when they are read, and what they add."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, Database, until
from tests.proof.lists import ONE, TWO


def test_bad_list_is_told_before_the_proof(db: Database, tmp_path) -> None:
    """The verification of a large table takes minutes."""
    db.tickets(10)
    assert db.call("rotate_tokens_sql").code == 0
    before = db.sql("SELECT verified_at FROM rotation")
    leaked = tmp_path / "leaked"
    leaked.write_text(f'{ONE}\n"{TWO}\n{TWO}\n')
    done = db.call("rotation", "verify", "--leaked", str(leaked))
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"Refused: --leaked {leaked}: line 2 starts a quoted field that does not end on it: put each"
        " token on a line of its own; nothing was changed"
    )
    assert db.sql("SELECT verified_at FROM rotation") == before


def test_tokens_that_are_listed_twice_are_counted(db: Database, tmp_path) -> None:
    """The number read is that of the file's lines, so that users can compare."""
    db.tickets(10)
    leaked = tmp_path / "leaked"
    leaked.write_text(f"{ONE}\n{TWO}\n{ONE.upper()}\n")
    done = db.call("rotate_tokens_sql", "--leaked", str(leaked))
    told = f"3 tokens read from {leaked}: 2 added to the revoked ones, the rest were already among them"
    assert (done.code, told in done.out.splitlines()) == (0, True), done
    assert db.sql("SELECT leaked, revoked FROM rotation") == [(2, 12)]
    assert db.call("rotation", "verify", "--leaked", str(leaked)).lines[-1] == (
        "0 rows of public.ticket.token hold one of 2 listed tokens (3 were read, some of them twice)"
    )


def test_number_read_is_told_to_machines(db: Database, tmp_path) -> None:
    db.tickets(10)
    leaked = tmp_path / "leaked"
    leaked.write_text(ONE)
    done = db.call("rotate_tokens_sql", "--leaked", str(leaked), "--progress", "json")
    events = [json.loads(line) for line in done.out.splitlines()]
    read = [event for event in events if event["event"] == "list_read"]
    assert [one | {"time": ""} for one in read] == [
        {
            **{"time": "", "event": "list_read", "phase": "preflight"},
            **{"name": str(leaked), "tokens": 1, "added": 1},
        }
    ]


@pytest.mark.parametrize(("path", "says"), [("/nosuch", "no such file"), ("/tmp", "is a directory")])
def test_list_that_can_not_be_opened(db: Database, path: str, says: str) -> None:
    done = db.call("rotate_tokens_sql", "--leaked", path)
    assert (done.code, done.out) == (2, "")
    assert f"Refused: --leaked {path}: {says}" in done.err


def test_leaked_from_the_standard_input(db: Database) -> None:
    db.tickets(10)
    token = db.value("SELECT token::text FROM ticket WHERE id = 3")
    child = db.start("rotate_tokens_sql", "--leaked", "-", stdin=-1)
    out, _ = child.communicate(f"{token}\n", timeout=60)
    assert child.returncode == 0, out
    assert db.value("SELECT leaked FROM rotation") == 1
    db.each_once(10)


@pytest.mark.parametrize(
    "command",
    [("rotate_tokens_sql",), ("rotate_tokens_sql", "--dry-run"), ("rotation", "verify")],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("shell", "says"),
    [
        ('exec "$@" <&-', "standard input is closed; pipe the list into it, or name a file"),
        ('exec "$@" 0>/dev/null', "can't be read: bad file descriptor; nothing was changed"),
        ('exec "$@" </dev/null', "holds no token; nothing was changed"),
    ],
    ids=["closed", "only to be written", "empty"],
)
def test_standard_input_without_a_list(
    db: Database, command: tuple[str, ...], shell: str, says: str
) -> None:
    db.tickets(10)
    if command == ("rotation", "verify"):
        assert db.call("rotate_tokens_sql").code == 0
    manage = [sys.executable, str(PROJECT / "manage.py"), *db.acknowledged(*command), "--leaked", "-"]
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *manage],
        env=db.environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2, done
    assert done.stderr.strip() == f"Refused: --leaked -: {says}"


def test_leaked_list_of_a_finished_rotation(db: Database, tmp_path) -> None:
    db.tickets(10)
    leaked = tmp_path / "leaked"
    leaked.write_text(db.value("SELECT string_agg(token::text, E'\n') FROM ticket"))
    assert db.call("rotate_tokens_sql").code == 0
    done = db.call("rotate_tokens_sql", "--leaked", str(leaked))
    assert done.code == 1
    assert "rotation 1 is finished: check the list with python manage.py rotation verify" in done.err
    alive = db.value("SELECT token::text FROM ticket WHERE id = 4")
    leaked.write_text(alive)
    done = db.call("rotation", "verify", "--leaked", str(leaked))
    assert done.code == 4
    assert "1 row of public.ticket.token holds one of 1 listed tokens: id 4;" in done.err
    assert alive not in done.err
    assert db.call("rotate_tokens_sql", "--new", "--leaked", str(leaked)).code == 0
    assert db.call("rotation", "verify", "--leaked", str(leaked)).code == 0


def test_leaked_list_given_to_a_resumed_rotation(db: Database, tmp_path) -> None:
    db.tickets(100)
    leaked = tmp_path / "leaked"
    leaked.write_text("11111111-2222-4333-8444-555555555555\n")
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <= 50)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "50").code == 1
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop")
    assert db.call("rotate_tokens_sql", "--leaked", str(leaked)).code == 0
    assert db.sql("SELECT leaked, revoked FROM rotation") == [(1, 101)]
    new = db.value("SELECT token FROM ticket WHERE id = 3")
    db.sql("UPDATE ticket SET token = '11111111-2222-4333-8444-555555555555' WHERE id = 3")
    assert db.value("SELECT token FROM ticket WHERE id = 3") == new


COPYING = "SELECT pid FROM pg_stat_activity WHERE query ~ '^COPY pg_temp' AND state <> 'idle'"
COPYING += " AND datname = current_database()"


def uuids(first: int, last: int) -> str:
    return "".join(f"00000000-0000-4000-8000-{number:012d}\n" for number in range(first, last + 1))


@pytest.mark.long
def test_connection_lost_while_a_list_is_read(db: Database, tmp_path) -> None:
    """A file is read again from its first line: nothing of it is missing."""
    db.tickets(10)
    leaked = tmp_path / "leaked"
    leaked.write_text(uuids(1, 200_000))
    child = db.start("rotate_tokens_sql", "--leaked", str(leaked))
    db.sql("SELECT pg_terminate_backend(%s)", until(lambda: db.sql(COPYING))[0][0])
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert "reconnected" in out
    assert "SystemError" not in out
    assert db.sql("SELECT leaked, revoked, status FROM rotation") == [(200_000, 200_010, "succeeded")]


def test_connection_lost_while_what_a_pipe_gave_is_copied(db: Database) -> None:
    """It was read before the database was asked for anything, and is there to be read again."""
    db.tickets(10)
    child = db.start("rotate_tokens_sql", "--leaked", "-", stdin=-1)
    assert child.stdin is not None
    child.stdin.write(uuids(1, 200_000))
    child.stdin.close()
    db.sql("SELECT pg_terminate_backend(%s)", until(lambda: db.sql(COPYING))[0][0])
    assert child.stdout is not None
    out = child.stdout.read()
    assert child.wait(60) == 0, out
    assert "reconnected" in out
    assert db.sql("SELECT leaked, revoked, status FROM rotation") == [(200_000, 200_010, "succeeded")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("opened", [False, True], ids=["nobody writes", "somebody pauses"])
def test_pipe_that_gives_nothing(db: Database, tmp_path, number: signal.Signals, opened: bool) -> None:
    """One signal ends the wait; until then nothing in the database waits with it."""
    db.tickets(10)
    leaked = tmp_path / "leaked"
    os.mkfifo(leaked)
    child = db.start("rotate_tokens_sql", "--leaked", str(leaked))
    writer = os.open(leaked, os.O_RDWR) if opened else None
    process = Path(f"/proc/{child.pid}")

    def waits() -> bool:
        """Whether it opens the pipe, or has it open."""
        with contextlib.suppress(FileNotFoundError):  # closed while we look
            held = [one.readlink() for one in (process / "fd").iterdir()]
            return leaked in held or "partner" in (process / "wchan").read_text()
        return False

    until(waits)
    assert db.sql("SELECT count(*) FROM rotation") == [(0,)]
    child.send_signal(number)
    out = child.communicate(timeout=20)[0]
    if writer is not None:
        os.close(writer)
    assert child.returncode == 3, out
    assert f"by {number.name}, while reading --leaked {leaked}" in out


def test_memory_does_not_grow_with_the_list(db: Database, tmp_path) -> None:
    """A list of a thousand tokens, and one of half a million: the peak stays within a few MB."""
    db.tickets(10)
    peaks = []
    # From a shell, because a process inherits the peak of the one that it is forked from.
    shell = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, str(PROJECT / "manage.py")]
    for number in (1000, 500_000):
        leaked = tmp_path / "leaked"
        leaked.write_text(uuids(1, number))
        done = subprocess.run(
            [*shell, "rotate_tokens_sql", "--new", "--ack-triggers", "--leaked", str(leaked)],
            env=db.environment(), capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        peaks.append(int(re.findall(r"client memory (\d+) MB", done.stdout)[0]))
    assert peaks[1] - peaks[0] <= 5, peaks
