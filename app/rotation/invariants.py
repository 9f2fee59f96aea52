"""Triggers that keep the state of rotations consistent, whoever writes to it."""

from typing import Any

import pgtrigger
from pgtrigger import compiler

from .schema import read_body


class InvariantSql(compiler.UpsertTriggerSql):
    """The installation of a trigger that `pgtrigger.ignore` does not switch off."""

    def get_template(self) -> str:
        """Return the statements, with pgtrigger's fields in braces."""
        return read_body("install_invariant")


class Invariant(pgtrigger.Trigger):
    """A trigger of the state."""

    def compile(self, model: Any) -> compiler.Trigger:
        """Return it as migrations store it."""
        compiled = super().compile(model)
        fields = {name: text for name, text in compiled.sql.kwargs.items() if name != "ignore_func_name"}
        return compiler.Trigger(name=compiled.name, sql=InvariantSql(**fields))


class Kept(Invariant, pgtrigger.Protect):
    """Refuses an operation, or where there is a condition, that of rows that meet it."""


class Transitions(Invariant, pgtrigger.FSM):
    """Refuses a change of a status that is none of the given ones."""


CHECKPOINT_MOVES_FORWARD = Invariant(
    name="checkpoint_moves_forward",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.Update,
    declare=[
        ("kind", "text"),
        ("ordered", "boolean"),
    ],
    func=read_body("check_checkpoint"),
)
SAME_TARGET = Kept(
    name="same_target",
    operation=pgtrigger.Update,
    condition=pgtrigger.AnyChange(
        "table_schema",
        "table_name",
        "table_oid",
        "pk_column",
        "pk_type",
        "token_column",
        "token_attnum",
        "token_type",
    ),
)
#: An update adds one entry at the end, or none.
STEERING_IS_APPENDED = Kept(
    name="steering_is_appended",
    operation=pgtrigger.Update,
    condition=pgtrigger.Condition(
        "OLD.steered IS DISTINCT FROM NEW.steered AND OLD.steered IS DISTINCT FROM NEW.steered - (-1)"
    ),
)


def same_bounds(until: str) -> Invariant:
    """A trigger that keeps a rotation's bounds once it has left the status `until`."""
    return Kept(
        name="same_bounds",
        operation=pgtrigger.Update,
        condition=pgtrigger.Condition(
            f"OLD.status <> '{until}' AND (OLD.floor IS DISTINCT FROM NEW.floor"
            " OR OLD.ceiling IS DISTINCT FROM NEW.ceiling)"
        ),
    )


def kept_from_truncate() -> Invariant:
    """A trigger that refuses TRUNCATE, which row triggers don't see."""
    return Invariant(
        name="kept_from_truncate",
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        declare=[("holds", "boolean")],
        func=read_body("refuse_truncate"),
    )
