"""The Django app of the product."""

from typing import Any

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate


class RotationAppConfig(AppConfig):
    """Add the package to INSTALLED_APPS of any Django project on PostgreSQL."""

    name = __package__  # `rotate_tokens` where the wheel is installed
    label = "rotation"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Token rotation"

    def import_models(self) -> None:
        """Say what is missing before Django says it at length."""
        if not apps.is_installed("pgtrigger"):
            raise ImproperlyConfigured(f'add "pgtrigger" to INSTALLED_APPS: {self.name} needs it')
        super().import_models()

    def ready(self) -> None:
        """Make sure that models get their guards, whichever migrations come first."""
        post_migrate.connect(install_guards, sender=self)


def install_guards(using: str, **_: Any) -> None:
    """Install the guards of models that were migrated before the state of rotations existed."""
    from .triggers import install_missing  # noqa: PLC0415 (models are not loaded yet)

    install_missing(using)
