"""Somebody who may create objects, and tries to have them used with another role's rights."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests.conftest import Database


def is_super(db: Database, role: str) -> bool:
    return bool(db.value("SELECT rolsuper FROM pg_roles WHERE rolname = %s", role))


def evil(name: str, arguments: str, returns: str, value: str, role: str) -> str:
    """A function that makes the role superuser if another calls it who may do that."""
    return (
        f"CREATE FUNCTION {name}({arguments}) RETURNS {returns} LANGUAGE plpgsql AS $$BEGIN"
        f" IF current_user <> '{role}' THEN EXECUTE 'ALTER ROLE {role} SUPERUSER'; END IF;"
        f" RETURN {value}; END$$;"
    )


def evil_where_nothing_is_written(db: Database, name: str, returns: str, value: str, role: str) -> str:
    """The same, by a program on the server: a READ ONLY transaction does not keep it from that."""
    become = (
        f"{db.server.binaries}/psql -h {db.server.sockets} -U postgres {db.name}"
        f" -c 'ALTER ROLE {role} SUPERUSER'"
    )
    return (
        f"CREATE FUNCTION {name} RETURNS {returns} LANGUAGE plpgsql AS $$BEGIN"
        f" IF current_user <> '{role}' THEN COPY (SELECT 1) TO PROGRAM $p${become}$p$; END IF;"
        f" RETURN {value}; END$$;"
    )


@contextmanager
def acting(db: Database, role: str, autocommit: bool = True) -> Iterator[tuple[Any, Any]]:
    """A session of the role, and its cursor."""
    with closing(db.connect(user=role, autocommit=autocommit)) as session, session.cursor() as cursor:
        yield session, cursor
