"""Loads the statements of `sql/` and puts identifiers into them."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...schema import DIRECTORY
from .driver import sql


@dataclass(frozen=True)
class Fragment:
    """Text that goes into a statement; written by us, never taken from the catalog or from a user.

    It may contain `{names}` of identifiers and constants, which are filled in: text from elsewhere would
    be taken for such names, and for SQL.
    """

    text: str


@dataclass(frozen=True)
class Constant:
    """A value that goes into a statement as a literal, quoted by the driver."""

    value: str | int


@dataclass(frozen=True)
class Verbatim:
    """SQL of the operator's own, that goes into a statement as it is."""

    text: str


#: What stands in braces in a statement: an identifier with its qualifiers, a constant, or SQL.
Name = tuple[str, ...] | Constant | Verbatim | Fragment
Names = Mapping[str, Name]


@functools.cache
def find_files() -> dict[str, Path]:
    """The files of `sql/`: each by its path from there, and by its name where that is unambiguous.

    A name that Citus has too means the file for plain PostgreSQL.
    """
    found: dict[str, Path] = {}
    for path in sorted(DIRECTORY.rglob("*.sql"), key=lambda path: len(path.parts)):
        place = path.relative_to(DIRECTORY).with_suffix("")
        found[place.as_posix()] = path
        if place.parts[0] != "citus":
            assert place.name not in found, f"two statements are called {place.name}"
            found[place.name] = path
    for path in (DIRECTORY / "citus").glob("*.sql"):
        found.setdefault(path.stem, path)
    return found


@functools.cache
def load(name: str, variants: tuple[str, ...] = ()) -> str:
    """Return a statement without its comments, from the first of `variants` that has it.

    Comments are removed because the driver would take a percent sign in one for a parameter.
    """
    files = find_files()
    path = next((files[one] for folder in variants if (one := f"{folder}/{name}") in files), files[name])
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^\s*--.*\n", "", text, flags=re.MULTILINE).strip()


def compose(
    statements: tuple[str, ...], names: Names, connection: Any, variants: tuple[str, ...] = ()
) -> str:
    """Return statements with their `{names}` filled in, ready for `%(parameters)s`.

    `connection` is the driver's: quoting depends on its encoding.
    """
    text = "\n".join(load(name, variants) for name in statements)
    takes_parameters = "%(" in text
    identifiers = {
        # The driver leaves a statement without parameters alone, and unescapes %% in all others.
        key: sql.SQL(_quoted(value, connection).replace("%", "%%" if takes_parameters else "%"))
        for key, value in names.items()
        if not isinstance(value, Fragment)
    }
    fragments = {
        key: sql.SQL(value.text).format(**identifiers)
        for key, value in names.items()
        if isinstance(value, Fragment)
    }
    return sql.SQL(text).format(**identifiers, **fragments).as_string(connection)


def _quoted(name: tuple[str, ...] | Constant | Verbatim, connection: Any) -> str:
    if isinstance(name, Verbatim):
        return name.text
    made = sql.Literal(name.value) if isinstance(name, Constant) else sql.Identifier(*name)
    return made.as_string(connection)
