"""A PgBouncer before the database."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Database, until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Pooler:
    """A running PgBouncer, and the DATABASE_URL that goes through it."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str) -> None:
        self.url = url
        self._process = process

    def freeze(self) -> None:
        """It answers nobody, but the kernel keeps its connections open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)


def listens(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(place)) == 0


@contextmanager
def pooler(db: Database, mode: str = "transaction", **settings: object) -> Iterator[Pooler]:
    """A PgBouncer with a pool of three before the database; `settings` are lines of its file."""
    home = Path(tempfile.mkdtemp(prefix="pb-"))
    ini = home / "pgbouncer.ini"
    ini.write_text(
        f"""[databases]
{db.name} = host={db.server.sockets} user=postgres dbname={db.name}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {home}
auth_type = any
pool_mode = {mode}
default_pool_size = 3
logfile = {home}/log
pidfile = {home}/pid
"""
        + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    home.chmod(0o777)
    # The database's socket directory admits its owner only.
    owner = db.server.sockets.stat()
    child = subprocess.Popen(
        [PGBOUNCER, str(ini)],
        stderr=subprocess.DEVNULL,
        user=owner.st_uid if os.geteuid() == 0 else None,
        group=owner.st_gid if os.geteuid() == 0 else None,
    )
    url = f"postgres://postgres@{str(home).replace('/', '%2F')}:6432/{db.name}"
    until(lambda: listens(home / ".s.PGSQL.6432"))
    try:
        yield Pooler(child, url)
    finally:
        child.send_signal(signal.SIGCONT)
        child.terminate()
        child.wait()
        shutil.rmtree(home)


@contextmanager
def pooling(db: Database) -> Iterator[str]:
    """The DATABASE_URL of a PgBouncer in transaction mode."""
    with pooler(db) as one:
        yield one.url
