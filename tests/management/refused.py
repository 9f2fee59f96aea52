"""A run that is refused: one line, nothing written."""

import re

from tests.conftest import Database

STATE = "SELECT (SELECT count(*) FROM rotation), (SELECT count(*) FROM batchprogress)"


def refused(db: Database, *arguments: str, code: int = 1, says: str) -> None:
    done = db.call("rotate_tokens_sql", *arguments)
    assert (done.code, done.out) == (code, ""), done
    assert re.search(says, done.err), done.err
    assert len(done.err.splitlines()) == 1
    assert db.sql(STATE) == [(0, 0)]
