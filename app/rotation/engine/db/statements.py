"""Loads the statements of `sql/` and puts identifiers into them. The only user of psycopg2.sql."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2 import sql

from ...schema import DIRECTORY


@dataclass(frozen=True)
class Fragment:
    """Text that goes into a statement; written by us, never taken from the catalog or from a user.

    It may hold `{names}` of identifiers itself, which are filled in: what somebody named
    would be taken for such names, and for SQL.
    """

    text: str


@dataclass(frozen=True)
class Form:
    """Names the file whose statement is used in place of another, of the same parameters and columns."""

    statement: str


#: What stands in braces in a statement: an identifier with its qualifiers, or a fragment.
#: Under the name of a statement: the form of it that is used.
Name = tuple[str, ...] | Fragment | Form

Names = Mapping[str, Name]


@functools.cache
def find_files() -> dict[str, Path]:
    """The files of `sql/` by the names of their statements: of what runs on plain PostgreSQL.

    What stands in for one of them elsewhere is found under its path from `sql/`.
    """
    found = {}
    for path in sorted(DIRECTORY.rglob("*.sql")):
        name = path.relative_to(DIRECTORY).with_suffix("")
        found[name.as_posix()] = path
        if name.parts[0] not in ("citus", "schema"):
            assert name.name not in found, f"two statements are called {name.name}"
            found[name.name] = path
    for path in sorted((DIRECTORY / "citus").glob("*.sql")):
        found.setdefault(path.stem, path)
    return found


@functools.cache
def load(name: str) -> str:
    """Return the statement of that name without its comments.

    Comments go because psycopg2 would take a percent sign in one for a parameter.
    """
    text = find_files()[name].read_text(encoding="utf-8")
    return re.sub(r"^\s*--.*\n", "", text, flags=re.MULTILINE).strip()


def compose(name: str, names: Names, connection: Any) -> str:
    """Return the statement with its `{names}` filled in, ready for psycopg2's `%(parameters)s`.

    `connection` is a psycopg2 connection: quoting depends on its encoding.
    """
    form = names.get(name)
    text = load(form.statement if isinstance(form, Form) else name)
    takes_parameters = "%(" in text
    identifiers = {
        # psycopg2 leaves a statement without parameters alone, and unescapes %% in all others.
        key: sql.SQL(_quoted(value, connection).replace("%", "%%" if takes_parameters else "%"))
        for key, value in names.items()
        if isinstance(value, tuple)
    }
    fragments = {
        key: sql.SQL(value.text).format(**identifiers)
        for key, value in names.items()
        if isinstance(value, Fragment)
    }
    return sql.SQL(text).format(**identifiers, **fragments).as_string(connection)


def _quoted(name: tuple[str, ...], connection: Any) -> str:
    return sql.Identifier(*name).as_string(connection)
