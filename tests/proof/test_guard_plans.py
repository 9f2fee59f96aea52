"""How PostgreSQL plans what the guard looks up: never so that a write waits for a compiler."""

from contextlib import closing

import pytest

from tests.conftest import Database, databases, migrated
from tests.proof.account import ACCOUNT, make
from tests.servers import DEBIAN_BINARIES, make_server, running

EXPLAIN = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_nested_statements = on;
    SET auto_explain.log_analyze = on;
    SET client_min_messages = log
"""
#: What the guard looks up by another way, or more of.
CHANGES = {
    "as it was": "",
    "a renamed column": "ALTER TABLE account RENAME api_key TO was",
    "a renamed schema": "ALTER SCHEMA public RENAME TO moved; SET search_path = moved",
}


@pytest.fixture
def fifteen() -> Database:
    """PostgreSQL 15 as Debian has it: with jit."""
    if not DEBIAN_BINARIES.exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    with running(make_server(DEBIAN_BINARIES)) as server:
        migrated(server)
        yield from databases(server)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.long
def test_no_write_is_compiled(fifteen: Database, change: str) -> None:
    """Before 18 a disabled scan costs so much that PostgreSQL compiles its plan, for each row."""
    db = fifteen
    make(db)
    done = db.run("rotate_tokens_sql", *ACCOUNT)
    assert done.code == 0, done.err
    with closing(db.connect()) as app, app.cursor() as cursor:
        cursor.execute(f"{EXPLAIN}; {CHANGES[change]}")
        for level in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
            cursor.execute(
                f"BEGIN ISOLATION LEVEL {level};"
                f"INSERT INTO account SELECT {100 + len(level)}, gen_random_uuid(), 'x';"
                "COMMIT"
            )
        said = "".join(app.notices)
    assert said.count("Query Text") >= 3
    assert "JIT" not in said
