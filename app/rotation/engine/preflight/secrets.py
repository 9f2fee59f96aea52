"""Which columns of a database look like secrets: by their names, and by the shapes of their values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ...schema import STATE_TABLES
from ..db.session import Row, Session
from ..errors import ConnectionLost, DatabaseFailure, LockConflict
from ..formats import ALPHABETS, LEAST_RANDOM_BITS, LONGEST, parse_format
from ..table.owners import code_of_others
from ..table.target import KEY_TYPES, TEXT_TYPES

SAMPLE = 1000  # values of a column that are looked at
SAMPLE_TIMEOUT = "5s"
UUIDS = "UUIDs"  #: in words
NOT_LOOKED_AT = "not looked at"  #: values
FEWEST = 3  # rows that must agree that one column is computed from another
#: Names of secrets, and names that may be: those count if the values look random.
LIKELY = re.compile(
    r"(^|_)(token|secret|api_?key|access_?key|secret_?key|auth_?key|private_?key|session_?key|signing_?key"
    r"|webhook_?key|password|passphrase|client_?secret|refresh|bearer|invitation|invite|otp)s?"
    r"(_(hash|digest|hashed|key|code|value))?$",
    re.IGNORECASE,
)
PERHAPS = re.compile(r"(^|_|hashed_?)(key|code|hash|digest|nonce|credential|pin|slug)s?$", re.IGNORECASE)
#: Names of what is computed from a token beside it.
BESIDE = re.compile(
    r"(hash|digest|checksum|fingerprint|prefix|suffix|last_?(4|four|chars)|first_?chars|preview|hint|masked"
    r"|token_key|short)",
    re.IGNORECASE,
)
DIGEST = re.compile(r"hash|digest|checksum", re.IGNORECASE)
#: What is computed so, from what is counted.
COMPUTED = {
    "md5": "md5(new_token::text)",
    "sha256": "encode(sha256(convert_to(new_token::text, 'UTF8')), 'hex')",
    "sha512": "encode(sha512(convert_to(new_token::text, 'UTF8')), 'hex')",
}
CHARACTERS = {
    "hex": "0-9 a-f",
    "alnum": "0-9 a-z",
    "base62": "0-9 A-Z a-z",
    "urlsafe": "0-9 A-Z a-z _ -",
}


@dataclass(frozen=True)
class Shape:
    """What values look like."""

    values: str = "unknown"  #: plain, digest, password hash, signed, encrypted, none, not looked at
    text: str = ""  #: in words
    template: str | None = None  #: the format of new ones like them; None: UUIDs, or none is known
    random: bool = False  #: they look as if nobody had chosen them


@dataclass(frozen=True)
class Secret:
    """A column that looks like one."""

    schema: str
    table: str
    column: str
    type: str
    rows: int | None  #: about
    visible: bool  #: by the table's name alone
    inherits: bool  #: its table takes part in table inheritance
    key: str | None  #: by which windows walk without --walk
    walk: str | None  #: by which they can with it
    shape: Shape
    others: tuple[str, ...] = ()  #: the table's other columns that could hold text
    beside: dict[str, str] = field(default_factory=dict)  #: companions, and how they are computed

    @property
    def is_text(self) -> bool:
        """Whether it can be rotated at all."""
        return self.type in TEXT_TYPES | {"uuid"}


def find_secrets(session: Session, known: set[tuple[str, str]]) -> Iterator[Secret]:
    """Yield the columns that look like secrets, and `known` ones (table, column); writes nothing."""
    with session.reading():
        its = {"state_schema": session.state_schema, "state_tables": list(STATE_TABLES)}
        columns = session.rows("list_text_columns", **its)
        tables = {row["oid"] for row in columns}
        # Reading, or planning to, runs what the table's indexes and statistics call.
        strange = code_of_others(session, tables, session.state_schema)
    beside: set[tuple[int, str]] = set()
    found = []
    for row in columns:
        named = (row["table"], row["column"]) in known or LIKELY.search(row["column"])
        if row["refers"] or not (named or PERHAPS.search(row["column"])):
            continue
        one = _look(session, row, columns, strange.get(row["oid"], ""))
        beside |= {(row["oid"], name) for name in one.beside}
        if named or one.shape.random:
            found.append((row["oid"], one))
    yield from (one for oid, one in found if (oid, one.column) not in beside)


def _look(session: Session, row: Row, columns: list[Row], strange: str) -> Secret:
    """Look at some values of a column, and at what is computed from them.

    Not if that would lend this role's rights to others, whose code is `strange`.
    """
    around = [one["column"] for one in columns if one["oid"] == row["oid"] and one["may_read"]]
    walks = [name for name, kind in (row["walks"] or {}).items() if kind in KEY_TYPES]
    walks = [name for name in walks if name != row["column"]]
    secret = Secret(
        schema=row["schema"],
        table=row["table"],
        column=row["column"],
        type=row["type"],
        rows=row["rows"],
        visible=row["visible"],
        inherits=row["inherits"],
        key=row["key"] if row["key"] in walks else None,
        walk=next((name for name in walks if name != row["key"]), None),
        shape=Shape(NOT_LOOKED_AT),
        others=tuple(name for name in around if name != row["column"]),
    )
    if not (row["may_read"] and secret.is_text):
        return secret
    if strange:
        lent = f"as that would lend this role's rights to {strange}"
        return replace(secret, shape=Shape(NOT_LOOKED_AT, lent))
    its = {"target": (row["schema"], row["table"]), "column": (row["column"],)}
    own = replace(session, names=session.names | its)
    counted = sampled(own, "sample_shapes")
    if counted is None:
        return secret
    shape = shape_of(row["column"], counted)
    computed: dict[str, str] = {}
    if shape.values == "plain":
        for name in secret.others:
            if BESIDE.search(name):
                with_it = replace(own, names=own.names | {"beside": (name,)})
                how = how_computed(sampled(with_it, "compare_companion"))
                computed |= {name: how} if how else {}
    return replace(secret, shape=shape, beside=computed)


def sampled(session: Session, statement: str, **parameters: Any) -> Row | None:
    """What is counted; None if that is not possible, or takes too long."""
    try:
        with session.reading(SAMPLE_TIMEOUT):
            return session.row(statement, most=SAMPLE, **parameters)
    except ConnectionLost:
        raise
    except (LockConflict, DatabaseFailure):
        if session.stop.requested:
            raise
        return None


def shape_of(name: str, counted: Row) -> Shape:
    """The shape of the values of a column, by counts."""
    tokens = counted["tokens"]
    if not tokens:
        return Shape("none")
    for made, what in (("hashed", "password hash"), ("signed", "signed"), ("encrypted", "encrypted")):
        if counted[made] == tokens:
            return Shape(what)
    values = "digest" if DIGEST.search(name) else "plain"
    distinct = counted["distinct_tokens"] == tokens
    prefix = counted["prefix"]
    if counted["uuids"] == tokens:
        return Shape(values, prefix + UUIDS, f"{prefix}{{uuid}}" if prefix else None, distinct)
    length = counted["longest"]
    kind = next((kind for kind in CHARACTERS if counted[kind] == tokens), None)
    span = f"{counted['shortest']} to {length}" if counted["shortest"] != length else f"{length}"
    if kind is None:
        return Shape(values, f"{span} characters of other kinds")
    text = f"{span} of {CHARACTERS[kind]}" + (f" after {prefix}" if prefix else "")
    # As many letters as a format must have; a longer token is no worse.
    template = f"{prefix}{{{kind}:{min(length, LONGEST)}}}"
    try:
        parse_format(template)
    except ValueError:
        return Shape(values, f"{text}: less than {LEAST_RANDOM_BITS} random bits")
    return Shape(values, text, template, distinct and kind in ALPHABETS)


def how_computed(counted: Row | None) -> str:
    """The SQL that computes a column from a token, if every row agrees; or nothing."""
    if not counted or counted["rows"] < FEWEST or counted["different"] == 1:
        return ""
    for name, sql in COMPUTED.items():
        if counted[name] == counted["rows"]:
            return sql
    same = counted["shortest"] == counted["longest"]
    for name, function in (("first", "left"), ("last", "right")):
        if same and counted[name] == counted["rows"]:
            return f"{function}(new_token::text, {counted['longest']})"
    return ""
