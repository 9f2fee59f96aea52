"""Sizes, durations, keys and commands as people write and read them."""

import re
import resource
import shlex
import sys
from datetime import datetime, timezone

LONGEST_KEY = 60  # characters that are shown of one
SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def dotted(schema: str, table: str) -> str:
    """A table's name as --table takes it; an empty schema is left out."""
    return ".".join(
        '"' + part.replace('"', '""') + '"' if set(part) & {'"', "."} else part
        for part in (schema, table)
        if part
    )


def spelled(schema: str, table: str) -> str:
    """The same in a shell."""
    return shlex.quote(dotted(schema, table))


def quoted(text: str) -> str:
    """Text for a shell: in double quotes if it holds single ones and nothing that these would expand."""
    plain = "'" in text and not set(text) & set('"$`\\!\n')
    return f'"{text}"' if plain else shlex.quote(text)


def flag_with(flag: str, value: str) -> str:
    """A flag and its value, for a shell; one that begins with a hyphen would be taken for a flag."""
    return f" {flag}{'=' if value.startswith('-') else ' '}{quoted(value)}"


def of_rows(where: object) -> str:
    """Of which rows something is, where not of all: for people, after its name."""
    return f" (only rows with --where {one_line(quoted(str(where)))})" if where else ""


def command(schema: str, table: str, column: str, database: str = "default") -> str:
    """The command that rotates a column, ready to copy."""
    return f"python manage.py rotate_tokens_sql{naming(schema, table, column, database)}"


def action(what: str, schema: str, table: str, column: str, database: str = "default") -> str:
    """The command that does something to a column's rotation, ready to copy."""
    return f"python manage.py rotation {what}{naming(schema, table, column, database)}"


def naming(schema: str, table: str, column: str, database: str = "default") -> str:
    """The flags that name a column of a database of the settings, ready to copy."""
    flags = f" --table {spelled(schema, table)}"
    if column != "token":
        flags += f" --column {shlex.quote(column)}"
    return flags if database == "default" else f"{flags} --database {shlex.quote(database)}"


def size(number: float) -> str:
    """Bytes with a unit: '480 MB'."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def count(number: int, noun: str) -> str:
    """A number of things: '1 row', '20 rows'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def abbreviated(number: float) -> str:
    """A number in at most five characters: '999', '12.3k', '1M', '1.23B'."""
    for unit in ("", "k", "M"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}B"


def parse_size(text: str) -> int:
    """Bytes from '512MB', '1.5 GB' or '1000000'. Raises ValueError for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?b?)\s*", text.lower())
    if not found or (found[2] and not found[2].endswith("b")):
        raise ValueError(f"invalid size {text!r}; expected e.g. 512MB")
    return int(float(found[1]) * SIZES[found[2]])


def parse_size_rate(text: str) -> int:
    """Bytes a second from '50MB/s' or '50MB'. Raises ValueError for anything else."""
    return parse_size(text.strip().removesuffix("/s"))


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def in_utc(moment: datetime) -> str:
    """A moment for people, the same wherever this runs."""
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def one_line(name: str) -> str:
    """A name from the catalog, which may hold any character, for a line of output: some are escaped."""
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in name)


def shown(key: str) -> str:
    """A key for a line of output, which may hold anything and be long."""
    text = one_line(key[: LONGEST_KEY + 1])
    return text if len(text) <= LONGEST_KEY else f"{text[:LONGEST_KEY]}…"


def name_keys(pk: str, keys: list[str], number: int) -> str:
    """Rows by primary key, for people: 'id 3, 5, 8 and 20 more'."""
    more = f" and {number - len(keys)} more" if number > len(keys) else ""
    return f"{pk} {', '.join(map(shown, keys))}{more}"


def peak_memory_mb(usage: resource.struct_rusage) -> float:
    """The peak resident memory that getrusage(2) or wait4(2) reports, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return usage.ru_maxrss * unit / 1e6
