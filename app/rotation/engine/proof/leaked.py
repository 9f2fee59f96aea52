"""Lists of leaked tokens, handed to PostgreSQL as a stream."""

import itertools
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from ..errors import UsageError
from .token_list import LONGEST, Kind, read_tokens

#: The binary format of COPY (PostgreSQL's documentation, COPY, 'Binary Format'): signature, flags,
#: length of the extension; before each field the number of fields in its row, and its length; the end.
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
ROW = struct.Struct(">hi")
TRAILER = struct.pack(">h", -1)
BATCH = 1000  # rows handed over at once
IN_MEMORY = 2**20  # bytes of a list from a pipe; a longer one goes into a temporary file


@dataclass
class LeakedList:
    """A list as a person gave it: one token a line, or CSV with the token in one column."""

    name: str  #: for messages
    stream: BinaryIO  #: seekable, see `read_whole`

    def __post_init__(self) -> None:
        self._start = self.stream.tell()

    def from_the_start(self) -> BinaryIO:
        """The stream rewound to its first byte, however far it was read before a failure."""
        self.stream.seek(self._start)
        return self.stream


def read_whole(stream: BinaryIO) -> BinaryIO:
    """The content of a pipe or a terminal, in a temporary file; a file as it is.

    So nothing in the database waits for the writer of a pipe, and it can be read twice. It ends with
    the first line that is not text, which `read_tokens` refuses.
    """
    if stream.seekable():
        return stream
    kept = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (the caller's)
    for line in iter(lambda: stream.readline(LONGEST + 1), b""):
        kept.write(line)
        if len(line) > LONGEST or b"\0" in line:
            break
    kept.seek(0)
    return cast("BinaryIO", kept)


class CopySource:
    """The tokens of a list as a file-like object in the binary format of COPY.

    It ends with an error in the list, which is kept in `error`: raised, it would get into the server's
    log.
    """

    def __init__(self, leaked: LeakedList, column: str, kind: Kind) -> None:
        self.error: UsageError | None = None
        self.tokens = 0  #: read so far; one that is listed twice counts twice
        self._parts = self._encode(read_tokens(leaked.name, leaked.from_the_start(), column, kind))
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return at most so many bytes; none at the end."""
        if not self._rest:
            try:
                self._rest = next(self._parts, b"")
            except UsageError as error:
                self.error = error
        part = self._rest[:size]
        self._rest = self._rest[size:]
        return part

    def _encode(self, tokens: Iterator[bytes]) -> Iterator[bytes]:
        yield HEADER
        while batch := list(itertools.islice(tokens, BATCH)):
            self.tokens += len(batch)
            yield b"".join(ROW.pack(1, len(token)) + token for token in batch)
        yield TRAILER
