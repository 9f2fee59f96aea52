"""A Citus cluster on this machine: a coordinator and two workers, from PostgreSQL binaries with Citus.

    python -m tests.citus_cluster                                   until Ctrl-C; prints its URL
    python -m tests.citus_cluster pytest tests/table/test_citus.py  runs a module with ROTATION_CITUS_URL

The binaries are those in $PG_BIN, else Debian's PostgreSQL 15.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from app.localpg.server import Server

STOP = {signal.SIGINT, signal.SIGTERM}
BINARIES = Path(os.environ.get("PG_BIN", "/usr/lib/postgresql/15/bin"))
CONFIGURATION = {
    "shared_preload_libraries": "citus",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "max_prepared_transactions": "200",
    "shared_buffers": "64MB",
    # Nothing here survives a crash of the machine; crashes of the nodes are what the tests are about.
    "fsync": "off",
    "citus.node_conninfo": "sslmode=disable",
    # The tests want to see that the product recovers what is left, not that Citus does in a minute.
    "citus.recover_2pc_interval": "-1",
}


class Node(Server):
    """A server that is reached by TCP, as the nodes of a cluster reach each other."""

    def address(self, database: str = "postgres") -> dict[str, Any]:
        """Connection parameters of libpq."""
        port = int(self.configuration["port"])
        return {"host": "127.0.0.1", "port": port, "user": "postgres", "dbname": database}

    def url(self, database: str = "postgres") -> str:
        """The same as a DATABASE_URL."""
        return f"postgres://postgres@127.0.0.1:{self.configuration['port']}/{database}"


def free_port() -> str:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@contextlib.contextmanager
def cluster(workers: int = 2, **also: str) -> Iterator[str]:
    """Run a cluster; the URL of the coordinator's database `postgres`, in which it is put together.

    Raises SystemExit if there is no Citus beside the binaries.
    """
    if not any(BINARIES.parent.glob("lib/**/citus.so")):
        raise SystemExit(f"no Citus beside {BINARIES}: install it there, or set PG_BIN")
    configuration = CONFIGURATION | also
    nodes = [
        Node(BINARIES, Path(tempfile.mkdtemp(prefix="citus-")), configuration | {"port": free_port()})
        for _ in range(workers + 1)
    ]
    try:
        for node in nodes:
            node.ensure()
        join([node.address() for node in nodes])
        yield nodes[0].url()
    finally:
        for node in nodes:
            node.stop("immediate")
            for directory in (node.home, node.sockets):
                shutil.rmtree(directory, ignore_errors=True)


def join(addresses: list[dict[str, Any]]) -> None:
    """Make databases, one on each node, one cluster; the first is the coordinator's."""
    for address in addresses:
        execute(address, "CREATE EXTENSION citus")
    first, *others = addresses
    execute(first, "SELECT citus_set_coordinator_host(%s, %s)", first["host"], first["port"])
    for other in others:
        execute(first, "SELECT citus_add_node(%s, %s)", other["host"], other["port"])


def execute(address: dict[str, Any], text: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run a statement outside of transactions, and return its rows."""
    with closing(psycopg2.connect(**address)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(text, parameters or None)
        return cursor.fetchall() if cursor.description else []


def main() -> int:
    """Run a command with a cluster, or the cluster until it is interrupted."""
    if len(sys.argv) == 1:  # so that sigwait() gets them, and the servers are stopped
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    with cluster() as url:
        sys.stdout.write(f"ROTATION_CITUS_URL={url}\n")
        sys.stdout.flush()
        if len(sys.argv) > 1:
            environment = {**os.environ, "ROTATION_CITUS_URL": url}
            return subprocess.run(
                [sys.executable, "-m", *sys.argv[1:]], env=environment, check=False
            ).returncode
        signal.sigwait(STOP)
    return 0


if __name__ == "__main__":
    sys.exit(main())
