"""The times of day between which windows run."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

SHAPE = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)(?:@(\S+))?")


@dataclass(frozen=True)
class Hours:
    """A daily interval in a time zone; it may go past midnight."""

    begin: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> "Hours":
        """Read '22:00-06:00' or '22:00-06:00@Europe/Berlin'; without a zone, settings.TIME_ZONE.

        Raises ValueError, saying what was expected.
        """
        found = SHAPE.fullmatch(text)
        if not found:
            raise ValueError("expected HH:MM-HH:MM, or HH:MM-HH:MM@ZONE")
        begin = time(int(found[1]), int(found[2]))
        end = time(int(found[3]), int(found[4]))
        if begin == end:
            raise ValueError("it begins and ends at the same time")
        name = found[5] or timezone.get_default_timezone_name()
        try:
            return cls(begin, end, ZoneInfo(name))
        except (KeyError, OSError, ValueError):  # not found, or nothing like the name of one
            raise ValueError(
                f"unknown time zone {name} (one is Europe/Berlin; the package tzdata has them all)"
            ) from None

    def wait(self, now: datetime) -> str:
        """Why a window must not start at this moment; empty if it may."""
        here = now.astimezone(self.zone)
        clock = here.time()
        if self.begin < self.end:
            inside = self.begin <= clock < self.end
        else:
            inside = clock >= self.begin or clock < self.end
        if inside:
            return ""
        day = here.date() + timedelta(days=clock >= self.begin)
        return f"outside {self}: continues on {day:%A} at {self.begin:%H:%M}"

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M} {self.zone.key}"
