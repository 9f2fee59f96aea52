"""Triggers that keep the state of rotations consistent, whoever writes to it."""

import pgtrigger

from .schema import read_body

CHECKPOINT_MOVES_FORWARD = pgtrigger.Trigger(
    name="checkpoint_moves_forward",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.Update,
    declare=[
        ("kind", "text"),
        ("ordered", "boolean"),
    ],
    func=read_body("check_checkpoint"),
)
SAME_TARGET = pgtrigger.Protect(
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
STEERING_IS_APPENDED = pgtrigger.Protect(
    name="steering_is_appended",
    operation=pgtrigger.Update,
    condition=pgtrigger.Condition(
        "OLD.steered IS DISTINCT FROM NEW.steered AND OLD.steered IS DISTINCT FROM NEW.steered - (-1)"
    ),
)


def same_bounds(until: str) -> pgtrigger.Trigger:
    """A trigger that keeps a rotation's bounds once it has left the status `until`."""
    return pgtrigger.Protect(
        name="same_bounds",
        operation=pgtrigger.Update,
        condition=pgtrigger.Condition(
            f"OLD.status <> '{until}' AND (OLD.floor IS DISTINCT FROM NEW.floor"
            " OR OLD.ceiling IS DISTINCT FROM NEW.ceiling)"
        ),
    )


def kept_from_truncate() -> pgtrigger.Trigger:
    """A trigger that refuses TRUNCATE, which row triggers don't see."""
    return pgtrigger.Trigger(
        name="kept_from_truncate",
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        func=read_body("refuse_truncate"),
    )
