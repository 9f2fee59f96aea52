"""The column to rotate, found in the catalog by its exact name, once."""

import difflib
import re
from dataclasses import dataclass, replace

from ...schema import STATE_TABLES
from ..db.session import Row, Session
from ..db.statements import Fragment, Names
from ..errors import Refused, UsageError
from ..formats import TokenFormat
from ..recipe import UUIDS, Recipe
from ..text import action, command, of_rows, one_line, spelled
from .placement import PLAIN, Placement
from .slices import WHOLE, Slices
from .values import assignments, names_of, new_token

#: Types of a primary key that windows can walk: they sort, and come back unchanged from text.
KEY_TYPES = {"smallint", "integer", "bigint", "uuid", "text", "character varying", "numeric"}
NEW_KEY = "rotation_key"  # a column that is added for windows to walk by
REWRITES = "which rewrites the table, while nobody can read it"
#: PostgreSQL's own types by which they are compared.
OWN_TYPES = {
    **{"smallint": "int2", "integer": "int4", "bigint": "int8", "uuid": "uuid", "numeric": "numeric"},
    **{"text": "text", "character varying": "text"},
}
NUMBER_TYPES = {"smallint", "integer", "bigint"}
TEXT_TYPES = {"text", "character varying", "character"}
NOT_A_TABLE = {
    "v": "a view: name the table behind it",
    "m": "a materialized view: name the table behind it",
    "f": "a foreign table: run the command on the server that holds it",
    "S": "a sequence",
    "i": "an index",
    "c": "a composite type",
    "t": "a TOAST table",
}


@dataclass(frozen=True)
class TargetName:
    """The target as a person wrote it."""

    table: str
    column: str = "token"
    pk: str | None = None  #: None: the table's primary key
    schema: str | None = None  #: None: as the search path finds the table
    walk: str | None = None  #: another unique column, in whose order windows follow each other


@dataclass(frozen=True)
class Target:
    """The target as the catalog has it."""

    schema: str
    table: str
    oid: int
    pk: str
    pk_type: str  #: as regtype prints it: for people, and to be stored
    pk_type_name: tuple[str, str]  #: PostgreSQL's own type, under any domain: for statements
    pk_collation: str  #: as regcollation prints it, or empty
    column: str
    column_type: str  #: as regtype prints it
    attnum: int
    is_text: bool  #: the token is text, not a uuid
    room: int | None  #: characters that the column holds; None: any number
    padded: bool  #: shorter text is padded with blanks
    recipe: Recipe = UUIDS  #: what is written, and into which rows
    partitioned: bool = False  #: its rows are in partitions
    placement: Placement = PLAIN  #: where its rows are
    slices: Slices = WHOLE  #: of which the windows draw their tokens
    database: str = "default"  #: the alias in the settings of the one that it is in

    @property
    def label(self) -> str:
        """For people: schema.table.column."""
        return one_line(self.full_name)

    @property
    def full_name(self) -> str:
        """As rotations are recorded under."""
        return f"{self.schema}.{self.table}.{self.column}"

    @property
    def scope(self) -> str:
        """For people: the label, and of which rows."""
        return self.label + of_rows(self.recipe.where)

    @property
    def command(self) -> str:
        """The command that rotates it, ready to copy."""
        return command(self.schema, self.table, self.column, self.database)

    def action(self, what: str) -> str:
        """The command that does something to its rotation, ready to copy."""
        return action(what, self.schema, self.table, self.column, self.database)

    @property
    def search(self) -> str:
        """The command that searches for copies of its old tokens, ready to copy."""
        return self.action("verify --search-copies")

    @property
    def active(self) -> str:
        """The value of rotation.active that lets the rotation's own tokens pass the column's guard."""
        return f"{self.oid}.{self.attnum}"

    @property
    def names(self) -> Names:
        """What fills the braces in statements on the target."""
        token = self._new_token()
        local = self._new_token(local=True) if self.slices.bits else token
        return {
            "target": (self.schema, self.table),
            "pk": (self.pk,),
            "pk_type": self.pk_type_name,
            "column": (self.column,),
            "new_token": Fragment(token),
            "new_values": assignments(self.recipe, token),
            "window_values": assignments(self.recipe, local),
            **names_of(self.recipe, self.is_text),
            # With their exact types, so that no foreign function or operator is a better match.
            "key": Fragment("target.{pk}::pg_catalog." + self.pk_type_name[1]),
            "token": Fragment("target.{column}::pg_catalog." + ("text" if self.is_text else "uuid")),
            "leaked_type": Fragment("pg_catalog." + ("text" if self.any_text else "uuid")),
            **self.placement.names,
        }

    @property
    def any_text(self) -> bool:
        """Whether its tokens may be any text, not only spellings of UUIDs."""
        return self.is_text and bool(self.recipe.form or self.recipe.expression)

    def _new_token(self, local: bool = False) -> str:
        return self.placement.make_token(new_token(self.recipe, self.is_text, local))

    def window(self, lo: str, hi: str) -> dict[str, str]:
        """The parameters of a statement that rotates a window: bounds, and a slice for its tokens."""
        return {"lo": lo, "hi": hi, **self.slices.draw()}


def aim(session: Session, target: Target) -> None:
    """Point the session's statements at this target."""
    session.names.update(target.names)
    session.variants = target.placement.variants


def parse_table(text: str) -> tuple[str | None, str]:
    """Split `[schema.]table` as typed; each part may be quoted as in SQL, and is taken exactly.

    Raises UsageError for anything else.
    """
    part = r'(?:"((?:[^"]|"")+)"|([^".]+))'
    match = re.fullmatch(rf"(?:{part}\.)?{part}", text)
    if not match or "\0" in text:
        raise UsageError(f"--table {text!r}: expected table or schema.table, odd names in double quotes")
    schema, table = (
        quoted.replace('""', '"') if quoted else plain
        for quoted, plain in (match.group(1, 2), match.group(3, 4))
    )
    return schema, table


def resolve(
    session: Session, name: TargetName, inheritance: bool = False, keyless: bool = False
) -> Target:
    """Find the target in the catalog; with `inheritance`, even one that can't be rotated for that.

    `keyless`: for what looks at no row, so that it does not matter by what windows could walk.

    Raises Refused, with what to do, for a table, key or column that can't be rotated.
    """
    table = _find_table(session, name, inheritance)
    columns = {row["name"]: row for row in session.rows("list_columns", oid=table["oid"])}
    label = f"{table['schema']}.{table['name']}"
    if keyless:
        key = token = _find_column(columns, name.column, label)
    else:
        key = (_find_walk if name.walk else _find_key)(columns, name, table)
        token = _find_column(columns, name.column, label)
        _require_still(key, token["name"], label)
    return Target(
        database=session.alias,
        schema=table["schema"],
        table=table["name"],
        oid=table["oid"],
        pk=key["name"],
        pk_type=key["type"],
        pk_type_name=("pg_catalog", OWN_TYPES.get(key["base_type"], "text")),
        pk_collation=key["collation"],
        column=token["name"],
        column_type=token["type"],
        attnum=token["attnum"],
        is_text=token["base_type"] in TEXT_TYPES,
        room=token["room"],
        padded=token["base_type"] == "character",
        partitioned=table["kind"] == "p",
    )


def by_recipe(session: Session, target: Target, recipe: Recipe) -> Target:
    """The target with what is written into it. Raises Refused if that can't be."""
    columns = {row["name"]: row for row in session.rows("list_columns", oid=target.oid)}
    for one in recipe.companions:
        _require_companion(columns, one.column, target)
    if recipe.expression:
        return replace(target, recipe=recipe)
    return replace(target, recipe=replace(recipe, form=_fitting(target, recipe.form)))


def _require_companion(columns: dict[str, Row], name: str, target: Target) -> None:
    """Raise Refused if this column can't be set along with the token."""
    table = f"{target.schema}.{target.table}"
    if name not in columns:
        raise Refused(f"--also {name}: {table} has no such column; it has {', '.join(columns)}")
    if name == target.column:
        raise Refused(f"--also {name}: that is the token: use --expression or --format")
    if name == target.pk:
        raise Refused(f"--also {name}: windows walk by it, and it would move under them")
    _require_still(columns[target.pk], name, table)
    if columns[name]["generated"]:
        raise Refused(f"--also {name}: it is generated, and follows the others by itself")
    if not columns[name]["may_update"]:
        raise Refused(f"this role may not change {table}.{name}: GRANT UPDATE on it first")


def _fitting(target: Target, form: TokenFormat | None) -> TokenFormat | None:
    """The format, None for one that UUIDs have anyway. Raises Refused if it does not fit the column."""
    name, room = target.label, target.room
    if form and not target.is_text:
        if form.template != "{uuid}":
            raise Refused(f"{name} is of type {target.column_type}: only --format {{uuid}} fits")
        return None
    sizes = {form.size} if form else {32, 36}
    if room is None or room in sizes or (not target.padded and room > min(sizes)):
        return form
    needs = f"--format {form.template} makes {form.size}" if form else "a UUID needs 32 or 36"
    hint = "" if form else "; for other tokens give --format"
    padded = ", and char is padded with blanks" * target.padded
    raise Refused(f"{name} holds {room} characters: {needs}{padded}{hint}")


def _find_table(session: Session, name: TargetName, inheritance: bool) -> Row:
    found = session.rows("find_table", schema=name.schema, name=name.table)
    if not found:
        _refuse_unknown_table(session, name)
    table = found[0]
    label = f"{table['schema']}.{table['name']}"
    if table["kind"] in NOT_A_TABLE:
        raise Refused(f"{label} is {NOT_A_TABLE[table['kind']]}")
    if table["system"]:
        raise Refused(f"{label} is PostgreSQL's own: name one of your tables")
    if table["persistence"] == "t":
        raise Refused(f"{label} is a temporary table: no other session can see it")
    if not table["may_use_schema"]:
        raise Refused(f"this role may not use the schema of {label}: GRANT USAGE ON SCHEMA to it first")
    if table["hides_rows"]:
        raise Refused(
            f"row-level security may hide rows of {label} from this role:"
            " run as the table's owner or as a role with BYPASSRLS"
        )
    if table["partition_of"]:
        raise Refused(f"{label} is a partition: rotate the whole table, {table['partition_of']}")
    if table["inherits"] and not inheritance:
        raise Refused(
            f"{label} takes part in table inheritance, where one primary key does not cover all rows:"
            " name a plain or a partitioned table"
        )
    return table


def _refuse_unknown_table(session: Session, name: TargetName) -> None:
    asked = f"{name.schema}.{name.table}" if name.schema else name.table
    known = {}
    for row in session.rows("list_tables"):
        if row["name"] in STATE_TABLES:
            continue
        schema = "" if row["visible"] and not name.schema else row["schema"]
        known[f"{schema}.{row['name']}".lstrip(".")] = spelled(schema, row["name"])
    near = difflib.get_close_matches(asked, known, 1)
    near = near or [one for one in known if one.split(".")[-1].lower() == name.table.lower()][:1]
    otherwise = "name it as schema.table, or run migrate if it is a model's"
    hint = f"did you mean --table {known[near[0]]}?" if near else otherwise
    raise Refused(f"there is no table {asked!r} in this database; {hint}")


def _find_key(columns: dict[str, Row], name: TargetName, table: Row) -> Row:
    """The primary key, by which windows walk unless another column is named."""
    label = f"{table['schema']}.{table['name']}"
    keys = [row for row in columns.values() if row["in_key"]]
    names = ", ".join(row["name"] for row in keys)
    asked = name.pk
    if len(keys) == 1 and asked not in (None, names):
        raise Refused(f"--pk {asked}: the primary key of {label} is {names}")
    why = ""
    if not keys:
        why = f"{label} has no primary key: windows need one"
    elif len(keys) > 1:
        why = f"{label} has a primary key of several columns ({names}): windows need a single one"
    elif names == name.column:
        why = f"{label}.{names} is the primary key itself: its windows would move under the rotation"
    elif keys[0]["base_type"] not in KEY_TYPES:
        why = (
            f"the primary key {label}.{names} is of type {keys[0]['type']}: windows can walk"
            f" {', '.join(sorted(KEY_TYPES))}"
        )
    if why:
        raise Refused(f"{why}; {_how_to_walk(columns, name, table)}")
    return _readable(keys[0], label)


def _find_walk(columns: dict[str, Row], name: TargetName, table: Row) -> Row:
    """The column that --walk names."""
    label = f"{table['schema']}.{table['name']}"
    asked = name.walk or ""
    if asked not in columns:
        near = difflib.get_close_matches(asked, columns, 1)
        hint = f'did you mean "{near[0]}"?' if near else _how_to_walk(columns, name, table)
        raise Refused(f"--walk {asked}: {label} has no such column; {hint}")
    column = columns[asked]
    keys = [row["name"] for row in columns.values() if row["in_key"]]
    if name.pk is not None and name.pk not in keys:
        raise Refused(f"--pk {name.pk}: the primary key of {label} is {', '.join(keys) or 'not there'}")
    if asked == name.column:
        raise Refused(f"--walk {asked}: that is the token, and would move under the windows")
    if not column["walkable"]:
        raise Refused(
            f"--walk {asked}: it is not NOT NULL with a valid unique index of its own, neither"
            f" partial nor deferrable; {_how_to_walk(columns, name, table)}"
        )
    if column["base_type"] not in KEY_TYPES:
        known = ", ".join(sorted(KEY_TYPES))
        raise Refused(f"--walk {asked}: it is of type {column['type']}, and windows can walk {known}")
    return _readable(column, label)


def added_key(*names: str) -> str:
    """The statement that gives a table, by the parts of its name, a column to walk by."""
    named = ".".join('"' + name.replace('"', '""') + '"' for name in names)
    return f"ALTER TABLE {named} ADD {NEW_KEY} bigint GENERATED ALWAYS AS IDENTITY UNIQUE"


def _how_to_walk(columns: dict[str, Row], name: TargetName, table: Row) -> str:
    """What to do where windows can't walk by the primary key."""
    fit = [row["name"] for row in columns.values() if row["walkable"] and row["base_type"] in KEY_TYPES]
    fit = [one for one in fit if one != name.column]
    if fit:
        return f"walk by another unique column: --walk {' or '.join(fit)}"
    if table["kind"] == "p":  # where a unique index holds the columns of the partition key, too
        return "add a column with a unique index, NOT NULL, and name it with --walk; or rotate by hand"
    add = added_key(table["schema"], table["name"])
    return f"add a column to walk by ({add}, {REWRITES}), and --walk {NEW_KEY}"


def _require_still(key: Row, changed: str, label: str) -> None:
    """Raise Refused if windows would walk by a column that is computed from one that they change."""
    if changed in key["computed_from"]:
        raise Refused(
            f"{label}.{key['name']} is generated from {changed}, and would move under the windows:"
            " walk by another unique column (--walk)"
        )


def _readable(key: Row, label: str) -> Row:
    if not key["may_select"]:
        raise Refused(f"this role may not read {label}.{key['name']}: GRANT SELECT on it first")
    return key


def _find_column(columns: dict[str, Row], asked: str, label: str) -> Row:
    if asked not in columns:
        near = difflib.get_close_matches(asked, columns, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"name one with --column: {', '.join(columns)}"
        raise Refused(f"{label} has no column {asked!r}; {hint}")
    column = columns[asked]
    name = f"{label}.{asked}"
    if column["generated"]:
        raise Refused(f"{name} is generated from other columns: rotate those")
    if column["base_type"] not in {"uuid"} | TEXT_TYPES:
        raise Refused(f"{name} is of type {column['type']}: uuid, text, varchar and char can be rotated")
    if not (column["may_select"] and column["may_update"]):
        raise Refused(f"this role may not change {name}: GRANT SELECT, UPDATE on it first")
    return column
