"""Django's PostgreSQL backend, which starts the embedded server when nothing answers."""

from typing import Any

import psycopg2
from django.db.backends.postgresql import base as postgresql

from app.localpg.server import ServerError, project_server


class DatabaseWrapper(postgresql.DatabaseWrapper):
    """Connects to the project's embedded server; the server starts at the first connection."""

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
        except psycopg2.OperationalError:
            try:
                project_server().ensure(conn_params["dbname"])
            except ServerError as error:
                raise psycopg2.OperationalError(str(error)) from error
            return super().get_new_connection(conn_params)
