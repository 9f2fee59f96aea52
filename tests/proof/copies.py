"""Tokens that must not be told, and what the preflight says without them."""

from tests.conftest import Database, Done

BARE = "replace(token::text, '-', '')"


def tokens(db: Database) -> set[str]:
    """Every token that a row holds now, or held when `remember` was called, in both spellings."""
    held = {token for (token,) in db.sql("SELECT token::text FROM ticket")}
    if db.value("SELECT to_regclass('before') IS NOT NULL"):
        held |= {token for (token,) in db.sql("SELECT token FROM before")}
    return held | {token.replace("-", "") for token in held}


def keeps_quiet(db: Database, done: Done) -> None:
    """No token is told, in whatever spelling."""
    text = (done.out + done.err).lower()
    assert not [token for token in tokens(db) if token in text]


def rotate(db: Database, *flags: str) -> None:
    done = db.call("rotate_tokens_sql", *flags)
    assert (done.code, done.err) == (0, ""), done
    keeps_quiet(db, done)


def preflight(db: Database, *flags: str) -> str:
    """The dry run's words, without a token; nothing is written."""
    done = db.call("rotate_tokens_sql", "--dry-run", *flags)
    keeps_quiet(db, done)
    return done.out
