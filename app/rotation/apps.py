"""The Django app of the product."""

from django.apps import AppConfig


class RotationAppConfig(AppConfig):
    """`app.rotation`: add it to INSTALLED_APPS of any Django project on PostgreSQL."""

    name = "app.rotation"
    label = "rotation"
    verbose_name = "Token rotation"
