"""Tables of others are read: no code of their owners may run with the rights of the role that reads."""

from contextlib import closing

import pytest

from tests.conftest import Database, until
from tests.proof.account import ACCOUNT, make, rotate
from tests.proof.mallory import acting, evil, evil_where_nothing_is_written, is_super
from tests.proof.roles import as_role
from tests.proof.test_trespass import granted

#: What the planner evaluates of a table that is only read, with the reader's rights.
EXPRESSIONS = {
    "index": "CREATE INDEX ON mine.notes ((body || mine.f(1)))",
    "predicate": "CREATE INDEX ON mine.notes (body) WHERE mine.f(1) <> 'y'",
    "statistics": "CREATE STATISTICS mine.s ON (body || mine.f(1)), body FROM mine.notes",
    "partition": "CREATE TABLE mine.all_notes (body text) PARTITION BY LIST (body);"
    "CREATE INDEX ON mine.notes ((body || mine.f(1)));"
    "ALTER TABLE mine.all_notes ATTACH PARTITION mine.notes FOR VALUES IN ('x')",
}
COMMANDS = {
    "search": ("rotation", "verify", *ACCOUNT, "--search-copies"),
    "dry run": ("rotate_tokens_sql", *ACCOUNT, "--new", "--dry-run"),
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("command", COMMANDS)
def test_expressions_of_a_strangers_table(
    rotated: Database, runner: str, expression: str, command: str
) -> None:
    """PostgreSQL folds a call that is immutable while it plans, as whoever asks."""
    db = rotated
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}")
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            "CREATE TABLE mine.notes (body text); INSERT INTO mine.notes VALUES ('x');"
            + evil_where_nothing_is_written(db, "mine.g()", "text", "'x'", runner)
            + "CREATE FUNCTION mine.f(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
            " $$BEGIN RETURN mine.g(); END$$;" + EXPRESSIONS[expression]
        )
    done = db.run(*COMMANDS[command])
    assert not is_super(db, runner)
    said = done.out + done.err
    if command == "search":
        name = "mine.all_notes" if expression == "partition" else "mine.notes"
        assert f"not searched: {name} (code of others would run with this role's rights" in said
    else:
        assert "of another owner" in said


def test_token_told_by_an_index(db: Database, runner: str) -> None:
    """The role that reads is no superuser, but may read the tokens."""
    make(db)
    other = f"mallory_{db.name}"
    db.sql(
        f"CREATE ROLE {other} LOGIN; CREATE SCHEMA mine AUTHORIZATION {other};"
        f"GRANT USAGE ON SCHEMA mine TO PUBLIC; ALTER TABLE account OWNER TO {runner}"
    )
    granted(db, runner)
    try:
        with acting(db, other) as (session, mallory):
            mallory.execute(
                "CREATE TABLE mine.notes (body text); INSERT INTO mine.notes VALUES ('x');"
                "GRANT SELECT ON mine.notes TO PUBLIC;"
                "CREATE FUNCTION mine.g() RETURNS text LANGUAGE plpgsql AS $$BEGIN"
                f" IF current_user <> '{other}' THEN"
                " PERFORM pg_notify('told', api_key::text) FROM public.account WHERE id = 3;"
                " END IF; RETURN 'x'; END$$;"
                "CREATE FUNCTION mine.f(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
                " $$BEGIN RETURN mine.g(); END$$;"
                "CREATE INDEX ON mine.notes ((body || mine.f(1))); LISTEN told"
            )
            assert as_role(db, runner, "rotate_tokens_sql", *ACCOUNT, "--dry-run").code == 0
            mallory.execute("SELECT 1")
            assert not session.notifies
    finally:
        db.sql(f"DROP OWNED BY {other} CASCADE; DROP ROLE {other}")


def needs_restriction(db: Database) -> None:
    """Skip on a server without the setting that PostgreSQL got for this in August 2024."""
    if not db.sql("SELECT 1 FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'"):
        pytest.skip("this PostgreSQL has no restrict_nonsystem_relation_kind")


def test_table_that_becomes_a_view_while_copies_are_searched(rotated: Database, runner: str) -> None:
    """When it is listed it belongs to somebody who is trusted; when it is read, no more."""
    db = rotated
    needs_restriction(db)
    db.sql("CREATE SCHEMA mine; CREATE TABLE mine.notes (body text);"
           f"GRANT USAGE, CREATE ON SCHEMA mine TO {runner}")  # fmt: skip
    with acting(db, runner) as (_, mallory):
        mallory.execute(evil_where_nothing_is_written(db, "mine.f()", "text", "'x'", runner))
    with closing(db.connect(autocommit=False)) as session, session.cursor() as change:
        change.execute(
            "DROP TABLE mine.notes; CREATE VIEW mine.notes AS SELECT mine.f() AS body;"
            f"ALTER VIEW mine.notes OWNER TO {runner}"
        )
        run = db.start("rotation", "verify", *ACCOUNT, "--search-copies")
        until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        session.commit()
        out, _ = run.communicate(timeout=60)
    assert not is_super(db, runner)
    assert "not searched: mine.notes" in out


@pytest.mark.parametrize("command", ["verify", "dry run", "run"])
def test_target_that_becomes_a_view(db: Database, runner: str, command: str) -> None:
    needs_restriction(db)
    make(db)
    if command == "verify":
        rotate(db)
        assert db.call("rotation", "guard", "drop", *ACCOUNT).code == 0
    db.sql(
        f"CREATE SCHEMA mine AUTHORIZATION {runner}; ALTER TABLE account SET SCHEMA mine;"
        f"ALTER TABLE mine.account OWNER TO {runner}"
    )
    moved = ("--table", "mine.account", "--column", "api_key")
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            evil_where_nothing_is_written(db, "mine.f()", "uuid", "gen_random_uuid()", runner)
        )
    with acting(db, runner, autocommit=False) as (session, mallory):
        mallory.execute(
            "ALTER TABLE mine.account RENAME TO away;"
            "CREATE VIEW mine.account AS SELECT 1::bigint AS id, mine.f() AS api_key, ''::text AS note"
        )
        commands = {
            "verify": ("rotation", "verify", *ACCOUNT),
            "dry run": ("rotate_tokens_sql", *moved, "--dry-run"),
            "run": ("rotate_tokens_sql", *moved),
        }
        run = db.start(*commands[command])
        until(lambda: db.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        session.commit()
        run.communicate(timeout=60)
    assert not is_super(db, runner)


def test_target_that_becomes_a_view_between_two_windows(db: Database, runner: str) -> None:
    needs_restriction(db)
    make(db)
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}; ALTER TABLE account SET SCHEMA mine;"
           f"ALTER TABLE mine.account OWNER TO {runner}")  # fmt: skip
    with acting(db, runner) as (_, mallory):
        mallory.execute(evil_where_nothing_is_written(db, "mine.f()", "bigint", "9", runner))
    run = db.start("rotate_tokens_sql", "--table", "mine.account", "--column", "api_key",
                   "--window", "1", "--max-rate", "4")  # fmt: skip
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    with acting(db, runner, autocommit=False) as (session, mallory):
        mallory.execute(
            "ALTER TABLE mine.account RENAME TO away;"
            "CREATE VIEW mine.account AS SELECT mine.f() AS id, api_key, note FROM mine.away"
        )
        session.commit()
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 1, out
    assert not is_super(db, runner)


def test_keys_of_a_strangers_domain(db: Database, runner: str) -> None:
    """They are compared as what is under it: a cast to the domain would run its CHECK."""
    db.sql(f"CREATE SCHEMA mine AUTHORIZATION {runner}")
    with acting(db, runner) as (_, mallory):
        mallory.execute("CREATE DOMAIN mine.key AS bigint")
    db.sql(
        "CREATE TABLE account (id mine.key PRIMARY KEY, api_key uuid, note text);"
        "INSERT INTO account SELECT g, gen_random_uuid() FROM generate_series(1, 20) AS g"
    )
    with acting(db, runner) as (_, mallory):
        mallory.execute(
            evil("mine.f", "bigint", "boolean", "true", runner)
            + "ALTER DOMAIN mine.key ADD CHECK (mine.f(VALUE)) NOT VALID"
        )
    done = db.call("rotate_tokens_sql", *ACCOUNT, "--window", "5")
    assert done.code == 0, done.err
    assert not is_super(db, runner)
