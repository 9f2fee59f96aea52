"""The guard: a trigger by which no revoked token is written back.

A Django model gets it in one line, and its migrations install it:

    class Meta:
        triggers = [TokenGuard("token")]

It looks the written token up in the revoked sets of the rotations of that column. On UPDATE a revoked
token is answered by the row's present one, so that a stale `save()` saves its other fields; on INSERT
of a new row by an error. Every other write passes. A row that changes its key while a snapshot is taken
has its token's hash kept apart, so that it can't pass the snapshot by.
"""

import hashlib
import re
from types import SimpleNamespace
from typing import Any

import pgtrigger
from pgtrigger import compiler

#: Names of guards that `rotate_tokens_sql` installs; those of models begin with pgtrigger_.
INSTALLED_PREFIX = "rotation_guard_"


class GuardSql(compiler.UpsertTriggerSql):
    """The installation of a guard. Migrations refer to this class: do not change what it installs.

    It differs from django-pgtrigger's own in that `pgtrigger.ignore` does not switch it off; in that
    ENABLE ALWAYS keeps session_replication_role from doing so; and in that the function runs with its
    owner's rights and names all it uses in full, because those who write to the table need none on the
    rotation's state.
    """

    def get_template(self) -> str:
        """Return the statements, with pgtrigger's fields in braces."""
        return """
            DO $install_guard$
            DECLARE
                state text := (
                    SELECT pronamespace::regnamespace
                    FROM pg_catalog.pg_proc
                    WHERE proname = 'rotation_revokes' AND pg_catalog.pg_function_is_visible(oid)
                    LIMIT 1
                );
            BEGIN
                IF state IS NULL THEN
                    RAISE EXCEPTION 'the guard needs the state of app.rotation: migrate rotation first';
                END IF;
                EXECUTE pg_catalog.replace($guard$
                    CREATE OR REPLACE FUNCTION {pgid}() RETURNS trigger
                    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
                    AS $body$
                    BEGIN
                        {func}
                    END;
                    $body$
                $guard$, '<state>', state);
            END;
            $install_guard$;

            DROP TRIGGER IF EXISTS {pgid} ON {table};
            CREATE TRIGGER {pgid}
                {when} {operation} ON {table}
                FOR EACH {level} {condition}
                EXECUTE FUNCTION {execute};
            ALTER TABLE {table} ENABLE ALWAYS TRIGGER {pgid};
            COMMENT ON TRIGGER {pgid} ON {table} IS '{hash}';
        """


class TokenGuard(pgtrigger.Trigger):
    """Guards one field of a model against the return of a revoked token.

    The rotation's own UPDATE passes by the WHEN clause, for which the transaction sets
    rotation.active: it costs far less than a look into the revoked set for every row.
    """

    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update
    condition = pgtrigger.Condition(
        "pg_catalog.current_setting('rotation.active', true) IS DISTINCT FROM 'on'"
    )

    def __init__(self, field: str = "token", *, name: str | None = None) -> None:
        self.field = field
        super().__init__(name=name or f"guard_{field}"[:47])

    def get_func(self, model: Any) -> str:
        """Return the body of the trigger function."""
        column, key = model._meta.get_field(self.field).column, model._meta.pk.column
        token, pk = quote_identifier(column), quote_identifier(key)
        column, key = quote_literal(column), quote_literal(key)
        return f"""
                        IF TG_OP = 'UPDATE' THEN
                            IF NEW.{token} IS DISTINCT FROM OLD.{token}
                                AND <state>.rotation_revokes(TG_RELID, {column}, NEW.{token})
                            THEN
                                NEW.{token} := OLD.{token};
                            END IF;
                            IF NEW.{pk} IS DISTINCT FROM OLD.{pk} THEN
                                PERFORM <state>.rotation_moves(
                                    TG_RELID, {column}, OLD.{token}, NEW.{pk}::text
                                );
                            END IF;
                            RETURN NEW;
                        END IF;
                        IF <state>.rotation_revokes(TG_RELID, {column}, NEW.{token})
                            AND NOT <state>.rotation_is_moving({column}, NEW.{pk}::text)
                        THEN
                            DECLARE
                                key_is_taken boolean;
                            BEGIN
                                -- Where a row has this key, an INSERT can only come to an UPDATE or
                                -- an error. The lock keeps that row there until then.
                                EXECUTE pg_catalog.format(
                                    'SELECT true FROM %I.%I WHERE %I = $1 FOR KEY SHARE',
                                    TG_TABLE_SCHEMA, TG_TABLE_NAME, {key}
                                ) INTO key_is_taken USING NEW.{pk};
                                IF key_is_taken IS NOT TRUE THEN
                                    RAISE integrity_constraint_violation USING
                                        MESSAGE = 'this token was revoked and can not be used again',
                                        HINT = 'Insert the row with a new token.',
                                        SCHEMA = TG_TABLE_SCHEMA,
                                        TABLE = TG_TABLE_NAME,
                                        COLUMN = {column};
                                END IF;
                            END;
                        END IF;
                        RETURN NEW;"""  # noqa: S608 (names, quoted above)

    def render_execute(self, model: Any) -> str:
        """Return the call; its argument tells which column the trigger guards."""
        return f"{self.get_pgid(model)}({quote_literal(model._meta.get_field(self.field).column)})"

    def compile(self, model: Any) -> compiler.Trigger:
        """Return the guard of a model, as its migrations keep it."""
        return compiler.Trigger(
            name=self.name,
            sql=GuardSql(
                pgid=self.get_pgid(model),
                func=self.render_func(model),
                table=model._meta.db_table,
                when=self.when,
                operation=self.operation,
                level=self.level,
                condition=self.render_condition(model),
                execute=self.render_execute(model),
            ),
        )


class InstalledGuard(TokenGuard):
    """The guard of a table without a model."""

    def __init__(self, schema: str, table: str, column: str, pk: str) -> None:
        super().__init__("token", name="guard")
        identity = "\0".join((schema, table, column))
        digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
        self.pgid = f"{INSTALLED_PREFIX}{digest}"
        qualified = f"{quote_identifier(schema)}.{quote_identifier(table)}"
        fields = {self.field: SimpleNamespace(column=column), "pk": SimpleNamespace(column=pk)}
        self._model = SimpleNamespace(
            _meta=SimpleNamespace(db_table=qualified, get_field=fields.get, pk=fields["pk"])
        )

    def get_pgid(self, model: Any) -> str:
        """Return the name of trigger and function; pgtrigger does not take it for one of its own."""
        return self.pgid

    @property
    def version(self) -> str:
        """What the comment on an installed trigger of this version says."""
        return str(self.compile(self._model).hash)

    @property
    def statements(self) -> str:
        """The SQL that installs the guard, in the transaction's first schema."""
        return self.compile(self._model).install_sql


def quote_identifier(name: str) -> str:
    """Quote an identifier for the guard's function. Raises ValueError for one that can't be there."""
    return '"' + _plain(name).replace('"', '""') + '"'


def quote_literal(name: str) -> str:
    """Quote a name as a string constant. Raises ValueError for one that can't be there."""
    escape = "E" if "\\" in name else ""
    return escape + "'" + _plain(name).replace("\\", "\\\\").replace("'", "''") + "'"


def _plain(name: str) -> str:
    if "\0" in name or re.search(r"\$(install_guard|guard|body)\$|<state>", name):
        raise ValueError(f"{name!r} can't be guarded: rename it")
    return name
