"""The commands that continue a rotation, or do something to it."""

from collections.abc import Collection

from ...models import Rotation
from ..kept import as_kept
from ..options import REPEATED, as_flags
from ..text import action, command


def command_of(rotation: Rotation, names: Collection[str] = REPEATED) -> str:
    """The command that continues a rotation with these options of its start, ready to copy."""
    return command(*_its(rotation)) + as_flags(as_kept(rotation.options), names)


def action_on(rotation: Rotation, what: str) -> str:
    """The command that does something to this rotation, or looks at it, ready to copy."""
    return action(what, *_its(rotation))


def _its(rotation: Rotation) -> tuple[str, str, str, str]:
    """What names its column, with the database from which it was read."""
    database = rotation._state.db or "default"
    return rotation.table_schema, rotation.table_name, rotation.token_column, database
