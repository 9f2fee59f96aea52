"""A finding of the preflight, in the dry run and in the run."""

import re

from tests.conftest import Database


def finds(db: Database, finding: str, *flags: str, table: str = "ticket") -> None:
    """The dry run tells the finding; if it refuses, the run is refused with it, and nothing written."""
    db.acknowledges = False
    names = ("rotate_tokens_sql", "--table", table, *flags)
    dry = db.call(*names, "--dry-run")
    level = finding.split(maxsplit=1)[0]
    assert re.search(rf"^{level} +{finding.removeprefix(level).strip()}", dry.out, re.MULTILINE), dry
    assert dry.code == (1 if level == "refuse" else 0), dry
    done = db.call(*names)
    if level == "refuse":
        assert (done.code, done.said) == (1, "")
        assert re.search(f"^Refused: {finding.removeprefix('refuse ')}", done.err), done.err
        assert len(done.err.splitlines()) == 1
        assert db.value("SELECT count(*) FROM rotation") == 0
    else:
        assert re.search(f"^{level}: {finding.removeprefix(level).strip()}", done.out, re.MULTILINE)
        assert (done.code, done.err) == (0, "")
        assert db.value("SELECT findings::text FROM rotation ORDER BY id DESC LIMIT 1") != "[]"
