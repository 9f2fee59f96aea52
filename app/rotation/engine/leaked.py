"""Lists of leaked tokens: read as a stream, in any spelling, and handed to PostgreSQL as a stream."""

import csv
import itertools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from app.rotation.engine.errors import Stopped, UsageError

#: The binary format of COPY (PostgreSQL's documentation, COPY, 'Binary Format'): signature, flags,
#: length of the extension; for each row the number of fields and the length of the one; the end.
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
ROW = struct.pack(">hi", 1, 16)
TRAILER = struct.pack(">h", -1)
BATCH = 1000  # rows handed over at once

UUID = re.compile(
    r"(?:urn:uuid:)?(\{)?([0-9a-f]{8})(-?)([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{12})(?(1)\})",
    re.IGNORECASE,
)


@dataclass
class LeakedList:
    """A list as a person gave it: one token a line, or CSV with the token in one column."""

    name: str  #: for messages
    stream: BinaryIO
    _begun: bool = field(default=False, init=False)

    def from_the_start(self) -> BinaryIO:
        """The stream at its first byte, however far it was read before the connection broke.

        Raises Stopped if it was read, and can't be read twice.
        """
        if self._begun:
            try:
                self.stream.seek(0)
            except OSError:
                raise Stopped(
                    f"--leaked {self.name}: the connection was lost while the list was read, and a pipe"
                    " can't be read twice; run the same command again with the whole list"
                ) from None
        self._begun = True
        return self.stream


class CopySource:
    """The tokens of a list as a file-like object in the binary format of COPY.

    What goes wrong while it is read is kept in `error`: psycopg2 would send it to the server's log.
    """

    def __init__(self, leaked: LeakedList, column: str) -> None:
        self.error: UsageError | None = None
        self._parts = self._encode(read_tokens(leaked.name, leaked.from_the_start(), column))
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return at most so many bytes; none at the end."""
        if not self._rest:
            try:
                self._rest = next(self._parts, b"")
            except UsageError as error:
                self.error = error
                raise OSError("the list of leaked tokens can't be read") from None
        part, self._rest = self._rest[:size], self._rest[size:]
        return part

    def _encode(self, tokens: Iterator[bytes]) -> Iterator[bytes]:
        yield HEADER
        while batch := b"".join(ROW + token for token in itertools.islice(tokens, BATCH)):
            yield batch
        yield TRAILER


def read_tokens(name: str, stream: BinaryIO, column: str) -> Iterator[bytes]:
    """Yield the 16 bytes of each token. Raises UsageError naming the line, never what is in it."""
    empty = True
    try:
        for token in _parse(name, stream, column):
            empty = False
            yield token
    except (OSError, UnicodeDecodeError, csv.Error):
        raise UsageError(f"--leaked {name}: it can't be read as UTF-8 text") from None
    if empty:
        raise UsageError(f"--leaked {name}: it holds no token")


def _parse(name: str, stream: BinaryIO, column: str) -> Iterator[bytes]:
    head = stream.readline().decode("utf-8-sig")
    delimiter = next((mark for mark in ",;\t" if mark in head), ",")
    lines = csv.reader(itertools.chain([head], (line.decode() for line in stream)), delimiter=delimiter)
    place: int | None = None
    for number, fields in enumerate(lines, 1):
        if not any(field.strip() for field in fields):
            continue
        if number == 1 and not any(map(parse_uuid, fields)):
            place = _find_column(name, fields, column)
            continue
        chosen = fields if place is None else fields[place : place + 1]
        tokens = list(filter(None, map(parse_uuid, chosen)))
        if not tokens:
            raise UsageError(
                f"--leaked {name}: line {number} holds no UUID: mend or delete it; nothing was changed"
            )
        if len(tokens) > 1:
            raise UsageError(
                f"--leaked {name}: line {number} holds several UUIDs: begin the file with a line of"
                f" column names, of which one is {column}; nothing was changed"
            )
        yield tokens[0]


def parse_uuid(text: str) -> bytes | None:
    """The 16 bytes of a UUID in any spelling: capitals, braces, urn:uuid:, without hyphens; or None."""
    found = UUID.fullmatch(text.strip())
    return bytes.fromhex("".join(found.group(2, 4, 5, 6, 7))) if found else None


def _find_column(name: str, header: list[str], column: str) -> int:
    names = [field.strip().strip('"').lower() for field in header]
    for wanted in (column.lower(), "token"):
        if wanted in names:
            return names.index(wanted)
    if len(names) == 1:
        return 0
    raise UsageError(
        f"--leaked {name}: line 1 names no column {column}, and holds no UUID; nothing was changed"
    )
