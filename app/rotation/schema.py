"""The database functions and tables of `sql/schema/`, as migrations install them."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STATE_TABLES = ("rotation", "batchprogress", "rotation_window", "rotation_leftover", "rotation_revoked")
STATE_FUNCTIONS = (
    "rotation_hash",
    "rotation_create_set",
    "rotation_claim_snapshot",
    "rotation_complete_set",
    "rotation_note_change",
    "rotation_prepare_guard",
    "rotation_inspect_guard",
    "rotation_target_shape",
    "rotation_advance",
)
#: The same as GRANT names them: one is overloaded.
GRANTED = ("rotation_hash(uuid, bigint)", "rotation_hash(text, bigint)", *STATE_FUNCTIONS[1:])
PACKAGE = Path(__file__).resolve().parent
#: In the wheel the statements are inside the package; in the repository, beside `app/`.
DIRECTORY = next(path for path in (PACKAGE / "sql", PACKAGE.parents[1] / "sql") if path.is_dir())
Operation = Callable[[Any, Any], None]


def in_the_state(*names: str) -> Operation:
    """Return a migration operation that runs those files in the schema of the rotation's state.

    That is the schema of the models' tables. Raises ValueError if its name contains a dollar sign or a
    backslash: the functions could not be quoted.
    """

    def run(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            return  # a project's other database, in which no token can be rotated
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(read("find_state"), None)
            state = cursor.fetchone()[0]
            if re.search(r"[$\\]", state):
                raise ValueError(f"the schema {state} can't hold the state of rotations: rename it")
            with pinned(cursor):
                for name in names:
                    cursor.execute(read(name, state), None)

    return run


def anywhere(name: str) -> Operation:
    """Return a migration operation that runs one file as it is, wherever the state was."""

    def run(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(read(name), None)

    return run


@contextlib.contextmanager
def pinned(cursor: Any) -> Iterator[None]:
    """Let names in the block mean PostgreSQL's own, whatever the search path has."""
    cursor.execute(read("pin_names"))
    before = cursor.fetchone()[0]
    yield
    cursor.execute(read("unpin_names"), [before])


def read(name: str, state: str = "") -> str:
    """Return the text of `sql/schema/<name>.sql` for a schema, given its quoted name."""
    text = (DIRECTORY / "schema" / f"{name}.sql").read_text(encoding="utf-8")
    return text.replace("{state}", state).replace("{state_text}", state.replace("'", "''"))


def read_body(name: str) -> str:
    """Return the body of a trigger's function, `sql/schema/<name>.sql`, without its header."""
    return re.sub(r"\A(--.*\n)+", "", read(name)).strip()
