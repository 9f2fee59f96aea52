"""Somebody who may create objects, and tries to have them used with another role's rights."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests.conftest import Database
from tests.proof.account import old


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


#: A table that follows the tokens of another, whose trigger makes its owner superuser.
CHILD = (
    "CREATE TABLE mine.child (key uuid REFERENCES public.account (api_key) ON UPDATE CASCADE);"
    "INSERT INTO mine.child SELECT unnest(%s::uuid[]);"
    "CREATE FUNCTION mine.t() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
    " IF current_user <> '{role}' THEN EXECUTE 'ALTER ROLE {role} SUPERUSER'; END IF;"
    " RETURN NULL; END$$;"
    "CREATE TRIGGER t AFTER UPDATE ON mine.child FOR EACH ROW EXECUTE FUNCTION mine.t();"
)


def referable(db: Database, role: str) -> list[str]:
    """A role that may refer to the tokens, as for a foreign key."""
    db.sql("ALTER TABLE account ADD UNIQUE (api_key)")
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {role}; GRANT REFERENCES (api_key) ON account TO {role}")
    return [old(db, key) for key in range(1, 21)]


def become(db: Database, role: str) -> str:
    """What outlives the rollback of the window."""
    command = (
        f"{db.server.binaries}/psql -h {db.server.sockets} -U postgres {db.name}"
        f" -c 'ALTER ROLE {role} SUPERUSER'"
    )
    return f"COPY (SELECT 1) TO PROGRAM $p${command}$p$;"


def evil_functions(db: Database, role: str) -> str:
    return (
        evil_where_nothing_is_written(db, "mine.g()", "text", "'x'", role)
        + "CREATE FUNCTION mine.f(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
        " $$BEGIN RETURN mine.g(); END$$;"
    )
