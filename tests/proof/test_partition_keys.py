"""What refers to a single partition, or reads it, is found as what refers to the whole table is."""

import pytest

from tests.conftest import Database
from tests.proof.account import ACCOUNT, old, parts
from tests.proof.mallory import CHILD, acting, is_super


@pytest.mark.parametrize("action", ["CASCADE", "NO ACTION", "SET NULL"])
def test_foreign_key_to_a_partition(db: Database, runner: str, action: str) -> None:
    """A cascade would hand over the new tokens."""
    parts(db)
    db.sql("ALTER TABLE high ADD UNIQUE (api_key)")
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; GRANT REFERENCES (api_key) ON high TO {runner}")
    tokens = [old(db, key) for key in range(11, 21)]  # as leaked
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            f"CREATE TABLE mine.child (key uuid REFERENCES public.high (api_key) ON UPDATE {action})"
        )
        mallory.execute("INSERT INTO mine.child SELECT unnest(%s::uuid[])", (tokens,))
    done = db.call("rotate_tokens_sql", *ACCOUNT)
    with acting(db, runner) as (_, mallory):
        mallory.execute("SELECT key::text FROM mine.child")
        known = {key for (key,) in mallory.fetchall()}
    learnt = {key for (key,) in db.sql("SELECT api_key::text FROM account")} & known - set(tokens)
    assert not learnt, done.out
    assert done.code == 1, done.out + done.err
    assert "foreign key" in done.err


def test_trigger_behind_a_foreign_key_to_a_partition(db: Database, runner: str) -> None:
    """Before PostgreSQL 18: with the rights of who rotates, and without --allow-fk."""
    parts(db)
    db.sql("ALTER TABLE high ADD UNIQUE (api_key)")
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; GRANT REFERENCES (api_key) ON high TO {runner}")
    tokens = [old(db, key) for key in range(11, 21)]
    with acting(db, runner) as (_, mallory):
        mallory.execute(CHILD.format(role=runner).replace("public.account", "public.high"), (tokens,))
    db.call("rotate_tokens_sql", *ACCOUNT)
    assert not is_super(db, runner)


def test_materialized_view_of_a_partition(db: Database) -> None:
    parts(db)
    db.sql("CREATE MATERIALIZED VIEW cached AS SELECT api_key FROM high")
    assert "materialized view cached" in db.call("rotate_tokens_sql", *ACCOUNT, "--dry-run").out


def test_index_of_a_partition(db: Database) -> None:
    parts(db)
    db.sql("CREATE INDEX only_there ON high (lower(api_key::text));"
           "CREATE INDEX on_all ON account (upper(api_key::text))")  # fmt: skip
    said = db.call("rotate_tokens_sql", *ACCOUNT, "--dry-run").out
    assert "index only_there" in said
    assert said.count("index on_all") == said.count("index only_there") == 1, said
