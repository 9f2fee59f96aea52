"""Tables whose indexes lack rows, and what is said of them."""

import re

from tests.conftest import Database, Done

PARTITIONS = (
    "CREATE TABLE parted (id int PRIMARY KEY, token uuid) PARTITION BY RANGE (id);"
    "CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (100);"
    "CREATE TABLE high PARTITION OF parted FOR VALUES FROM (100) TO (300) PARTITION BY RANGE (id);"
    "CREATE TABLE higher PARTITION OF high FOR VALUES FROM (100) TO (200);"
    'CREATE TABLE "The Highest" PARTITION OF high FOR VALUES FROM (200) TO (300);'
    "INSERT INTO parted SELECT g, gen_random_uuid() FROM generate_series(1, 299) AS g"
)
LACKING = "it may not return every row"

#: What libpq prints on each connection to a database whose default collation is outdated, not we.
WARNED = re.compile("WARNING: .* has a collation version mismatch\nDETAIL: .*\nHINT: .*\n")


def mark(db: Database, index: str, flag: str, value: str = "false") -> None:
    """Set a flag of pg_index, as a broken-off or faulty build leaves it."""
    db.sql(f"UPDATE pg_index SET {flag} = {value} WHERE indexrelid = '{index}'::regclass")


def account(db: Database, key: str = "bigint", rows: int = 500, how: str = "g") -> None:
    """A table without a model, and what it holds now."""
    db.sql(
        f"CREATE TABLE account (id {key} PRIMARY KEY, token uuid DEFAULT gen_random_uuid(), note text);"
        f"INSERT INTO account SELECT {how} FROM generate_series(1, %s) AS g",
        rows,
    )
    db.remember("account", "id")


def run(db: Database, *arguments: str) -> Done:
    """A rotation by a process of its own, on whatever server; what it says itself."""
    done = db.run("rotate_tokens_sql", *arguments)
    return Done(done.code, done.out, WARNED.sub("", done.err))


def refused(db: Database, says: str, table: str = "account") -> Done:
    """One line, exit code 1, nothing written."""
    for arguments in (("--dry-run",), ()):
        done = run(db, "--table", table, *arguments)
        assert done.code == 1, done
        assert re.search(says, done.err), done.err
        assert len(done.err.splitlines()) == 1, done.err
        assert db.value("SELECT count(*) FROM rotation") == 0
    return done


def rotated(db: Database, table: str = "account") -> str:
    done = run(db, "--table", table)
    assert (done.code, done.err) == (0, ""), done
    return done.out
