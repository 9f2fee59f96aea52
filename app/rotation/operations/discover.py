"""What here is a secret, what rotates it, and what no tool can."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps

from ..engine.db.session import Session
from ..engine.preflight.secrets import UUIDS, Secret, find_secrets
from ..engine.table.target import NEW_KEY, REWRITES, added_key
from ..engine.text import command, count, flag_with, one_line
from .packages import KNOWN, Known

#: Why values of these kinds can't be replaced by random ones.
NO_TOOL = {
    "password hash": "hashes of passwords: people must choose new ones",
    "signed": "signed by a key of the application (JSON web tokens): replace that key",
    "encrypted": "encrypted by the application: its key must be replaced there",
}


@dataclass(frozen=True)
class Candidate:
    """A secret, and what is known of it."""

    secret: Secret
    known: Known | None
    model: str  #: app, model and field, if a model has this column

    @property
    def why(self) -> str:
        """Why no command rotates it; or nothing."""
        if self.known and self.known.why:
            return self.known.why
        if not self.secret.is_text:
            return f"of type {self.secret.type}: uuid, text, varchar and char can be rotated"
        if self.secret.inherits:
            return "its table takes part in table inheritance: rotate it by hand"
        return "" if self.known and self.known.flags else NO_TOOL.get(self.secret.shape.values, "")

    @property
    def first(self) -> str:
        """What must be done before, or nothing: a column to walk by."""
        one = self.secret
        if self.why or one.key or one.walk:
            return ""
        names = (one.table,) if one.visible else (one.schema, one.table)
        return added_key(*names)

    @property
    def command(self) -> str | None:
        """The command that rotates it, ready to copy; None if none does."""
        if self.why:
            return None
        one, known = self.secret, self.known or Known("")
        flags = {} if one.key else {"--walk": one.walk or NEW_KEY}
        flags |= known.flags
        if not known.flags and one.shape.template and one.type != "uuid":
            flags["--format"] = one.shape.template
        text = f"{command('' if one.visible else one.schema, one.table, one.column)}"
        text += "".join(flag_with(flag, value) for flag, value in flags.items())
        also = {name: sql for name, sql in known.also.items() if name in one.others} or one.beside
        return text + "".join(flag_with("--also", f"{name}={sql}") for name, sql in also.items())

    @property
    def then(self) -> str:
        """What is to be done or known besides; or nothing."""
        if self.known and self.known.then:
            return self.known.then
        if self.secret.shape.values == "digest":
            return "nobody knows a token of the new digests: people get theirs from the application"
        if self.command and self.secret.shape.values == "plain" and not self._has_form:
            return "add --format or --expression, which say what new ones look like (docs/secrets.md)"
        return ""

    @property
    def _has_form(self) -> bool:
        """Whether it is known what new tokens look like."""
        one = self.secret
        return bool(self.known) or one.shape.template is not None or one.shape.text == UUIDS

    @property
    def for_the_form(self) -> dict[str, str] | None:
        """The values of the new-rotation page's fields; None for what it can't start."""
        one = self.secret
        known = self.known or Known("")
        if (
            self.why
            or not (one.key and self._has_form)
            or one.beside
            or known.also
            or known.flags.keys() - {"--format"}
        ):
            return None
        table = one.table if one.visible else f"{one.schema}.{one.table}"
        template = known.flags.get("--format", one.shape.template if one.type != "uuid" else None)
        return {"table": table, "column": one.column} | ({"format": template} if template else {})

    @property
    def looks(self) -> str:
        """What its values look like, in words."""
        its = self.secret.shape
        plain = {"none": "no values", "unknown": "not looked at"}.get(its.values, its.values)
        return f"{plain}, {its.text}" if its.text else plain

    def as_data(self) -> dict[str, Any]:
        """For machines."""
        one = self.secret
        return {
            **{"schema": one.schema, "table": one.table, "column": one.column, "type": one.type},
            **{"rows": one.rows, "model": self.model or None},
            "package": self.known.package if self.known else None,
            **{"values": one.shape.values, "shape": one.shape.text or None},
            **{"companions": one.beside, "first": self.first or None, "command": self.command},
            **{"why": self.why or None, "then": self.then or None},
        }

    def lines(self) -> Iterator[str]:
        """For people: what it is, and what to do."""
        one = self.secret
        rows = "rows not counted yet" if one.rows is None else f"about {count(one.rows, 'row')}"
        of = f" ({self.known.package})" if self.known else ""
        yield one_line(f"{one.schema}.{one.table}.{one.column}{of}: {rows}; {self.looks}")
        if self.why:
            yield f"    no tool: {self.why}"
        if self.first:
            yield one_line(f"    first    {self.first}")
            yield f"             ({REWRITES})"
        if self.command:
            yield one_line(f"    {self.command}")
        if self.then:
            yield f"    then     {self.then}"


def discover(session: Session) -> list[Candidate]:
    """Every column that looks like a secret; nothing is written, and no value leaves the server."""
    models = {
        (model._meta.db_table, field.column): f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
    }
    return [
        Candidate(one, KNOWN.get((one.table, one.column)), models.get((one.table, one.column), ""))
        for one in find_secrets(session, set(KNOWN))
    ]


def conclusion(found: list[Candidate]) -> str:
    """The last line: how many, and what it does not know."""
    if not found:
        return "No column looks like a secret, by its name and its values: look at your models, too"
    rotated = sum(one.command is not None for one in found)
    look = "looks" if len(found) == 1 else "look"
    return (
        f"{count(len(found), 'column')} {look} like a secret, by name and by up to 1000 values of each;"
        f" {rotated} can be rotated: see what --dry-run says first, and look at your models for others"
    )
