"""A list of tokens read strictly, line by line: UUIDs in any spelling, or text exactly as it is.

Lists are made by people in a hurry. Anything that is not certainly a token or a line of column names is
an error with its line number; nothing but blank lines is skipped.
"""

import csv
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import UsageError
from ..text import count

UUID = re.compile(
    r"(?:urn:uuid:)?(\{)?([0-9a-f]{8})(-?)([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{12})(?(1)\})",
    re.IGNORECASE,
)
#: Never in text. A carriage return counts too, except before the end of a line.
CONTROL = re.compile(r"[\0-\x08\x0b-\x1f\x7f]")
LONGEST = 131_072  # bytes of a line; csv's own limit for a field, in characters
#: How files start that are given by mistake instead of text, and what they are.
SIGNATURES = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"PK\x03\x04": "a spreadsheet (xlsx) or a zip file",
    b"\xd0\xcf\x11\xe0": "a spreadsheet (xls)",
    b"PGDMP": "an archive of pg_dump",
    b"PGCOPY\n": "COPY's binary format",
}


class NoList(Exception):
    """What is wrong with a list, and in which line; never what is in that line."""


@dataclass(frozen=True)
class Kind:
    """What the tokens of a list are."""

    name: str
    parse: Callable[[str], bytes | None]  #: the bytes of a field's token; None: it holds none
    anything: bool = False  #: a field of any text is one

    @property
    def alone(self) -> str:
        """What else a line without names must be."""
        return " alone" if self.anything else ""

    def several(self, text: str) -> bool:
        """Whether it can't be told which of a line's tokens is meant."""
        return not self.anything and len(UUID.findall(text)) > 1


@dataclass(frozen=True)
class Layout:
    """The layout of every row of a list, taken from its first line."""

    line: int  #: number of that line
    named: bool  #: whether it holds column names, and no token
    column: str  #: the name that the token's column should have
    delimiter: str
    width: int  #: fields in a row
    place: int  #: of the token's field, the first being 0
    kind: Kind  #: of its tokens

    def token(self, number: int, text: str) -> bytes:
        """The bytes of a row's token. Raises NoList if the row is not laid out like the first one."""
        if not self.named and self.kind.several(text):
            raise NoList(
                f"line {number} holds several UUIDs: start the file with a line of column names,"
                f" one of them {self.column}"
            )
        fields = split(text, self.delimiter)
        if fields is None:
            raise NoList(_bad_quotes(number, text))
        if len(fields) != self.width:
            has = count(len(fields), "field")
            raise NoList(f"line {number} has {has}, not {self.width} like line {self.line}")
        chosen = fields[self.place]
        token = self.kind.parse(chosen)
        if token is None:
            where = f" in field {self.place + 1}" if self.width > 1 else ""
            # They are invisible, or look like a hyphen: without this the error is baffling.
            odd = "" if chosen.strip().isascii() else ", but non-ASCII characters"
            raise NoList(f"line {number} holds no {self.kind.name}{where}{odd}: fix or delete it")
        return token


def read_tokens(name: str, stream: BinaryIO, column: str, kind: Kind) -> Iterator[bytes]:
    """Yield the bytes of each token. Raises UsageError naming the line, never what is in it."""
    empty = True
    try:
        for token in _parse(stream, column, kind):
            empty = False
            yield token
    except NoList as error:
        raise UsageError(f"--leaked {name}: {error}; nothing was changed") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"--leaked {name}: can't be read: {why}; nothing was changed") from None
    if empty:
        raise UsageError(f"--leaked {name}: holds no token; nothing was changed")


def _parse(stream: BinaryIO, column: str, kind: Kind) -> Iterator[bytes]:
    layout: Layout | None = None
    for number, text in _lines(stream):
        # It may be an explanation, or a token that somebody wants left alone: we can't tell.
        if text.lstrip().startswith("#"):
            raise NoList(f"line {number} starts with #, but comments are not skipped: delete it")
        if layout is None:
            layout = _first_line(number, text, column, kind)
            if layout.named:
                continue
        yield layout.token(number, text)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers. Raises NoList if one is not text."""
    for number in itertools.count(1):
        line = stream.readline(LONGEST + 1)
        if not line:
            return
        text = _decode(number, line)
        if text.strip(" "):
            yield number, text


def _decode(number: int, line: bytes) -> str:
    if number == 1:
        what = next((what for start, what in SIGNATURES.items() if line.startswith(start)), None)
        if what:
            raise NoList(f"it can't be read as UTF-8 text: it is {what}; save it as UTF-8 text")
    if len(line) > LONGEST:
        raise NoList(f"line {number} is longer than {LONGEST} bytes: export only the tokens")
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise NoList(
            f"it can't be read as UTF-8 text: line {number} holds other bytes; save it as UTF-8"
        ) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if CONTROL.search(text):
        raise NoList(
            f"line {number} holds a control character, as binary files, UTF-16 and lone carriage"
            " returns do: save it as UTF-8 text"
        )
    return text


def _first_line(number: int, text: str, column: str, kind: Kind) -> Layout:
    """The layout of all rows. Raises NoList if this line is neither a row nor a header."""
    found = []
    quoted_well = False
    # The line itself shows its delimiter: only one of these makes it a row or a header.
    for delimiter in [mark for mark in ",;\t" if mark in text] or [","]:
        fields = split(text, delimiter)
        if fields is None:
            continue
        quoted_well = True
        tokens = [place for place, one in enumerate(fields) if kind.parse(one)]
        named = _named_columns(number, fields, column) if kind.anything or not tokens else []
        if kind.anything and not named and len(fields) > 1:
            continue  # which of them is the token?
        layout = (number, bool(named), column, delimiter, len(fields))
        found += [Layout(*layout, at, kind) for at in named or tokens[:1]]
    if not quoted_well:
        raise NoList(_bad_quotes(number, text))
    if not found:
        raise NoList(
            f"line {number} names no column {column}, and holds no {kind.name}{kind.alone}: fix it,"
            " or put a line of column names before it"
        )
    if len(found) > 1:
        raise NoList(
            f"line {number} can be read in several ways: use only commas, only semicolons or only tabs"
        )
    return found[0]


def _named_columns(number: int, header: list[str], column: str) -> list[int]:
    """The place of the token's column; none if the line names none. Raises NoList if it names two."""
    names = [name.strip().strip('"').lower() for name in header]
    for wanted in (column.lower(), "token"):
        if names.count(wanted) > 1:
            raise NoList(f"line {number} names the column {wanted} more than once: rename the others")
        if wanted in names:
            return [names.index(wanted)]
    return []


def split(text: str, delimiter: str) -> list[str] | None:
    """The fields of one line; None if its quotes don't pair up around whole fields."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _bad_quotes(number: int, text: str) -> str:
    if text.count('"') % 2:
        return (
            f"line {number} starts a quoted field that does not end on it:"
            " put each token on a line of its own"
        )
    return f"line {number} has a stray quote: fix or delete it"


def parse_uuid(text: str) -> bytes | None:
    """The 16 bytes of a UUID in any spelling: capitals, braces, urn:uuid:, without hyphens; or None."""
    found = UUID.fullmatch(text.strip())
    return bytes.fromhex("".join(found.group(2, 4, 5, 6, 7))) if found else None


def parse_text(text: str) -> bytes | None:
    """The token as it is; None if it is empty or has blanks in it, as prose has."""
    return text.encode() if text and not re.search(r"\s", text) else None


UUIDS = Kind("UUID", parse_uuid)
TEXTS = Kind("token", parse_text, anything=True)
