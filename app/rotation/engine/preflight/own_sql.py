"""SQL of the operator's own: whether PostgreSQL accepts it where it goes, and what it makes."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..db.session import Row, Session
from ..db.sqlstate import READ_ONLY
from ..db.statements import Fragment, load
from ..errors import DatabaseFailure, LockConflict, UsageError
from ..events import NOTE, REFUSE, WARN, Found
from ..recipe import Companion
from ..state.rotations import find_cancelled
from ..table.target import TEXT_TYPES, Target
from ..text import count, one_line, quoted, shown, spelled
from .secrets import BESIDE, how_computed, sampled

#: What PostgreSQL says of a hash of text.
OF_TEXT = re.compile(r"\bsha(224|256|384|512)\((text|character varying|character|unknown|uuid)\)")
#: What it says of NULL and plain strings, which are text where no type is written.
OF_ANOTHER_TYPE = re.compile(r"is of type (.+) but expression is of type text")
STRING = re.compile(r"'(?:[^']|'')*'")
NOT_COMPARED = {"bytea", "citext"}  # types of columns that may be computed from a token
SAMPLE = 1000  # rows for which the expression is evaluated before the run starts
SAMPLE_TIMEOUT = "10s"


def require_sound(session: Session, target: Target) -> None:
    """Let PostgreSQL parse the SQL, alone and in the UPDATE. Raises UsageError with its answer."""
    recipe = target.recipe
    pieces = {
        "--expression": ("parse_alone", "{expression}" if recipe.expression else ""),
        "--where": ("parse_alone", "{where}" if recipe.where else ""),
    }
    for n, one in enumerate(recipe.companions):
        pieces[f"--also {one.column}"] = ("parse_companion", f"{{companion_sql_{n}}}")
    given = {flag: piece for flag, piece in pieces.items() if piece[1]}
    if not given:
        return
    with session.reading():
        texts = _flags_of_text(session, target)
        for flag, (statement, piece) in given.items():
            # On lines of its own: it may end with a comment.
            made = f"\n{piece}\n"
            _parse(session, flag, _composed(session, statement, made))
            bytes_of_it = load("is_bytes").replace("{made}", made)
            if flag in texts and not _problem(session, _composed(session, statement, bytes_of_it)):
                raise UsageError(
                    f"{flag}: it makes bytes, of which text would get the digits after \\x: encode them,"
                    " as in encode(sha256(convert_to(new_token, 'UTF8')), 'hex')"
                )
        bounds = target.window("", "") | {"lo": None, "hi": None}
        _parse(session, " and ".join(given), session.text("rotate_window", **bounds))


def _flags_of_text(session: Session, target: Target) -> set[str]:
    """The flags whose SQL fills a column of text, where PostgreSQL takes a value of any type."""
    columns = session.rows("list_columns", oid=target.oid)
    texts = {row["name"] for row in columns if row["base_type"] in TEXT_TYPES}
    flags = {f"--also {name}" for name in texts}
    return flags | {"--expression"} if target.is_text else flags


def _composed(session: Session, statement: str, piece: str) -> str:
    return replace(session, names=session.names | {"piece": Fragment(piece)}).text(statement)


def _problem(session: Session, statement: str) -> str:
    """What PostgreSQL says against a statement, or nothing."""
    return str(session.row("parse_sql", statement=statement.rstrip().rstrip(";"))["problem"])


def _parse(session: Session, flags: str, statement: str) -> None:
    problem = _problem(session, statement)
    if problem.endswith('at or near "]"'):
        problem = "it ends too early, or closes what it did not open"
    elif OF_TEXT.search(problem):
        problem += ": it takes bytes, as in sha256(convert_to(new_token, 'UTF8'))"
    elif "FROM-clause entry" in problem:
        problem += ": name columns without their table"
    elif wanted := OF_ANOTHER_TYPE.search(problem):
        problem += f": write its type, as in NULL::{wanted[1]}"
    if problem:
        raise UsageError(f"{flags}: PostgreSQL does not accept it: {one_line(problem)}")


def findings(session: Session, target: Target) -> list[Found]:
    """What is said of the SQL; the expression is evaluated for the first rows, without writing."""
    found = [*_of_companions(session, target), *_of_unset(session, target)]
    recipe = target.recipe
    if recipe.expression:
        found += _of_expression(session, target)
    if recipe.where:
        found += _of_condition(session, target, recipe.where)
    return found


def _of_condition(session: Session, target: Target, where: str) -> Iterator[Found]:
    text = (
        f"only rows for which {one_line(where)} is true are rotated, and only their tokens revoked; a"
        " row for which it becomes true after its window keeps its token"
    )
    yield Found(NOTE, text)
    names = [target.column, *(one.column for one in target.recipe.companions)]
    if changed := [name for name in names if _names(where, name)]:
        text = (
            f"--where names {one_line(' and '.join(changed))}, which the rotation changes: rotation keys"
            " lists only rows for which it is true afterwards"
        )
        yield Found(WARN, text)
    if earlier := find_cancelled(session, target):
        text = (
            f"{earlier} was cancelled: the tokens that it revoked are replaced wherever they are, also"
            " in rows for which --where is not true"
        )
        yield Found(WARN, text)
    if not _any_chosen(session):
        yield Found(WARN, f"no row fulfils --where {quoted(where)} now")


def _names(sql: str, column: str) -> bool:
    """Whether SQL names a column, outside its strings."""
    whole = re.compile(rf"(?<![\w$]){re.escape(column)}(?![\w$])", re.IGNORECASE)
    return bool(whole.search(STRING.sub("", sql)))


def _any_chosen(session: Session) -> bool:
    """Whether the condition is true of a row; also where that takes too long to find out."""
    try:
        with session.reading(SAMPLE_TIMEOUT):
            return bool(session.row("find_chosen")["found"])
    except LockConflict:
        if session.stop.requested:
            raise
        return True
    except DatabaseFailure as failure:
        raise UsageError(f"--where: PostgreSQL answered {failure.condition}") from failure


def _of_companions(session: Session, target: Target) -> Iterator[Found]:
    columns = {row["name"]: row for row in session.rows("list_columns", oid=target.oid)}
    for one in target.recipe.companions:
        name = f"{target.schema}.{target.table}.{one.column}"
        its = session.row("describe_table", oid=target.oid, attnum=columns[one.column]["attnum"])
        if its["in_partition_key"]:
            text = f"{name} is part of the partition key: its new value would move the row"
            yield Found(REFUSE, f"{text}; rotate it by hand")
        else:
            yield Found(NOTE, f"{one_line(name)} is set in the same UPDATE, to {one_line(one.sql)}")
            yield from _of_the_old_token(session, target, one, columns[one.column])


def _of_the_old_token(
    session: Session, target: Target, companion: Companion, column: Row
) -> Iterator[Found]:
    """A slip of whoever writes it: in its SQL the token's column is the old token."""
    if _names(companion.sql, "new_token") or not _names(companion.sql, target.column):
        return
    text = (
        f"--also {one_line(companion.column)}: {one_line(target.column)} is the old token there, and"
        " new_token is the new one"
    )
    how = _computed_by(session, column)
    if how:
        flag = quoted(f"{companion.column}={how}")
        text += f", from which it is computed in every row looked at: --also {flag}"
    yield Found(REFUSE if how else WARN, text)


def _computed_by(session: Session, column: Row) -> str:
    """The SQL that computes a column from the token in every row looked at, or nothing."""
    if column["base_type"] not in TEXT_TYPES or not column["may_select"]:
        return ""
    own = replace(session, names=session.names | {"beside": (column["name"],)})
    return how_computed(sampled(own, "compare_companion"))


def _of_unset(session: Session, target: Target) -> Iterator[Found]:
    """What is computed from the token in the same row, and would be of the old one afterwards."""
    known = {one.column for one in target.recipe.companions} | {target.column, target.pk}
    for row in session.rows("list_columns", oid=target.oid):
        name = row["name"]
        if name in known or row["generated"] or not BESIDE.search(name):
            continue
        if row["base_type"].rpartition(".")[2] in NOT_COMPARED:
            text = (
                f"{one_line(name)}, of type {row['type']}, is not compared with {target.label}: if it is"
            )
            yield Found(
                WARN, f"{text} computed from it, it would stay that of the old token: add --also"
            )
        if how := _computed_by(session, row):
            flag = quoted(f"{name}={how}")
            leave = quoted(f"{name}={spelled('', name)}")
            yield Found(
                REFUSE if target.placement.takes_guard else WARN,
                f"{one_line(name)} is computed from {target.label} in every row looked at, and would"
                f" stay that of the old token: add --also {flag} (--also {leave} leaves it as it is)",
            )


def _of_expression(session: Session, target: Target) -> Iterator[Found]:
    text = f"each new token of {target.label} is {one_line(target.recipe.expression or '')}"
    yield Found(NOTE, f"{text}: how hard that is to guess is for you to judge")
    found, quick = _sample(session)
    if not found or not found["tokens"]:
        return
    of_rows = f"of {count(found['tokens'], 'row')} for which --expression was evaluated"
    if found["missing"]:
        yield Found(REFUSE, f"{of_rows}, {found['missing']} got NULL: no token would be left there")
    # Of a large table's rows most are not in the sample, and any can lack what the token is made of.
    elif quick and (rows := _evaluated(session, "find_no_token")):
        its = f"{target.pk} {shown(rows[0]['key'])}"
        yield Found(REFUSE, f"--expression is NULL for the row with {its}: no token would be left there")
    elif found["kept"]:
        yield Found(REFUSE, f"{of_rows}, {found['kept']} got the token that they have now")
    elif found["distinct_tokens"] < found["tokens"]:
        text = f"{of_rows}, only {found['distinct_tokens']} got a token of their own"
        yield Found(REFUSE, f"{text}: name a volatile function in it, or the row's key")
    elif found["repeated"]:
        text = f"{of_rows} twice, {found['repeated']} got the same both times: it is not random, and"
        yield Found(WARN, f"{text} whoever knows it and the row can compute the new token")


def _sample(session: Session) -> tuple[Row | None, bool]:
    """What the expression makes of some rows; None if it writes, or is too slow. Whether it is quick."""
    for size in (SAMPLE, SAMPLE // 100):
        if found := _evaluated(session, "sample_expression", most=size):
            return found[0], size == SAMPLE
    return None, False


def _evaluated(session: Session, statement: str, **parameters: Any) -> list[Row]:
    """The rows of a statement that evaluates the expression; none if that writes, or is too slow."""
    try:
        with session.reading(SAMPLE_TIMEOUT):
            return session.rows(statement, **parameters)
    except LockConflict:
        if session.stop.requested:
            raise
    except DatabaseFailure as failure:
        if failure.sqlstate != READ_ONLY:
            raise UsageError(f"--expression: PostgreSQL answered {failure.condition}") from failure
    return []
