"""What `manage.py check` says of a project that uses this app, each with a hint."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connections, router

from .engine.errors import UsageError, in_a_line
from .operations.herald import parse_hook
from .operations.project import KEYS, read_settings, read_target
from .operations.targets import wrong_targets
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
    if why := _misread(given):
        hint = f"it is a dictionary with {', '.join(sorted(KEYS))}"
        yield Error(f"settings.ROTATION {why}", hint=hint, id="rotate_tokens.E002")
        return
    try:
        read_target()
    except UsageError as error:
        yield Error(
            str(error),
            hint="name it as app label, model and field: 'accounts.Account.api_key'",
            id="rotate_tokens.E003",
        )
    for why in wrong_targets():
        hint = "each is 'app.Model.field', or a dictionary with 'field' and options: see docs/secrets.md"
        yield Error(why, hint=hint, id="rotate_tokens.E004")
    try:
        parse_hook(None)
    except UsageError as error:
        hint = "without it nobody is told, and no run starts"
        yield Warning(str(error), hint=hint, id="rotate_tokens.W005")


def _misread(given: Any) -> str:
    """Why ROTATION can't be read, or nothing."""
    if not isinstance(given, dict):
        return "is no dictionary"
    if unknown := given.keys() - KEYS:
        return f"has keys that rotate_tokens does not know: {', '.join(sorted(map(str, unknown)))}"
    metrics = given.get("METRICS", False)
    return "" if isinstance(metrics, bool) else f"has METRICS {metrics!r}, which is not True or False"


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
            except (DatabaseError, InterfaceError, ImproperlyConfigured) as error:
                found.append(
                    Warning(
                        f"database {alias} could not be checked: {in_a_line(error)}",
                        hint="correct its address, or let this role read it",
                        id="rotate_tokens.W004",
                    )
                )
    return found


def _check_database(alias: str) -> Iterator[CheckMessage]:
    connection = connections[alias]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    if router.allow_migrate(alias, "rotation") and "rotation" not in tables:
        yield Warning(
            f"database {alias} has no state of rotations",
            hint=f"{MIGRATE} rotation --database {alias}; until then no token can be rotated or guarded",
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
