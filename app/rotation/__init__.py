"""Rotates every token of a live PostgreSQL table, and proves that none survives.

Hosts import `rotate`, `status` and `verify` (see `api`), `triggers.TokenGuard`, `signals` and
`web.metrics`, and include what Django finds by itself (models, migrations, commands, admin); the rest is
internal.
Rooms from the top down: management, admin, web, operations, engine, models. Each imports from those
below it only.
"""

import importlib
from typing import Any

#: What is imported from here by name.
OF_API = {
    *("Options", "Refused", "Result", "RotationError", "RotationStatus", "StopSwitch", "Stopped"),
    *("Unproven", "UsageError", "Verification", "rotate", "status", "verify"),
}


def __getattr__(name: str) -> Any:
    """What `api` offers, once it is asked for: Django imports this package before it knows any model."""
    if name in OF_API:
        return getattr(importlib.import_module(".api", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
