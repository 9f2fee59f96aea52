"""What a rotation writes, and into which rows: a format, or SQL of the operator's own."""

from dataclasses import dataclass

from .formats import TokenFormat


@dataclass(frozen=True)
class Companion:
    """Another column of the row, set in the same UPDATE as the token."""

    column: str
    sql: str  #: its new value; may name `new_token`


@dataclass(frozen=True)
class Recipe:
    """How new tokens are made, what is set along with them, and in which rows."""

    form: TokenFormat | None = None  #: of new tokens; None: UUIDs, spelled as the row's old token is
    expression: str | None = None  #: SQL of a new token, evaluated for every row
    companions: tuple[Companion, ...] = ()
    where: str | None = None  #: SQL that is true for the rows to rotate; None: all


#: Every row gets a UUID.
UUIDS = Recipe()


def parse_companion(text: str) -> Companion:
    """Read `COLUMN=SQL`. Raises ValueError for anything else."""
    column, equals, sql = text.partition("=")
    if not (column.strip() and equals and sql.strip()):
        raise ValueError("expected COLUMN=SQL, as in token_hash=md5(new_token)")
    return Companion(column.strip(), sql.strip())
