"""A tablespace on a small file system."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Database


def may_mount() -> bool:
    """Whether a file system can be mounted here: tried, and undone."""
    with tempfile.TemporaryDirectory() as place:
        mount = ["mount", "-t", "tmpfs", "tmpfs", place]
        mounted = not os.geteuid() and not subprocess.run(mount, capture_output=True).returncode
        if mounted:
            subprocess.run(["umount", place], check=True)
        return mounted


@contextmanager
def small_tablespace(db: Database, megabytes: int) -> Iterator[Path]:
    """A tablespace of the database's name on a file system of so many MB; where that is mounted."""
    place = Path(tempfile.mkdtemp(prefix="rt-", dir="/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], check=True)
    owner = Path(db.value("SHOW data_directory")).stat()
    place.chmod(0o700)
    os.chown(place, owner.st_uid, owner.st_gid)
    db.sql(f"CREATE TABLESPACE {db.name} LOCATION '{place}'")
    try:
        yield place
    finally:
        db.sql("ALTER TABLE ticket SET TABLESPACE pg_default")
        db.sql(f"DROP TABLESPACE {db.name}")
        subprocess.run(["umount", place], check=True)
        place.rmdir()
