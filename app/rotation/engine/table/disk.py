"""Free disk space, where it is known: on the server's host, if its directory is readable."""

import os
from pathlib import Path
from typing import Any

START_SECONDS = 10  # between the start times that the server notes in its file and in its memory


def find_free(files: dict[str, Any]) -> tuple[int, str] | None:
    """The least free space of the places that locate_files.sql names: bytes, and which place it is.

    None if it is not known. The start time in `postmaster.pid` shows that the directory here is the
    server's own, and not one of the same name on another host: line 3 is that time in seconds, line 4
    the port (PostgreSQL's src/include/utils/pidfile.h).
    """
    try:
        lines = Path(files["data_directory"], "postmaster.pid").read_text().splitlines()
        apart = abs(files["started"] - int(lines[2]))
        if apart > START_SECONDS or lines[3] != files["port"]:
            return None
        return min((_free(place), place) for place in files["places"] if place)
    except (OSError, TypeError, ValueError, IndexError):
        return None


def _free(place: str) -> int:
    """Bytes that a user without privileges may still fill."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize
