"""States, privileges and servers that a run refuses: one line, nothing written."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from app.rotation.engine.errors import Refused
from app.rotation.engine.preflight.server import refuse_old
from app.rotation.schema import GRANTED
from tests.conftest import Database, until
from tests.servers import standby_of


def test_no_state_tables(db: Database) -> None:
    db.sql("DROP TABLE rotation_window, batchprogress, rotation CASCADE")
    done = db.call("rotate_tokens_sql")
    assert done.code == 1
    assert "run python manage.py migrate rotation --database default" in done.err
    assert db.call("rotation", "status").code == 1


def test_state_that_the_role_does_not_find(db: Database) -> None:
    """A second state beside it would know nothing of what the first has revoked."""
    db.tickets(5)
    db.sql("CREATE SCHEMA elsewhere")
    there = db.environment(DATABASE_URL=db.url + "?options=-csearch_path%3Delsewhere")
    for command in (["rotate_tokens_sql", "--table", "public.ticket"], ["rotation", "status"]):
        done = db.run(*command, env=there)
        assert (done.code, done.said) == (1, "")
        assert "can't see the rotation's state, which is in schema public: GRANT USAGE" in done.err
        assert len(done.err.splitlines()) == 1


@pytest.fixture
def role(db: Database) -> Iterator[str]:
    """A role that may do everything, until the test takes some of it away."""
    db.sql(f"CREATE ROLE {db.name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {db.name};"
           f"GRANT EXECUTE ON FUNCTION {', '.join(GRANTED)} TO {db.name}")  # fmt: skip
    yield db.name
    db.sql(f"DROP OWNED BY {db.name}; DROP ROLE {db.name}")


@pytest.mark.parametrize(
    ("revoke", "says"),
    [
        ("UPDATE ON ticket", "may not change public.ticket.token: GRANT SELECT, UPDATE"),
        ("SELECT ON ticket", "may not read public.ticket.id: GRANT SELECT"),
        ("UPDATE ON batchprogress", "may not write the rotation's state: GRANT"),
        (
            "EXECUTE ON FUNCTION rotation_complete_set",
            "EXECUTE ON FUNCTION public.rotation_hash(uuid, bigint), public.rotation_hash(text,",
        ),
        ("INSERT ON rotation_window", "may not write the rotation's state: GRANT"),
        ("SELECT ON rotation", "may not write the rotation's state: GRANT"),
    ],
)
def test_missing_privileges(db: Database, role: str, revoke: str, says: str) -> None:
    db.tickets(5)
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
    db.sql(f"REVOKE {revoke} FROM {role}")
    done = db.run("rotate_tokens_sql", env=environment)
    assert (done.code, done.said) == (1, "")
    assert says in done.err
    assert len(done.err.splitlines()) == 1
    assert db.changes() == {0: 5}


def test_enough_privileges(db: Database, role: str) -> None:
    db.tickets(5)
    db.sql(f"REVOKE ALL ON ticket FROM {role}; GRANT SELECT, UPDATE (token) ON ticket TO {role};"
           f"GRANT INSERT ON changes TO {role}")  # fmt: skip
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
    done = db.run("rotate_tokens_sql", env=environment)
    assert (done.code, done.err) == (0, "")
    db.each_once(5)


def test_read_only_role(db: Database, role: str) -> None:
    db.sql(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
    done = db.run("rotate_tokens_sql", env=environment)
    assert done.code == 1
    assert "is read-only here" in done.err


def test_row_hidden_by_a_policy(db: Database, role: str) -> None:
    """Row-level security would pass rows over in silence; row_security = off makes it an error."""
    db.tickets(5)
    db.sql("ALTER TABLE ticket ENABLE ROW LEVEL SECURITY;"
           "CREATE POLICY a_few ON ticket USING (id > 2)")  # fmt: skip
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
    done = db.run("rotate_tokens_sql", env=environment)
    assert done.code == 1
    assert "row-level security may hide rows of public.ticket from this role" in done.err
    assert len(done.err.splitlines()) == 1
    assert db.changes() == {0: 5}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgres://nobody:geheim@127.0.0.1:1/x", "can't connect to database default: "),
        ("postgres://postgres@%2Fnosuch/x", "can't connect to database default: "),
        ("postgres://someone:geheim@{socket}/postgres", 'role "someone" does not exist'),
        ("postgres://postgres@{socket}/nosuch", 'database "nosuch" does not exist'),
    ],
)
def test_no_connection(db: Database, url: str, says: str) -> None:
    url = url.format(socket=str(db.server.sockets).replace("/", "%2F"))
    done = db.run("rotate_tokens_sql", env=db.environment(DATABASE_URL=url))
    assert done.code == 1
    assert says in done.err
    assert len(done.err.splitlines()) == 1
    assert "geheim" not in done.err


def test_missing_schema_usage(db: Database, role: str) -> None:
    db.sql("CREATE SCHEMA inner_; CREATE TABLE inner_.t (id int PRIMARY KEY, token uuid);"
           f"GRANT ALL ON inner_.t TO {role}")  # fmt: skip
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
    done = db.run("rotate_tokens_sql", "--table", "inner_.t", env=environment)
    assert done.code == 1
    assert "may not use the schema of inner_.t: GRANT USAGE" in done.err


def test_row_hidden_in_mid_run(db: Database, role: str) -> None:
    """A policy that comes later makes the window an error: row_security = off."""
    db.tickets(3000)
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
    db.sql(f"GRANT INSERT ON changes TO {role}")
    child = db.start("rotate_tokens_sql", "--window", "5", env=environment)
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    db.sql("ALTER TABLE ticket ENABLE ROW LEVEL SECURITY; CREATE POLICY a_few ON ticket USING (id > 2)")
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 1
    assert "insufficient privilege (SQLSTATE 42501)" in out.splitlines()[-1]


@pytest.mark.parametrize(
    "url", ["postgres://u:gehe#im@h/x", "nonsense", "foo://bar", "postgres://h:port/x"]
)
def test_address_that_is_none(db: Database, url: str) -> None:
    done = db.run("rotate_tokens_sql", env=db.environment(DATABASE_URL=url))
    assert done.code in (1, 2)
    assert len(done.err.splitlines()) == 1, done.err
    assert "gehe" not in done.err


def test_another_locked_table_does_not_matter(db: Database) -> None:
    db.sql("CREATE TABLE other (id int PRIMARY KEY, token uuid); INSERT INTO other VALUES (1)")
    with closing(db.connect(autocommit=False)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE ticket")
        assert db.call("rotate_tokens_sql", "--table", "other").code == 0


def test_not_postgresql(db: Database) -> None:
    done = db.run("rotate_tokens_sql", env=db.environment(DATABASE_URL="sqlite://:memory:"))
    assert done.code == 1
    assert "sqlite:// is not PostgreSQL" in done.err


def test_other_databases_are_refused_in_one_line(db: Database) -> None:
    done = db.run("rotate_tokens_sql", env=db.environment(DATABASE_URL="mysql://user:secret@host/x"))
    assert done.code == 1
    assert done.lines == [
        "manage.py: DATABASE_URL can't be used: mysql:// is not PostgreSQL; write"
        " postgres://user:password@host:5432/dbname, with other characters than letters and digits in"
        " the password as %XX"
    ]


def test_old_server() -> None:
    refuse_old(130000)
    with pytest.raises(Refused, match=r"PostgreSQL 12 has no built-in gen_random_uuid\(\)"):
        refuse_old(120022)


def test_standby(db: Database) -> None:
    """A real standby, made by pg_basebackup."""
    with standby_of(db.server) as standby:
        environment = db.environment(DATABASE_URL=standby.url(db.name))
        for command in (("rotate_tokens_sql",), ("migrate",), ("ticket", "--init")):
            done = db.run(*command, env=environment)
            assert done.code == 1, command
            assert "this server is a standby: point the command at the primary" in done.err, done.err


def test_unfinished_with_new(db: Database) -> None:
    db.tickets(10)
    db.call("rotate_tokens_sql", "--window", "5")
    db.sql("INSERT INTO rotation (table_schema, table_name, table_oid, pk_column, pk_type, pk_collation,"
           " token_column, token_attnum, status, rows_total_exact, options, reason, operator, host)"
           " SELECT table_schema, table_name, table_oid, pk_column, pk_type, pk_collation, token_column,"
           " token_attnum, 'running', false, '{}', '', '', '' FROM rotation")  # fmt: skip
    done = db.call("rotate_tokens_sql", "--new")
    assert done.code == 1
    assert "rotation 2 of public.ticket.token is unfinished: run without --new" in done.err


def test_table_replaced_under_an_unfinished_rotation(db: Database) -> None:
    db.tickets(10)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT no_update CHECK (halts(id < 6)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--window", "5").code == 1
    db.sql("ALTER TABLE ticket RENAME TO ticket_old;"
           "CREATE TABLE ticket (LIKE ticket_old INCLUDING ALL)")  # fmt: skip
    done = db.call("rotate_tokens_sql")
    assert done.code == 1
    assert "another table has taken that name since" in done.err
    # Under its new name the old table is still the one that the rotation knows.
    db.sql("ALTER TABLE ticket_old DROP CONSTRAINT no_update")
    assert db.call("rotate_tokens_sql", "--table", "ticket_old").code == 0
    assert db.changes() == {1: 10}


def test_a_constraint_that_refuses_names_no_token(db: Database) -> None:
    """PostgreSQL's DETAIL prints the failing row; we print the SQLSTATE."""
    db.tickets(10)
    db.sql("CREATE UNIQUE INDEX ON ticket ((substr(token::text, 15, 1)))  WHERE id > 100")
    db.sql("ALTER TABLE ticket ADD CONSTRAINT none CHECK (token IS NULL) NOT VALID")
    done = db.call("rotate_tokens_sql")
    assert done.code == 1
    assert done.err == (
        "Refused: the canary window failed, as every window would: rotate window: PostgreSQL answered"
        " check violation of constraint none (SQLSTATE 23514): a row breaks that constraint: fix the row"
        " or the constraint; it was rolled back, nothing was replaced; then run the same command again"
    )
    assert db.changes() == {0: 10}
    traced = db.run("rotate_tokens_sql", "--traceback")
    assert "check_violation" in traced.err or "check violation" in traced.err
    assert not re.search(r"Failing row|DETAIL|[0-9a-f]{8}-[0-9a-f]{4}-4", traced.err)
