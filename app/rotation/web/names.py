"""Options by plain names with units, as pages show them; the command line's name stands beside each."""

from typing import Any

from ..operations.wording import BYTES, show_option

#: What each option that a page shows is called there.
LABELS = {
    "window": "Rows in each window",
    "window_seconds": "Seconds that a window aims at",
    "workers": "Workers",
    "max_rate": "Most rows a second",
    "max_lag": "Most seconds of lag",
    "max_lag_bytes": "Most WAL of lag",
    "standbys": "Standbys that must be connected",
    "max_wal": "Most WAL kept for slots or the archiver",
    "max_wal_rate": "Most WAL a second",
    "min_free": "Disk space to keep free",
    "max_waiting": "Most sessions that may wait for our locks",
    "only_between": "Times of day",
    "nice": "Seconds of rest",
    "vacuum": "Percent between vacuums",
    "throttle_sql": "Query that holds windows back",
}
#: What may be typed for it, and what that means.
HELP = {
    "window": "a number, or off: sized while running",
    "workers": "1 to 64: connections side by side, of each process",
    "max_rate": "a number, or off: no limit",
    "max_lag": "a number that a standby may be behind, or off: not watched",
    "max_wal_rate": "a size such as 50MB, or off: of all that the server writes",
    "only_between": "such as 22:00-06:00@Europe/Berlin, or off: any",
    "nice": "a number: for each second of work",
    "vacuum": "1 to 100, or off: of the rows, after which the table is vacuumed",
}


def show_named(name: str, value: Any) -> str:
    """An option's value for people, whose unit the label says."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and name not in BYTES:
        return f"{value:,.10g}"
    return show_option(name, value)


def flag_of(name: str) -> str:
    """The option as the command line takes it."""
    return "--" + name.replace("_", "-").removesuffix("s" if name == "standbys" else "")
