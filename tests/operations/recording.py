"""A rotation that is recorded as the site does it, and its status."""

from typing import Any

from app.rotation.engine.db.stop import StopSwitch
from app.rotation.engine.options import Options
from app.rotation.engine.runner import RotationDriver
from app.rotation.engine.table.target import TargetName
from tests.conftest import Database


def status(db: Database) -> str:
    return db.value("SELECT status FROM rotation ORDER BY id DESC LIMIT 1")


def recorded(table: str, **options: Any) -> None:
    """Record a rotation as the site does."""
    name = TargetName(table, "token", None, "public")
    asked = Options(ack_triggers=True, **options)
    RotationDriver("default", name, asked, StopSwitch(), lambda event: None).record("", "me")
