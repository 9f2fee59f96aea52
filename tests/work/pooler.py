"""A PgBouncer in transaction mode before the database."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Database, until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pooling(db: Database) -> Iterator[str]:
    """The DATABASE_URL of a PgBouncer in transaction mode, with a pool of three, before the database."""
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
pool_mode = transaction
default_pool_size = 3
logfile = {home}/log
pidfile = {home}/pid
"""
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
    until((home / ".s.PGSQL.6432").exists)
    try:
        yield f"postgres://postgres@{str(home).replace('/', '%2F')}:6432/{db.name}"
    finally:
        child.terminate()
        child.wait()
        shutil.rmtree(home)
