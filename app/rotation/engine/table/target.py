"""The column to rotate, found in the catalog by its exact name, once."""

import difflib
import re
from dataclasses import dataclass, replace

from ..db.session import Row, Session
from ..db.statements import Constant, Fragment, Name, Names, load
from ..errors import Refused, UsageError
from ..formats import TokenFormat
from ..text import command, one_line, spelled
from .placement import PLAIN, Placement
from .slices import WHOLE, Slices

#: Types of a primary key that windows can walk: they sort, and come back unchanged from text.
KEY_TYPES = {"smallint", "integer", "bigint", "uuid", "text", "character varying", "numeric"}
#: PostgreSQL's own types by which they are compared.
OWN_TYPES = {
    **{"smallint": "int2", "integer": "int4", "bigint": "int8", "uuid": "uuid", "numeric": "numeric"},
    **{"text": "text", "character varying": "text"},
}
NUMBER_TYPES = {"smallint", "integer", "bigint"}
TEXT_TYPES = {"text", "character varying", "character"}
RANDOM_UUID = "pg_catalog.gen_random_uuid()"
#: For each kind of random part: how bytes become characters, of which some are replaced or dropped.
ENCODINGS = {
    "hex": ("hex", "", ""),
    "urlsafe": ("base64", "+/=\n", "-_"),
    "base62": ("base64", "+/=\n", ""),
    "alnum": ("base64", "+/=\nABCDEFGHIJKLMNOPQRSTUVWXYZ", ""),
}
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
    form: TokenFormat | None = None  #: of new tokens; None: a UUID, spelled as the row's old token is
    partitioned: bool = False  #: its rows are in partitions
    placement: Placement = PLAIN  #: where its rows are
    slices: Slices = WHOLE  #: of which the windows draw their tokens

    @property
    def label(self) -> str:
        """For people: schema.table.column."""
        return one_line(f"{self.schema}.{self.table}.{self.column}")

    @property
    def command(self) -> str:
        """The command that rotates it, ready to copy."""
        return command(self.schema, self.table, self.column)

    @property
    def active(self) -> str:
        """The value of rotation.active that lets the rotation's own tokens pass the column's guard."""
        return f"{self.oid}.{self.attnum}"

    @property
    def names(self) -> Names:
        """What fills the braces in statements on the target."""
        return {
            "target": (self.schema, self.table),
            "pk": (self.pk,),
            "pk_type": self.pk_type_name,
            "column": (self.column,),
            "new_token": Fragment(self._new_token(RANDOM_UUID)),
            "window_token": Fragment(
                self._new_token(load("localize_uuid") if self.slices.bits else RANDOM_UUID)
            ),
            **self._form_names,
            # With their exact types, so that no foreign function or operator is a better match.
            "key": Fragment("target.{pk}::pg_catalog." + self.pk_type_name[1]),
            "token": Fragment("target.{column}::pg_catalog." + ("text" if self.is_text else "uuid")),
            "leaked_type": Fragment("pg_catalog." + ("text" if self.form else "uuid")),
            **self.placement.names,
        }

    def window(self, lo: str, hi: str) -> dict[str, str]:
        """The parameters of a statement that rotates a window: bounds, and a slice for its tokens."""
        return {"lo": lo, "hi": hi, **self.slices.draw()}

    def _new_token(self, uuid: str) -> str:
        """The expression of a new token: of its format, or a UUID spelled like the old one."""
        # Schema-qualified: a function of the same name elsewhere can't take its place.
        made = uuid
        if self.form and self.form.kind == "uuid":
            made = f"{{token_prefix}} || {RANDOM_UUID}::text || {{token_suffix}}"
        elif self.form:
            strong = " || ".join([load("random_bytes")] * self.form.blocks)
            made = load("random_text").replace("{random_bytes}", strong)
        elif self.is_text:
            made = load("respell_token").replace(RANDOM_UUID, uuid)
        return self.placement.make_token(made)

    @property
    def _form_names(self) -> dict[str, Name]:
        """What fills the braces in random_text.sql."""
        if not self.form:
            return {}
        encoding, replaced, replacing = ENCODINGS.get(self.form.kind, ("", "", ""))
        return {
            "token_prefix": Constant(self.form.prefix),
            "token_suffix": Constant(self.form.suffix),
            "encoding": Constant(encoding),
            "replaced": Constant(replaced),
            "replacing": Constant(replacing),
            "random_length": Constant(self.form.length),
        }


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


def resolve(session: Session, name: TargetName, inheritance: bool = False) -> Target:
    """Find the target in the catalog; with `inheritance`, even one that can't be rotated for that.

    Raises Refused, with what to do, for a table, key or column that can't be rotated.
    """
    table = _find_table(session, name, inheritance)
    columns = {row["name"]: row for row in session.rows("list_columns", oid=table["oid"])}
    label = f"{table['schema']}.{table['name']}"
    key = _find_key(columns, name.pk, label)
    token = _find_column(columns, name.column, label)
    return Target(
        schema=table["schema"],
        table=table["name"],
        oid=table["oid"],
        pk=key["name"],
        pk_type=key["type"],
        pk_type_name=("pg_catalog", OWN_TYPES[key["base_type"]]),
        pk_collation=key["collation"],
        column=token["name"],
        column_type=token["type"],
        attnum=token["attnum"],
        is_text=token["base_type"] in TEXT_TYPES,
        room=token["room"],
        padded=token["base_type"] == "character",
        partitioned=table["kind"] == "p",
    )


def in_form(target: Target, form: TokenFormat | None) -> Target:
    """The target with new tokens of this format. Raises Refused if they don't fit the column."""
    name, room = target.label, target.room
    if form and not target.is_text:
        if form.template != "{uuid}":
            raise Refused(f"{name} is of type {target.column_type}: only --format {{uuid}} fits")
        form = None
    sizes = {form.size} if form else {32, 36}
    if room is None or room in sizes or (not target.padded and room > min(sizes)):
        return replace(target, form=form)
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
        schema = "" if row["visible"] and not name.schema else row["schema"]
        known[f"{schema}.{row['name']}".lstrip(".")] = spelled(schema, row["name"])
    near = difflib.get_close_matches(asked, known, 1)
    near = near or [one for one in known if one.split(".")[-1].lower() == name.table.lower()][:1]
    otherwise = "name it as schema.table, or run migrate if it is a model's"
    hint = f"did you mean --table {known[near[0]]}?" if near else otherwise
    raise Refused(f"there is no table {asked!r} in this database; {hint}")


def _find_key(columns: dict[str, Row], asked: str | None, label: str) -> Row:
    keys = [row for row in columns.values() if row["in_key"]]
    if not keys:
        raise Refused(f"{label} has no primary key: windows need one; add it, or rotate by hand")
    names = ", ".join(row["name"] for row in keys)
    if len(keys) > 1:
        raise Refused(
            f"{label} has a primary key of several columns ({names}): windows need one of a"
            " single column; rotate it by hand"
        )
    key = keys[0]
    if asked is not None and asked != key["name"]:
        raise Refused(f"--pk {asked}: the primary key of {label} is {names}")
    if key["base_type"] not in KEY_TYPES:
        raise Refused(
            f"the primary key {label}.{key['name']} is of type {key['type']}:"
            f" windows can walk {', '.join(sorted(KEY_TYPES))}"
        )
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
    if column["in_key"]:
        raise Refused(f"{name} is the primary key itself: its windows would move under the rotation")
    if column["generated"]:
        raise Refused(f"{name} is generated from other columns: rotate those")
    if column["base_type"] not in {"uuid"} | TEXT_TYPES:
        raise Refused(f"{name} is of type {column['type']}: uuid, text, varchar and char can be rotated")
    if not (column["may_select"] and column["may_update"]):
        raise Refused(f"this role may not change {name}: GRANT SELECT, UPDATE on it first")
    return column
