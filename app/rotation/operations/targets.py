"""Targets that the settings name, ROTATION["TARGETS"]: nobody types five flags in an incident."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..engine.errors import UsageError
from ..engine.options import LASTING, Options, read_options
from ..engine.table.target import TargetName, parse_table
from .project import find_field, name_of, setting

#: What says which column it is, in an entry of TARGETS; all else are names of options.
COLUMN_KEYS = {"field", "table", "column"}


@dataclass(frozen=True)
class NamedTarget:
    """A column, and with which options it is rotated."""

    name: str
    target: TargetName
    options: dict[str, Any]  #: by their names

    def combined(self, given: Options) -> Options:
        """Its options, with those that were given in place of its own.

        Raises UsageError for given ones that decide what is written: the settings do.
        """
        for name in LASTING:
            if getattr(given, name) not in (None, ()):
                raise UsageError(f"--{name}: {_entry(self.name)} says what is written; leave it out")
        usual = Options()
        own = self.options.items()
        return replace(given, **{key: one for key, one in own if vars(given)[key] == vars(usual)[key]})


def find_targets(names: list[str]) -> list[NamedTarget]:
    """The targets of these names. Raises UsageError for one that there is not, or that is wrong."""
    given = _given()
    for name in names:
        if not given:
            text = "the settings name no targets (ROTATION['TARGETS']); name a table with --table"
            raise UsageError(f"{name}: {text}")
        if name not in given:
            if (several := name.replace(",", " ").split()) and all(one in given for one in several):
                raise UsageError(f"{name}: separate names by blanks: {' '.join(several)}")
            near = difflib.get_close_matches(name, given, 1)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(given)}"
            raise UsageError(f"{name}: {name_of('TARGETS')} has no target of that name; {hint}")
        if names.count(name) > 1:
            raise UsageError(f"{name}: named twice")
    return [_read(name, given[name]) for name in names]


def names_of_targets() -> list[str]:
    """Their names; none if the setting is wrong."""
    try:
        return list(_given())
    except UsageError:
        return []


def wrong_targets() -> Iterator[str]:
    """What `manage.py check` says of each that can't be used."""
    try:
        given = _given()
    except UsageError as error:
        yield str(error)
        return
    for name, entry in given.items():
        try:
            _read(name, entry)
        except UsageError as error:
            yield str(error)


def _given() -> dict[str, Any]:
    given = setting("TARGETS") or {}
    if not isinstance(given, dict) or not all(name and isinstance(name, str) for name in given):
        raise UsageError(f"{name_of('TARGETS')} is no dictionary of names")
    return given


def _entry(name: str) -> str:
    return f"{name_of('TARGETS')}[{name!r}]"


def _read(name: str, entry: Any) -> NamedTarget:
    where = _entry(name)
    if isinstance(entry, str):
        entry = {"field": entry}
    if not isinstance(entry, dict):
        raise UsageError(f"{where} is neither 'app.Model.field' nor a dictionary")
    if name.startswith("-"):
        raise UsageError(f"{where}: a name that begins with - is a flag: choose another")
    options = {_name(key): value for key, value in entry.items() if key not in COLUMN_KEYS}
    if isinstance(options.get("also"), str):
        options["also"] = [options["also"]]
    if len(options) < len(entry.keys() - COLUMN_KEYS):
        raise UsageError(f"{where} has one option twice, as in max-rate and max_rate")
    if isinstance(options.get("also"), dict):
        if not all(isinstance(text, str) for its in options["also"].items() for text in its):
            raise UsageError(f"{where}: also: expected a dictionary of columns and SQL")
        options["also"] = [f"{column}={sql}" for column, sql in options["also"].items()]
    try:
        read = read_options(options, where)
        Options(**read)
    except UsageError as error:
        raise UsageError(str(error) if where in str(error) else f"{where}: {error}") from error
    return NamedTarget(name, _column(entry, where), read)


def _name(key: Any) -> Any:
    """An option's name, which may be written like its flag."""
    return key.removeprefix("--").replace("-", "_") if isinstance(key, str) else key


def _column(entry: dict[str, Any], where: str) -> TargetName:
    its = {key: entry[key] for key in COLUMN_KEYS if key in entry}
    if its.keys() not in ({"field"}, {"table", "column"}) or not all(
        isinstance(value, str) and value and "\0" not in value for value in its.values()
    ):
        raise UsageError(f"{where}: expected 'field', as app.Model.field, or 'table' and 'column'")
    if "field" in its:
        return TargetName(*find_field(its["field"], f"{where}: "))
    try:
        schema, table = parse_table(its["table"])
    except UsageError as error:
        raise UsageError(str(error).replace("--table", f"{where}:")) from error
    return TargetName(table, its["column"], schema=schema)
