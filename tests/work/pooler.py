"""A PgBouncer before the database."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2

from tests.conftest import Database, until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Pooler:
    """A running PgBouncer, and the DATABASE_URL that goes through it."""

    def __init__(self, home: Path, owner: os.stat_result, name: str) -> None:
        self.url = f"postgres://postgres@{str(home).replace('/', '%2F')}:6432/{name}"
        self.home = home
        self._owner = owner
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [PGBOUNCER, str(self.home / "ini")],
            stderr=subprocess.DEVNULL,
            user=self._owner.st_uid if os.geteuid() == 0 else None,
            group=self._owner.st_gid if os.geteuid() == 0 else None,
        )
        until(lambda: listens(self.home / ".s.PGSQL.6432"))
        return process

    def restart(self, seconds: float) -> None:
        """It ends at once, is away for so long, and starts again."""
        self.end()
        time.sleep(seconds)
        self._process = self._start()

    def end(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        self._process.wait()
        (self.home / "pid").unlink(missing_ok=True)

    def command(self, text: str) -> None:
        """Run a command of its console, in which everybody is an administrator."""
        address = {"host": str(self.home), "port": 6432, "user": "postgres", "dbname": "pgbouncer"}
        with closing(psycopg2.connect(**address)) as console:
            console.autocommit = True
            console.cursor().execute(text)

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
    ini = home / "ini"
    ini.write_text(
        f"""[databases]
{db.name} = host={db.server.sockets} user=postgres dbname={db.name}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {home}
auth_type = any
admin_users = postgres
pool_mode = {mode}
default_pool_size = 3
logfile = {home}/log
pidfile = {home}/pid
"""
        + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    home.chmod(0o777)
    # The database's socket directory admits its owner only.
    one = Pooler(home, db.server.sockets.stat(), db.name)
    try:
        yield one
    finally:
        one.end()
        shutil.rmtree(home)


@contextmanager
def pooling(db: Database) -> Iterator[str]:
    """The DATABASE_URL of a PgBouncer in transaction mode."""
    with pooler(db) as one:
        yield one.url
