"""Reads times of any year: PostgreSQL knows many more than Python."""

from datetime import datetime
from typing import Any

from psycopg2 import extensions

from ...models import EARLIEST, LATEST

TIMESTAMPTZ = 1184  # its number in pg_type


def read_moment(text: Any, cursor: Any) -> datetime | None:
    """The time, or the limit that it is beyond; models.Moment does the same for models."""
    if text is None:
        return None
    try:
        moment: datetime = extensions.PYDATETIMETZ(text, cursor)
        beyond = not EARLIEST.year < moment.year < LATEST.year
    except (ValueError, OverflowError):
        beyond = True
    if beyond:
        moment = EARLIEST if text.startswith(("-", "0001")) or text.endswith("BC") else LATEST
        return moment if cursor.tzinfo_factory else moment.replace(tzinfo=None)
    return moment


ANY_YEAR = extensions.new_type((TIMESTAMPTZ,), "ANY_YEAR", read_moment)
