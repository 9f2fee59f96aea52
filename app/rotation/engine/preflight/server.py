"""What must be true of the server before anything is written."""

from django.db import connections, router

from ...models import Rotation
from ...schema import GRANTED, STATE_FUNCTIONS, STATE_TABLES
from ..db.session import Row, Session
from ..errors import ConnectionLost, LockConflict, Refused
from ..events import Connected
from ..table.owners import code_of_others

OLDEST_VERSION = 130000  # gen_random_uuid() is built in since PostgreSQL 13


def check_server(session: Session) -> Row:
    """Return what the server is (see describe_server.sql).

    Raises Refused if it is too old, read-only, or lacks the tables of our state.
    """
    server = describe_server(session)
    refuse_old(server["version"])
    if server["standby"]:
        raise Refused("this server is a standby: point the command at the primary")
    if server["read_only"]:
        raise Refused(
            f"role {server['role']} is read-only here (default_transaction_read_only):"
            " use a role that may write"
        )
    if server["unsafe"]:
        raise Refused(
            f"with {server['unsafe']} as it is set for role {server['role']} or this database, rows,"
            f" triggers or foreign keys are skipped: ALTER ROLE {server['role_quoted']} RESET it"
        )
    require_state(session, server)
    require_closed_schema(server)
    require_privileges(server)
    return server


def require_closed_schema(server: Row) -> None:
    """Raise Refused if others may put objects beside the state, or call its functions."""
    if server["intruders"]:
        schema = server["state_schema_quoted"]
        others = server["intruders"]
        raise Refused(
            f"{others} may create objects in schema {schema}, which holds the rotation's state, and so"
            f" hijack its calls: REVOKE CREATE ON SCHEMA {schema} FROM {others}, then run the same"
            " command again; or, if one of them owns it, migrate rotation into a schema of its own"
        )
    if server["for_everybody"]:
        schema = server["state_schema_quoted"]
        raise Refused(
            "PUBLIC may execute functions of the rotation's state (restored without privileges?): REVOKE"
            f" EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC, then run the same command again"
        )


def require_privileges(server: Row) -> None:
    """Raise Refused if this role or the state's owner lacks a privilege."""
    if not server["may_write_state"]:
        role = server["role_quoted"]
        schema = server["state_schema_quoted"]
        granted = ", ".join(f"{schema}.{name}" for name in GRANTED)
        raise Refused(
            f"role {server['role']} may not write the rotation's state: GRANT SELECT, INSERT, UPDATE ON"
            f" {schema}.rotation, {schema}.batchprogress, {schema}.rotation_leftover TO {role};"
            f" GRANT SELECT, INSERT ON {schema}.rotation_window, {schema}.rotation_revoked TO {role};"
            f" GRANT EXECUTE ON FUNCTION {granted} TO {role}"
        )
    if not server["owner_may_create"]:
        owner = server["state_owner"]
        schema = server["state_schema_quoted"]
        raise Refused(
            f"role {owner}, which owns the rotation's state, may not create tables in schema {schema},"
            f" but each column's set of hashes is one: GRANT CREATE ON SCHEMA {schema} TO {owner}, then"
            " run the same command again"
        )


def connected(session: Session, server: Row) -> Connected:
    """Where a session is, for people."""
    return Connected(
        server["version_text"],
        server["address"],
        server["database"],
        server["role"],
        getattr(connections[session.alias], "embedded", False),
    )


def describe_server(session: Session) -> Row:
    """Return what the server is. Raises Refused, with what to do, if it can't be reached."""
    try:
        return session.row("describe_server")
    except ConnectionLost as lost:
        if lost.connected:  # it was cut: another try may be luckier
            raise
        raise Refused(f"can't connect to database {session.alias}: {lost}") from lost
    except LockConflict as conflict:
        if session.stop.requested:
            raise
        raise Refused(
            f"the database {session.alias} cancels even a short query: raise statement_timeout and"
            " lock_timeout of this role and of the database"
        ) from conflict


def require_state(session: Session, server: Row) -> None:
    """Raise Refused if the tables of our state are missing, else name them to the session."""
    if server["citus"] and not session.row("is_coordinator")["here"]:
        raise Refused("this server is a worker node of Citus: point the command at the coordinator")
    if server["state_schema"] is None and server["states"]:
        raise Refused(
            f"role {server['role']} can't see the rotation's state, which is in schema"
            f" {server['states']}: GRANT USAGE ON SCHEMA {server['states']} TO {server['role_quoted']},"
            " and put it on that role's search_path"
        )
    if server["state_schema"] is None and not router.allow_migrate_model(session.alias, Rotation):
        raise Refused(
            f"DATABASE_ROUTERS keep the rotation's state out of database {session.alias}: let"
            " allow_migrate accept the app rotation there; then run python manage.py migrate --database"
            f" {session.alias} --fake rotation zero, and the same without --fake and zero"
        )
    if server["state_schema"] is None:
        raise Refused(
            "the tables of the rotation's state are not in this database:"
            f" run python manage.py migrate rotation --database {session.alias}"
        )
    refuse_strangers(session, server)
    names = (*STATE_TABLES, *STATE_FUNCTIONS)
    session.names |= {name: (server["state_schema"], name) for name in names}
    session.names["state"] = (server["state_schema"],)
    session.aurora = server["aurora"]


def refuse_strangers(session: Session, server: Row) -> None:
    """Raise Refused if using the state would call somebody else's code."""
    tables = server["state_tables"]
    # Who owns the schema is told by require_closed_schema.
    found = code_of_others(session, tables, server["state_schema"], lent=tables[0])
    strangers = server["strangers"] or ", ".join(found.values())
    if strangers:
        raise Refused(
            f"the rotation's state in schema {server['state_schema_quoted']} would call {strangers},"
            " with this role's rights: drop it, give it to the state's owner, or migrate rotation into a"
            " schema of its own"
        )
    if server["superuser"] and not server["owned_by_superuser"]:
        raise Refused(
            f"{server['role']} is a superuser, but the rotation's state in schema"
            f" {server['state_schema_quoted']} belongs to {server['state_owner']}, whose code would run"
            f" with a superuser's rights: run as {server['state_owner']}, or migrate rotation as"
            f" {server['role']} into a schema of its own"
        )
    if server["rivals"]:
        raise Refused(
            f"the rotation's state in schema {server['state_schema_quoted']}, the first in this role's"
            f" search_path, belongs to {server['state_owner']}, whose code would run with this role's"
            f" rights, and there is another in schema {server['rivals']}: put that schema first, or drop"
            " the state that nobody uses"
        )


def refuse_old(version: int) -> None:
    """Raise Refused for a server_version_num below 13."""
    if version < OLDEST_VERSION:
        raise Refused(
            f"PostgreSQL {version // 10000} has no built-in gen_random_uuid(): upgrade to 13 or later"
        )
