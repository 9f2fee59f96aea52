"""Standard streams that are closed, full, narrow or ASCII: no traceback, and nothing is half done."""

import json

import pytest

from tests.conftest import Database
from tests.management.test_starts import shell
from tests.proof.account import ACCOUNT, make

NAMES = " ".join(f"'{word}'" for word in ACCOUNT)
SHOW = (
    "rotation status",
    "rotation status --json",
    "rotation history",
    "rotation history --json",
    "rotation report --json",
    "rotation guard status",
    "rotate_tokens_sql --dry-run",
    "migrate --plan",
)
WORK = (
    "rotate_tokens_sql --new --ack-triggers",
    "rotate_tokens_sql --new --ack-triggers --progress json",
    "rotate_tokens_sql --new --ack-triggers --progress bar",
    "rotation verify",
    "ticket --init --size 30",
    "ticket --process-token",
    "migrate",
)
FULL = "No space left on device"


@pytest.fixture
def done(db: Database) -> Database:
    """A database with tickets that were rotated."""
    assert db.run("ticket", "--init", "--size", "20").code == 0
    assert db.run("rotate_tokens_sql").code == 0
    return db


def once_more(db: Database, command: str) -> None:
    """Whatever happened to the output of a command, its work was done."""
    if "--new" in command:
        assert db.sql("SELECT status FROM rotation ORDER BY id") == [("succeeded",)] * 2
    elif "--init" in command:
        assert db.value("SELECT count(*) FROM ticket") == 30


@pytest.mark.parametrize("command", SHOW)
@pytest.mark.long
def test_what_only_shows(done: Database, command: str) -> None:
    full = shell(done, f"exec $F {command} >/dev/full")
    assert (full.returncode, full.stderr) == (
        1,
        f"Failed: standard output: {FULL}: not everything was shown\n",
    )
    for streams in (">&-", "<&- >&- 2>&-"):
        closed = shell(done, f"exec $F {command} {streams}")
        assert (closed.returncode, closed.stderr) == (0, ""), streams


@pytest.mark.parametrize("command", WORK)
@pytest.mark.parametrize("streams", [">/dev/full", ">&- 2>&- <&-"])
def test_what_works(done: Database, command: str, streams: str) -> None:
    """It goes on, and says what it could not show if that can be said."""
    ended = shell(done, f"exec $F {command} {streams}")
    assert ended.returncode == 0, ended
    told = f"standard output: {FULL}; the work was done without it\n"
    assert ended.stderr == (told if streams == ">/dev/full" else "")
    once_more(done, command)


@pytest.mark.parametrize("command", [*SHOW, *WORK])
@pytest.mark.long
def test_reader_that_has_enough(done: Database, command: str) -> None:
    ended = shell(done, f"set -o pipefail; $F {command} | true")
    assert (ended.returncode, ended.stderr) == (0, "")
    once_more(done, command)


@pytest.mark.parametrize("streams", ["", ">&- 2>&-", ">/dev/full 2>/dev/full"])
@pytest.mark.parametrize(
    ("command", "code"),
    [("rotation pause", 1), ("rotation status --jsn", 2), ("rotation verify --leaked -", 2)],
)
@pytest.mark.long
def test_exit_codes_survive(done: Database, command: str, code: int, streams: str) -> None:
    ended = shell(done, f"exec $F {command} {streams} <&-")
    assert ended.returncode == code
    assert len(ended.stderr.splitlines()) == (not streams)


@pytest.mark.parametrize("encoding", ["PYTHONIOENCODING=ascii", "LC_ALL=C"])
@pytest.mark.long
def test_ascii_and_narrow(db: Database, encoding: str) -> None:
    make(db)
    db.sql('ALTER TABLE account RENAME TO "kontö\u202e\x1b[2J"')
    table = "--table 'kontö\u202e\x1b[2J' --column api_key"
    said = ""
    for command in (
        f"rotate_tokens_sql {table} --dry-run",
        f"rotate_tokens_sql {table} --progress bar",
        "rotation status",
        "rotation history",
        f"rotation guard status {table}",
        f"rotation verify {table}",
        f"rotation report --html /dev/null {table}",
        f"rotation pause {table}",
        "rotation pause --table 'ü\u202e'",
    ):
        ended = shell(db, f"COLUMNS=20 {encoding} exec $F {command}")
        assert ended.returncode == ("pause" in command), ended
        assert "Traceback" not in ended.stderr
        said += ended.stdout + ended.stderr
    assert "\u202e" not in said
    assert "\x1b[2" not in said
    shown = "kont\\xf6" if "ascii" in encoding else "kontö"
    assert shown + "\\u202e\\x1b[2J" in said
    assert json.loads(shell(db, f"{encoding} exec $M rotation status --json").stdout)["table"]


@pytest.mark.long
def test_programs(db: Database) -> None:
    for streams in (">/dev/full", ">&- 2>&-"):
        for program in ("$R", "$R manage help", "$M help", "$M showmigrations", "$M diffsettings"):
            ended = shell(db, f"exec {program} {streams}")
            assert ended.returncode == (streams == ">/dev/full"), (program, ended)
            assert len(ended.stderr.splitlines()) == ended.returncode
    assert shell(db, "set -o pipefail; $M showmigrations | true").stderr == ""


@pytest.mark.parametrize("number", [0, 1, 2])
def test_no_connection_gets_the_number_of_a_closed_stream(db: Database, number: int) -> None:
    """Else the server would read what a library prints."""
    place = "import os; assert os.readlink('/proc/self/fd/NUMBER') == '/dev/null'"
    code = place.replace("NUMBER", str(number))
    assert shell(db, f'exec $M shell -v 0 -c "{code}" {number}>&-').returncode == 0
