"""The Django app of the product."""

import importlib.util
import sys
from typing import Any

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate


class RotationAppConfig(AppConfig):
    """Add the package to INSTALLED_APPS of any Django project on PostgreSQL."""

    name = __package__  # `rotate_tokens` where the wheel is installed
    label = "rotation"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Token rotation"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        if not any(map(importlib.util.find_spec, ("psycopg", "psycopg2"))):
            raise ImproperlyConfigured(
                f"{self.name} needs a driver: pip install psycopg2-binary, or psycopg[binary]"
            )

    def import_models(self) -> None:
        """Say what is missing before Django says it at length."""
        if not apps.is_installed("pgtrigger"):
            raise ImproperlyConfigured(f'add "pgtrigger" to INSTALLED_APPS: {self.name} needs it')
        super().import_models()

    def ready(self) -> None:
        """Make sure that models get their guards, whichever migrations come first; register checks."""
        from . import checks  # noqa: F401, PLC0415 (models are not loaded before)

        pre_migrate.connect(warn_of_publications, sender=self)
        post_migrate.connect(install_guards, sender=self)


def warn_of_publications(using: str, plan: Any = (), interactive: bool = False, **_: Any) -> None:
    """Say that a publication is about to take the rotation's tables along; ask a person first.

    Nothing has been written so far: even Django's list of migrations may be a table that is new.
    """
    from .engine.preflight.replication import state_is_published  # noqa: PLC0415 (as below)
    from .operations.asking import confirm, on_a_terminal  # noqa: PLC0415
    from .schema import read  # noqa: PLC0415

    created = any(one.app_label == "rotation" and not backwards for one, backwards in plan)
    if not created or connections[using].vendor != "postgresql":
        return
    with connections[using].cursor() as cursor:
        cursor.execute(read("list_whole_publications"), {"schema": None})
        found = cursor.fetchall()
    for name, kind in found:
        sys.stderr.write(f"warning: {state_is_published(name, kind)}\n")
    asked = found and interactive and on_a_terminal()
    if asked and not confirm("Create the rotation's tables all the same?"):
        raise CommandError("not confirmed: nothing was changed")


def install_guards(using: str, apps: Any = apps, **_: Any) -> None:
    """Install the guards of models that were migrated before the state of rotations existed."""
    from .triggers import install_missing  # noqa: PLC0415 (models are not loaded yet)

    install_missing(using, apps)
