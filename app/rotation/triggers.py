"""The guard of a model's field: a trigger that keeps revoked tokens from being written back.

    class Meta:
        triggers = [TokenGuard("token")]

The model's migrations then install, as the table's owner, what a run would install otherwise;
`sql/schema/guard.sql` says what it does.
"""

import re
from collections.abc import Iterator
from typing import Any

import pgtrigger
from django.db import DEFAULT_DB_ALIAS, connections, router
from pgtrigger import compiler, utils

from .schema import read_body

#: Names of the triggers that `rotate_tokens_sql` installs; those of models start with pgtrigger_.
INSTALLED_PREFIX = "rotation_guard_"


class GuardSql(compiler.UpsertTriggerSql):
    """The installation of a guard. Migrations refer to this class, and store only names.

    `func` holds the column's name as an SQL string. What is installed comes from the state of rotations,
    so a new version of it needs no migration of the model.
    """

    def get_template(self) -> str:
        """Return the statements, with pgtrigger's fields in braces."""
        return read_body("install_guard")


class Guard(compiler.Trigger):
    """A compiled guard: two triggers, of which django-pgtrigger knows the first."""

    @property
    def uninstall_sql(self) -> str:
        """The statements that drop both."""
        return self._of_both("'DROP TRIGGER ', half.name, ' ON ', half.guarded")

    @property
    def enable_sql(self) -> str:
        """The statements of `pgtrigger enable`."""
        return self._switch("ENABLE ALWAYS")

    @property
    def disable_sql(self) -> str:
        """The statements of `pgtrigger disable`."""
        return self._switch("DISABLE")

    def _switch(self, how: str) -> str:
        return self._of_both(f"'ALTER TABLE ', half.guarded, ' {how} TRIGGER ', half.name")

    def _of_both(self, change: str) -> str:
        text = read_body("change_guard").replace("{change}", change).replace("{pgid}", self.sql.pgid)
        # The table's name last: it may contain anything.
        return text.replace("{table}", _quoted(self.sql.table))


class TokenGuard(pgtrigger.Trigger):
    """Guards one field of a model against the return of a revoked token."""

    when = pgtrigger.Before
    operation = pgtrigger.Update
    func = "RETURN NEW;"

    def __init__(self, field: str = "token", *, name: str | None = None) -> None:
        self.field = field
        super().__init__(name=name or f"guard_{field}"[:47])

    def compile(self, model: Any) -> compiler.Trigger:
        """Return the guard of a model, as its migrations store it. Raises ValueError for another's."""
        field = model._meta.get_field(self.field)
        if getattr(field, "column", None) is None or field.model._meta.db_table != model._meta.db_table:
            raise ValueError(
                f"TokenGuard({self.field!r}) of {model._meta.label}: its table has no such column: guard"
                " the model that has it"
            )
        return Guard(
            name=self.name,
            sql=GuardSql(
                pgid=self.get_pgid(model),
                func=quote_literal(field.column),
                table=model._meta.db_table,
                when=self.when,
                operation=self.operation,
            ),
        )

    def get_installation_status(
        self, model: Any, database: str | None = None
    ) -> tuple[str, bool | None]:
        """Return what `pgtrigger ls` shows. To it, a trigger that always fires would be disabled."""
        status, enabled = super().get_installation_status(model, database)
        if enabled is not None:
            enabled = is_enabled(self, model, database or DEFAULT_DB_ALIAS)
        return status, enabled


def is_enabled(guard: TokenGuard, model: Any, using: str) -> bool | None:
    """Whether the guard of a model fires; None if it is not installed."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            read_body("guard_is_enabled"), [_quoted(model._meta.db_table), guard.get_pgid(model)]
        )
        enabled: bool | None = cursor.fetchone()[0]
    return enabled


def declared(using: str) -> Iterator[tuple[Any, TokenGuard]]:
    """The guards of all models whose tables may be in a database."""
    for model, trigger in pgtrigger.registered():
        if isinstance(trigger, TokenGuard) and router.allow_migrate_model(using, model):  # type: ignore[arg-type]
            yield model, trigger


def install_missing(using: str, migrated: Any) -> None:
    """Install the guards of models whose tables exist, belong to this role, and have none yet.

    A model's migrations may run before those of rotations, without whose state no guard can be made.
    `migrated`: the apps as the database's migrations have left them; a guard may not have come yet, or
    have gone again.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for model, trigger in declared(using):
            if not _is_migrated(model, trigger, migrated):
                continue
            column = model._meta.get_field(trigger.field).column
            its = [_quoted(model._meta.db_table), column, trigger.get_pgid(model)]
            cursor.execute(read_body("needs_guard"), its)
            if cursor.fetchone() is not None:
                cursor.execute(trigger.compile(model).install_sql, None)


def _is_migrated(model: Any, trigger: TokenGuard, migrated: Any) -> bool:
    try:
        then = migrated.get_model(model._meta.label)
    except LookupError:
        return False
    return trigger.name in {one.name for one in getattr(then._meta, "triggers", ())}


def quote_literal(name: str) -> str:
    """Quote a name as a string constant. Raises ValueError for one that can't be quoted."""
    if "\0" in name or re.search(r"\$(install_guard|table)\$", name):
        raise ValueError(f"{name!r} can't be guarded by a model's migrations: rename it")
    escape = "E" if "\\" in name else ""
    return escape + "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"


def _quoted(table: str) -> str:
    """A model's table as SQL names it."""
    return str(utils.quote(table))  # type: ignore[no-untyped-call]
