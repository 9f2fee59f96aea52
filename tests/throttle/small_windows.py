"""A run of small windows, and what the state says of it."""

import json

from tests.conftest import Database

RUN = ("rotate_tokens_sql", "--window", "50", "--progress", "lines")


def status(db: Database) -> dict:
    return json.loads(db.call("rotation", "status", "--json").out)


def windows(db: Database) -> int:
    return db.value("SELECT count(*) FROM rotation_window")
