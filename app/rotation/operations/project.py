"""What the project's settings say: one dictionary, ROTATION."""

from typing import Any

from django.apps import apps
from django.conf import settings

from ..engine.errors import UsageError

#: What ROTATION may hold. A setting of its own, such as ROTATION_TARGET, is read as well.
KEYS = {"TARGET", "TARGETS", "METRICS", "HOOK"}


def read_settings() -> Any:
    """settings.ROTATION as it is, which may be wrong."""
    return getattr(settings, "ROTATION", {})


def setting(name: str) -> Any:
    """One of KEYS; None if the project does not set it."""
    given = read_settings()
    if isinstance(given, dict) and name in given:
        return given[name]
    return getattr(settings, f"ROTATION_{name}", None)


def read_target() -> tuple[str, str] | None:
    """Table and column that the settings name, if any. Raises UsageError if there is no such field."""
    label = setting("TARGET")
    return find_field(label, f"{name_of('TARGET')} ") if label else None


def name_of(key: str) -> str:
    """What the project calls a setting."""
    given = read_settings()
    within = isinstance(given, dict) and key in given
    return f"settings.ROTATION['{key}']" if within else f"settings.ROTATION_{key}"


def find_field(label: str, where: str = "") -> tuple[str, str]:
    """Table and column of app, model and field. Raises UsageError, which says `where`, without one."""
    parts = label.split(".") if isinstance(label, str) else []
    if len(parts) != 3:
        raise UsageError(f"{where}{label!r}: expected app label, model and field, joined by dots")
    app, model_name, field_name = parts
    try:
        field = apps.get_model(app, model_name)._meta.get_field(field_name)
    except Exception as error:
        raise UsageError(f"{where}{label!r}: {error}") from error
    if field.many_to_many or getattr(field, "column", None) is None:
        raise UsageError(f"{where}{label!r}: it is no column of a table")
    # A parent's field is in the parent's table.
    return field.model._meta.db_table, field.column
