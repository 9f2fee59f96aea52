"""The tables and columns of a database that could hold a copy of a token, as the catalog has them."""

import itertools
from dataclasses import dataclass, replace

from ...schema import STATE_TABLES
from ..db.session import Session
from ..db.statements import Fragment, Name, load
from ..table.owners import code_of_others
from ..table.target import Target
from ..text import one_line


@dataclass(frozen=True)
class Column:
    """A column that could hold a copy of a token; see list_candidates.sql."""

    name: str
    sort: str
    is_token: bool
    refers: bool
    indexed: bool
    obstacle: str | None  #: as there, or stranger: code of others would run
    exact: bool = False  #: tokens are any text, compared as it is, and not UUIDs

    def token(self, alias: str, placeholder: str) -> str:
        """The expression of its value as a token: a uuid, and NULL for text that is not one; or text."""
        column = f"{alias}.{{{placeholder}}}"
        if self.exact:
            return f'{column}::pg_catalog.text COLLATE "C"'
        if self.sort == "uuid":
            return f"{column}::pg_catalog.uuid"
        text = f"{column}::pg_catalog.text"
        digits = "^[0-9a-f](-?[0-9a-f]){{31}}$"  # doubled braces, as in a statement
        return (
            f"CASE WHEN pg_catalog.length({text}) BETWEEN 32 AND 63"
            f" AND {text} COLLATE \"C\" ~* '{digits}'"
            f" THEN pg_catalog.translate({text}, '-', '')::pg_catalog.uuid END"
        )

    def holds(self) -> str:
        """The condition that it holds the token `held.token`, using its index if it has one."""
        column = "looked_up.{looked_up_column}"
        if not self.indexed:
            return f"{self.token('looked_up', 'looked_up_column')} = held.token"
        if self.sort == "uuid":
            return f"{column} = held.token"
        kind = "bpchar" if self.sort == "padded" else "text"
        if self.exact:  # from bytes, which have no collation that the column's could conflict with
            bare = "pg_catalog.convert_from(pg_catalog.convert_to(held.token, 'UTF8'), 'UTF8')"
            return f"{column} = {bare}::pg_catalog.{kind}"
        spellings = load("list_spellings")
        return f"{column} = ANY ({spellings}::pg_catalog.{kind}[])"


@dataclass(frozen=True)
class CandidateTable:
    """A table with columns that could hold a copy of a token."""

    oid: int
    schema: str
    table: str
    plain: bool
    rows: int | None  #: None: not known
    pages: int
    columns: tuple[Column, ...]

    @property
    def label(self) -> str:
        """For people: schema.table."""
        return one_line(f"{self.schema}.{self.table}")

    @property
    def readable(self) -> "CandidateTable":
        """The same without the target's token and columns that this role may not read."""
        columns = (one for one in self.columns if not one.obstacle and not one.is_token)
        return replace(self, columns=tuple(columns))

    @property
    def names(self) -> dict[str, Name]:
        """What fills the braces for the table and its columns."""
        source = "ONLY {copied_table}" if self.plain else "{copied_table}"
        names: dict[str, Name] = {
            "copied_table": (self.schema, self.table),
            "copied": Fragment(source),
        }
        return names | {f"column_{n}": (one.name,) for n, one in enumerate(self.columns, 1)}


def list_candidates(session: Session, target: Target) -> list[CandidateTable]:
    """The tables with columns that could hold a copy, the target among them, in a transaction."""
    rows = session.rows(
        "list_candidates",
        oid=target.oid,
        attnum=target.attnum,
        state_schema=session.state_schema,
        state_tables=list(STATE_TABLES),
    )
    # Planning alone runs what a table's indexes and statistics call, with this role's rights.
    others = code_of_others(
        session, {row["oid"] for row in rows} - {target.oid}, session.state_schema, lent=target.oid
    )
    candidates = []
    for _, group in itertools.groupby(rows, key=lambda row: row["oid"]):
        of_table = list(group)
        columns = tuple(
            Column(
                name=row["column"],
                sort=row["sort"],
                is_token=row["is_token"],
                refers=row["refers"],
                indexed=row["indexed"],
                obstacle=row["obstacle"] or ("stranger" if row["oid"] in others else None),
                exact=target.any_text,
            )
            for row in of_table
        )
        first = of_table[0]
        candidates.append(
            CandidateTable(
                oid=first["oid"],
                schema=first["schema"],
                table=first["table"],
                plain=first["plain"],
                rows=first["rows"],
                pages=first["pages"],
                columns=columns,
            )
        )
    return candidates
