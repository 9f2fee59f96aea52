"""Two hosts on a wire, one of them with the database; packets can be lost in one direction."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import PROJECT, Database, databases, migrated
from tests.servers import chosen_binaries, make_server, running


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def can_make_namespaces() -> bool:
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"probe{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
        run("ip", "netns", "del", name)
    except subprocess.CalledProcessError:
        return False
    return True


needs_namespaces = pytest.mark.skipif(
    not can_make_namespaces(), reason="network namespaces need root, iproute2 and a kernel that has them"
)


class Wire:
    """A database at one end, and a host for clients at the other."""

    def __init__(self, name: str, subnet: str, db: Database) -> None:
        self.db = db
        self._name = name
        self._subnet = subnet

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start manage.py on the clients' host."""
        command = self.db.acknowledged(*arguments)
        child = subprocess.Popen(
            ["ip", "netns", "exec", self._name, sys.executable, str(PROJECT / "manage.py"), *command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=self.db.environment(DATABASE_URL=f"postgres://postgres@{self._subnet}.1/{self.db.name}"),
        )  # fmt: skip
        self.db.children.append(child)
        return child

    def lose(self, what: str) -> None:
        """From now on lose the clients' `requests`, or the server's `answers`."""
        # They are sent to a network card that nobody has, and their sender learns nothing.
        self._neighbour(what, "replace", "lladdr", "02:00:00:00:00:99", "nud", "permanent")

    def bring_back(self, what: str) -> None:
        """Lose them no longer."""
        self._neighbour(what, "del")

    def _neighbour(self, what: str, action: str, *also: str) -> None:
        """Change what the senders of these packets know of their receiver."""
        if what == "requests":
            run("ip", "-n", self._name, "neigh", action, f"{self._subnet}.1", "dev", "client", *also)
        else:
            run("ip", "neigh", action, f"{self._subnet}.2", "dev", self._name, *also)


@contextmanager
def on_a_wire() -> Iterator[Wire]:
    """A server of its own, reached over the wire, with a database."""
    name = f"wire{os.getpid() % 100_000}"
    subnet = f"10.213.{os.getpid() % 250}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "client", "netns", name)
        run("ip", "addr", "add", f"{subnet}.1/24", "dev", name)
        run("ip", "link", "set", name, "up")
        run("ip", "-n", name, "addr", "add", f"{subnet}.2/24", "dev", "client")
        run("ip", "-n", name, "link", "set", "client", "up")
        with running(make_server(chosen_binaries(), listen_addresses=f"{subnet}.1")) as server:
            with (server.data / "pg_hba.conf").open("a") as file:
                file.write(f"host all all {subnet}.0/24 trust\n")
            migrated(server).sql("SELECT pg_reload_conf()")
            for db in databases(server):
                yield Wire(name, subnet, db)
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            run("ip", "link", "del", name)
        run("ip", "netns", "del", name)
