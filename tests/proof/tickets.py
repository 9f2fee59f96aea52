"""The ticket table's tokens, old and new, and writes past Django."""

from tests.conftest import Database

INSERT = (
    "INSERT INTO ticket (id, title, status, token, created_at, updated_at)"
    " VALUES ({id}, 'x', 'open', %s, now(), now())"
)


def old_token(db: Database, key: int = 3) -> str:
    return str(db.value("SELECT token FROM before WHERE id = %s", str(key)))


def raw_update(db: Database, old: str) -> None:
    db.sql("UPDATE ticket SET token = %s, title = 'changed' WHERE id = 3", old)
