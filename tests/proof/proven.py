"""What holds once a rotation has succeeded."""

from tests.conftest import Database


def succeeded(db: Database) -> None:
    """The latest rotation has ended well, and no old token is left, by value."""
    status, survivors, verified = db.sql(
        "SELECT status, survivors, verified_at IS NOT NULL FROM rotation ORDER BY id DESC LIMIT 1"
    )[0]
    assert (status, survivors, verified) == ("succeeded", 0, True)
    assert db.unchanged() == 0
