"""Who works, and with what versions, as sessions, journal and report show it."""

import contextlib
import getpass
import os
import platform
import socket
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = (
    *("Django", "psycopg2", "psycopg2-binary", "psycopg", "psycopg-binary", "psycopg-c"),
    "django-pgtrigger",
)


def operator() -> str:
    """The name of the account that this process runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a uid without a name
        return str(os.getuid())


def here() -> str:
    """Who steers from this process."""
    return f"{operator()}@{socket.gethostname()}"


def tools() -> dict[str, str]:
    """The versions of what this process works with."""
    found = {"Python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def worker_name(number: int | str = 1) -> str:
    """Who works: shown in pg_stat_activity (63 bytes at most), the lanes and the journal."""
    return f"rotate_tokens {os.getpid()}/{number} {operator()}@{socket.gethostname()}"[:63]


def colleague(worker: str, other: str) -> bool:
    """Whether two workers' names belong to threads of the same process."""
    process, _, _ = worker.partition("/")
    host = worker.rpartition("@")[2]
    return other.startswith(f"{process}/") and f"@{host}" in other
