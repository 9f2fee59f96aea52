"""Django's migrate, one at a time: two at once, e.g. of two starting containers, fail in Django."""

from typing import Any

from django.core.management.commands import migrate
from django.db import DatabaseError, connections

from app.rotation.engine.db import driver
from app.rotation.engine.db.identity import worker_name
from app.rotation.engine.db.session import Row, Session
from app.rotation.engine.db.sqlstate import translated
from app.rotation.engine.db.stop import StopSwitch
from app.rotation.engine.errors import DatabaseFailure, Refused, Stopped
from app.rotation.engine.preflight.server import describe_server
from app.rotation.management import base
from app.rotation.management.console import Console
from app.rotation.operations.attending import attended

LOCK = 7_264_518  # a number of our own
#: insufficient_privilege; invalid_schema_name: none of the search path may be used.
NO_RIGHTS = {"42501", "3F000"}
STRANGER = "RT001"  # raised by sql/schema/privileges.sql


class Command(base.RotationCommand, migrate.Command):
    def handle(self, *args: Any, **options: Any) -> Any:
        with base.one_line_errors():
            (alias,) = self.databases(options)
            reporter = Console(self.stdout, "lines", options["verbosity"])
            with attended([alias], reporter, patient=False) as stop:
                server = describe_server(Session(alias, stop=stop))
                if server["standby"]:
                    raise Refused("this server is a standby: point the command at the primary")
                return self.migrate(alias, server, stop, *args, **options)

    def migrate(self, alias: str, server: Row, stop: StopSwitch, *args: Any, **options: Any) -> Any:
        """Migrate, unless a stop is requested; each migration is done whole, or not at all."""
        connection = connections[alias]
        connection.ensure_connection()

        def heed(execute: Any, *statement: Any) -> Any:
            if stop.requested:
                raise Stopped(f"by {stop.reason}; run the same command again")
            return execute(*statement)

        with (
            stop.cancellable(connection.connection, at_once=True),
            connection.execute_wrapper(heed),
        ):
            try:
                with translated("migrating", alias):
                    return self.alone(alias, *args, **options)
            except DatabaseFailure as failure:
                if failure.sqlstate in NO_RIGHTS:
                    raise Refused(
                        f"role {server['role']} may not create or alter what a migration needs: GRANT"
                        f" USAGE, CREATE ON SCHEMA public TO {server['role_quoted']}, or migrate as the"
                        " tables' owner; migrations that were applied stay"
                    ) from failure
                raise

    def shows(self, options: dict[str, Any]) -> bool:
        """With --plan, nothing else."""
        return bool(options["plan"])

    def alone(self, alias: str, *args: Any, **options: Any) -> Any:
        """Migrate while no other process does."""
        with connections[alias].cursor() as cursor:
            # Under a name by which what it waits for can be told.
            cursor.execute("SELECT set_config('application_name', %s, false)", [worker_name("migrate")])
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            return super().handle(*args, **options)
        except DatabaseError as error:
            cause: Any = error.__cause__
            if driver.sqlstate(cause) == STRANGER:
                raise Refused(cause.diag.message_primary) from error
            raise
        finally:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
