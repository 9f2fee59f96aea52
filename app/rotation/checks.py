"""What `manage.py check` says of a project that uses this app, each with a hint."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections, router

from .engine.errors import UsageError
from .operations.project import KEYS, read_settings, read_target
from .triggers import declared, is_enabled

MIGRATE = "run python manage.py migrate"


@register()
def check_settings(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """What needs no database."""
    return [*_check_engines(), *_check_names()]


def _check_engines() -> Iterator[CheckMessage]:
    vendors = {alias: connections[alias].vendor for alias in connections}
    if "postgresql" not in vendors.values():
        known = ", ".join(sorted(set(vendors.values())))
        yield Error(
            f"rotate_tokens needs PostgreSQL, and settings.DATABASES has only {known}",
            hint="add the PostgreSQL database that holds the tokens, or remove rotate_tokens from"
            " INSTALLED_APPS",
            id="rotate_tokens.E001",
        )


def _check_names() -> Iterator[CheckMessage]:
    given = read_settings()
    if not isinstance(given, dict) or not given.keys() <= KEYS:
        names = "" if not isinstance(given, dict) else f": {', '.join(sorted(given.keys() - KEYS))}"
        yield Error(
            f"settings.ROTATION has keys that rotate_tokens does not know{names}",
            hint=f"it is a dictionary with {', '.join(sorted(KEYS))}",
            id="rotate_tokens.E002",
        )
        return
    try:
        read_target()
    except UsageError as error:
        yield Error(
            str(error),
            hint="name it as app, model and field: 'accounts.Account.api_key'",
            id="rotate_tokens.E003",
        )


@register(Tags.database)
def check_databases(
    app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """What is missing in the databases that are asked for (`check --database default`)."""
    if sys.argv[1:2] == ["migrate"]:
        return []  # it is about to create what is missing
    found: list[CheckMessage] = []
    for alias in databases or ():
        if connections[alias].vendor == "postgresql":
            try:
                found += _check_database(alias)
            except DatabaseError:
                continue  # Django says why it can't be reached
    return found


def _check_database(alias: str) -> Iterator[CheckMessage]:
    connection = connections[alias]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    if router.allow_migrate(alias, "rotation") and "rotation" not in tables:
        yield Warning(
            f"database {alias} has no state of rotations",
            hint=f"{MIGRATE} --database {alias}; no token can be rotated or guarded there before",
            id="rotate_tokens.W001",
        )
        return
    for model, guard in declared(alias):
        if model._meta.db_table not in tables:
            continue
        name = f"the guard of {model._meta.label}.{guard.field} in database {alias}"
        enabled = is_enabled(guard, model, alias)
        if enabled is None:
            yield Warning(
                f"{name} is not installed: revoked tokens can be written back",
                hint=f"{MIGRATE} --database {alias} as the owner of its table",
                id="rotate_tokens.W002",
            )
        elif not enabled:
            yield Warning(
                f"{name} is disabled, or does not always fire: revoked tokens can be written back",
                hint=f"run python manage.py pgtrigger enable {model._meta.label}:{guard.name}",
                id="rotate_tokens.W003",
            )
