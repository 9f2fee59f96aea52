"""The guard of a model's field: a trigger by which no revoked token is written back.

    class Meta:
        triggers = [TokenGuard("token")]

The model's migrations then install what a run would install otherwise, as the table's owner:
`sql/schema/guard.sql` says what it does.
"""

import re
from typing import Any

import pgtrigger
from django.db import connections, router
from pgtrigger import compiler, utils

#: Names of the triggers that `rotate_tokens_sql` installs; those of models begin with pgtrigger_.
INSTALLED_PREFIX = "rotation_guard_"


class GuardSql(compiler.UpsertTriggerSql):
    """The installation of a guard. Migrations refer to this class, and keep nothing but names.

    `func` holds the column's name as an SQL string. What is installed comes from the state of rotations,
    so a later version of it needs no migration of the model.
    """

    def get_template(self) -> str:
        """Return the statements, with pgtrigger's fields in braces."""
        return """
            DO $install_guard$
            DECLARE
                guarded regclass := $table${table}$table$;
                path text := pg_catalog.current_setting('search_path');
                schemas name[] := pg_catalog.current_schemas(false);
                prepare regproc;
                statement text;
            BEGIN
                PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
                -- Not what somebody put there who may only create objects in a schema of the path.
                SELECT function.oid INTO prepare
                FROM unnest(schemas) WITH ORDINALITY AS searched (name, place)
                INNER JOIN pg_namespace AS namespace ON namespace.nspname = searched.name
                INNER JOIN pg_proc AS function
                    ON function.pronamespace = namespace.oid
                    AND function.proname = 'rotation_prepare_guard'
                INNER JOIN pg_roles AS owner ON owner.oid = function.proowner
                INNER JOIN pg_roles AS this ON this.rolname = current_user
                -- A superuser is a member of every role.
                WHERE owner.rolsuper
                    OR owner.oid = this.oid
                    OR (pg_has_role(owner.oid, 'USAGE') AND NOT this.rolsuper)
                ORDER BY searched.place
                LIMIT 1;
                -- Where rotations have no state yet there is nothing to guard by: it follows with that.
                IF prepare IS NOT NULL THEN
                    FOR statement IN EXECUTE concat(
                        'SELECT ', prepare, '(attrelid, attnum, $2) FROM pg_attribute',
                        ' WHERE attrelid = $1 AND attname = $3'
                    ) USING guarded, '{pgid}', {func}
                    LOOP
                        EXECUTE statement;
                    END LOOP;
                    EXECUTE concat(
                        'COMMENT ON TRIGGER {pgid} ON ', guarded, ' IS ', quote_literal('{hash}')
                    );
                END IF;
                PERFORM set_config('search_path', path, true);
            END;
            $install_guard$;
        """


class Guard(compiler.Trigger):
    """A compiled guard. It is two triggers, of which django-pgtrigger knows the first."""

    @property
    def uninstall_sql(self) -> str:
        """The statements that drop both."""
        return f"""
            DO $drop_guard$
            DECLARE
                statement text;
            BEGIN
                FOR statement IN
                    SELECT pg_catalog.concat(
                        'DROP TRIGGER ', pg_catalog.quote_ident(half.tgname),
                        ' ON ', half.tgrelid::regclass
                    )
                    FROM pg_catalog.pg_trigger AS known
                    INNER JOIN pg_catalog.pg_trigger AS half
                        ON half.tgrelid = known.tgrelid AND half.tgfoid = known.tgfoid
                    WHERE known.tgrelid = $table${_quoted(self.sql.table)}$table$::regclass
                        AND known.tgname = '{self.sql.pgid}'
                LOOP
                    EXECUTE statement;
                END LOOP;
            END;
            $drop_guard$;
        """  # noqa: S608 (names that django-pgtrigger has checked)


class TokenGuard(pgtrigger.Trigger):
    """Guards one field of a model against the return of a revoked token."""

    when = pgtrigger.Before
    operation = pgtrigger.Update
    func = "RETURN NEW;"

    def __init__(self, field: str = "token", *, name: str | None = None) -> None:
        self.field = field
        super().__init__(name=name or f"guard_{field}"[:47])

    def compile(self, model: Any) -> compiler.Trigger:
        """Return the guard of a model, as its migrations keep it."""
        return Guard(
            name=self.name,
            sql=GuardSql(
                pgid=self.get_pgid(model),
                func=quote_literal(model._meta.get_field(self.field).column),
                table=model._meta.db_table,
                when=self.when,
                operation=self.operation,
            ),
        )


def install_missing(using: str) -> None:
    """Install the guards of models whose tables are there, are this role's, and have none yet.

    A model's migrations may run before those of rotations, without whose state there is nothing to ask.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for model, trigger in pgtrigger.registered():
            if not isinstance(trigger, TokenGuard) or not router.allow_migrate_model(using, model):  # type: ignore[arg-type]
                continue
            cursor.execute(
                "SELECT FROM pg_catalog.pg_class"
                " WHERE oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(%s)::pg_catalog.oid"
                " AND pg_catalog.pg_has_role(relowner, 'USAGE') AND NOT EXISTS (SELECT"
                " FROM pg_catalog.pg_trigger WHERE tgrelid OPERATOR(pg_catalog.=) pg_class.oid"
                " AND tgname OPERATOR(pg_catalog.=) %s)",
                [_quoted(model._meta.db_table), trigger.get_pgid(model)],
            )
            if cursor.fetchone() is not None:
                cursor.execute(trigger.compile(model).install_sql, None)


def quote_literal(name: str) -> str:
    """Quote a name as a string constant. Raises ValueError for one that can't be there."""
    if "\0" in name or re.search(r"\$(install_guard|table)\$", name):
        raise ValueError(f"{name!r} can't be guarded by a model's migrations: rename it")
    escape = "E" if "\\" in name else ""
    return escape + "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"


def _quoted(table: str) -> str:
    """A model's table as SQL names it."""
    return str(utils.quote(table))  # type: ignore[no-untyped-call]
