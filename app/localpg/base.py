"""Django's PostgreSQL backend, which starts the embedded server when nothing answers."""

from collections.abc import Iterable
from typing import Any

from django.db.backends.postgresql import base as postgresql
from django.db.backends.postgresql.client import DatabaseClient as PostgresqlClient

from app.localpg.server import ServerError, project_server


class DatabaseClient(PostgresqlClient):
    """`manage.py dbshell`, with the embedded psql."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """Return psql's command line with the address of the embedded server."""
        server = project_server()
        server.ensure(settings_dict["NAME"])
        address = server.address(settings_dict["NAME"])
        located = settings_dict | {"HOST": address["host"], "PORT": "", "USER": address["user"]}
        arguments, environment = super().settings_to_cmd_args_env(located, parameters)
        return [str(server.binaries / "psql"), *arguments[1:]], environment


class DatabaseWrapper(postgresql.DatabaseWrapper):
    """Connects to the project's embedded server; the server starts on the first connection."""

    client_class = DatabaseClient
    embedded = True  #: for messages

    def get_connection_params(self) -> dict[str, Any]:
        """Return libpq's parameters, with the address of the embedded server."""
        return {
            **super().get_connection_params(),
            **project_server().address(self.settings_dict["NAME"]),
        }

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect; if nothing answers, start the server and connect again."""
        try:
            return super().get_new_connection(conn_params)
        except self.Database.OperationalError:
            try:
                project_server().ensure(conn_params["dbname"])
            except ServerError as error:
                raise self.Database.OperationalError(str(error)) from error
            return super().get_new_connection(conn_params)
