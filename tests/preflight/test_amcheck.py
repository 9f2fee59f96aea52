"""Indexes that lack rows, found by amcheck where it is installed."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from app.rotation.schema import GRANTED
from tests.conftest import Database
from tests.preflight.findings import finds
from tests.preflight.lacking import LACKING, PARTITIONS, account, mark, refused, rotated


def rows_that_the_index_lacks(db: Database, index: str, insert: str) -> None:
    """As CREATE INDEX CONCURRENTLY of PostgreSQL 14.0 to 14.3, or a torn restore, leaves it."""
    mark(db, index, "indisready")
    db.sql(insert)
    mark(db, index, "indisready", "true")


INSERT = "INSERT INTO account SELECT g FROM generate_series(1001, 1100) AS g"


def test_without_amcheck_nothing_is_said_of_it(db: Database) -> None:
    account(db)
    assert "amcheck" not in db.call("rotate_tokens_sql", "--table", "account", "--dry-run").out


def test_rows_that_the_key_lacks(either: Database) -> None:
    """Without amcheck this rotation ends with 'succeeded', and a hundred old tokens stay valid."""
    db = either
    db.sql("CREATE EXTENSION amcheck")
    account(db)
    rows_that_the_index_lacks(db, "account_pkey", INSERT)
    done = refused(
        db,
        r"amcheck found the index public.account_pkey of public.account damaged \(data corrupted,"
        rf" SQLSTATE XX001\): {LACKING}; REINDEX INDEX public.account_pkey, then run the same command",
    )
    assert not re.search("tid|page|DETAIL", done.err)
    assert db.unchanged("account") == 500
    db.sql("REINDEX INDEX account_pkey; DROP TABLE before")
    db.remember("account", "id")
    assert "note: amcheck: the index public.account_pkey holds every row" in rotated(db)
    assert db.unchanged("account") == 0
    assert db.value("SELECT count(*) FROM before") == 600


def test_rows_that_the_key_of_a_partition_lacks(db: Database) -> None:
    db.sql(f"CREATE EXTENSION amcheck; {PARTITIONS}; DELETE FROM parted WHERE id BETWEEN 120 AND 180")
    rows_that_the_index_lacks(
        db,
        "higher_pkey",
        "INSERT INTO parted SELECT g, gen_random_uuid() FROM generate_series(120, 180) AS g",
    )
    finds(db, "refuse amcheck found the index public.higher_pkey of public.higher dam", table="parted")
    db.sql("REINDEX INDEX higher_pkey")
    finds(db, "note amcheck: 3 indexes that start with the key hold every row", table="parted")


def test_rows_that_another_index_lacks(db: Database) -> None:
    """Windows may go by any index that begins with the key, if the planner likes it better."""
    db.sql("CREATE EXTENSION amcheck")
    account(db)
    db.sql("CREATE INDEX covering ON account (id, token); CREATE INDEX quick ON account USING hash (id)")
    rows_that_the_index_lacks(db, "covering", INSERT)
    finds(db, "refuse amcheck found the index public.covering of public.account dam", table="account")
    db.sql("REINDEX INDEX covering")
    finds(db, "note amcheck: 2 indexes that start with the key hold every row", table="account")


def test_entries_in_another_order(either: Database) -> None:
    """A text key that is read by other rules than those by which its index was built."""
    either.sql("CREATE EXTENSION amcheck")
    account(either, "text")
    mark(either, "account_pkey", "indoption", "'1'")
    refused(either, "amcheck found the index public.account_pkey of public.account damaged")
    assert either.unchanged("account") == 500


def test_rules_of_icu_that_changed(fifteen: Database) -> None:
    """2 sorts before 10 now, and the version of the collation was refreshed too early."""
    fifteen.sql("CREATE COLLATION own (provider = icu, locale = 'und'); CREATE EXTENSION amcheck")
    account(fifteen, "text COLLATE own")
    fifteen.sql("UPDATE pg_collation SET colliculocale = 'und-u-kn-true' WHERE collname = 'own'")
    assert "collation" not in refused(fifteen, "amcheck found the index public.account_pkey of").err


def test_index_that_was_built_over_changing_rows(db: Database) -> None:
    """In a view for the whole transaction amcheck would refuse it: an older transaction is open."""
    db.sql("CREATE EXTENSION amcheck")
    account(db)
    with closing(db.connect(autocommit=False)) as older, older.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
        mark(db, "account_pkey", "indcheckxmin", "true")
        out = db.call("rotate_tokens_sql", "--table", "account", "--dry-run").out
    assert "note       amcheck: the index public.account_pkey holds every row" in out


def test_amcheck_is_called_by_its_exact_name(db: Database) -> None:
    """It lies in a schema with an odd name; functions of its name are where they are sought first."""
    db.sql(
        'CREATE SCHEMA "Odd.""Schema"; CREATE EXTENSION amcheck SCHEMA "Odd.""Schema";'
        "CREATE TABLE called (by text);"
        "CREATE FUNCTION public.bt_index_check(regclass, boolean) RETURNS void LANGUAGE sql AS"
        " $$ INSERT INTO public.called VALUES ('public') $$;"
        'CREATE FUNCTION "Odd.""Schema".bt_index_check(oid, boolean) RETURNS void LANGUAGE sql AS'
        " $$ INSERT INTO public.called VALUES ('oid') $$"
    )
    account(db)
    finds(db, "note amcheck: the index public.account_pkey holds every row", table="account")
    assert db.value("SELECT count(*) FROM called") == 0


@pytest.fixture
def role(db: Database) -> Iterator[str]:
    """A role that may rotate, and not what the superuser may."""
    db.sql("CREATE SCHEMA checks; CREATE EXTENSION amcheck SCHEMA checks")
    account(db)
    db.sql(
        f"CREATE ROLE {db.name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {db.name};"
        f"GRANT EXECUTE ON FUNCTION {', '.join(GRANTED)} TO {db.name}"
    )
    yield db.name
    db.sql(f"DROP OWNED BY {db.name}; DROP ROLE {db.name}")


@pytest.mark.parametrize(
    ("granted", "told"),
    [
        ("", "may not run it: {0}; {1}"),
        ("{0}", "may not run it: {1}"),
        ("{1}", "may not run it: {0}"),
        ("{0}; {1}", "the index public.account_pkey holds every row"),
    ],
    ids=["nothing", "schema", "function", "both"],
)
def test_role_that_may_not_run_it(db: Database, role: str, granted: str, told: str) -> None:
    grants = (
        f"GRANT USAGE ON SCHEMA checks TO {role}",
        f"GRANT EXECUTE ON FUNCTION checks.bt_index_check(regclass, boolean) TO {role}",
    )
    if granted:
        db.sql(granted.format(*grants))
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
    done = db.run("rotate_tokens_sql", "--table", "account", "--no-guard", "--dry-run", env=environment)
    assert (done.code, done.err) == (0, "")
    said = [line for line in done.out.splitlines() if "amcheck" in line]
    assert len(said) == 1
    assert said[0].endswith(told.format(*grants)), said
    assert said[0].startswith("note       amcheck")


def test_amcheck_of_a_version_without_rows(db: Database) -> None:
    db.sql("CREATE EXTENSION amcheck VERSION '1.0'")
    account(db)
    told = "note amcheck is installed, but too old to compare an index with its rows: ALTER EXTENSION"
    finds(db, f"{told} amcheck", table="account")


@pytest.mark.long
@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_amcheck_that_does_not_end_in_time(db: Database, monkeypatch, seconds: float) -> None:
    from app.rotation.engine.preflight import indexes

    monkeypatch.setattr(indexes, "AMCHECK_SECONDS", seconds)
    db.sql("CREATE EXTENSION amcheck")
    account(db, rows=300_000)
    db.sql("CREATE INDEX covering ON account (id, token)")
    told = f"amcheck of public.account_pkey and 1 more did not finish within {seconds:g} s: not checked"
    done = db.call("rotate_tokens_sql", "--table", "account", "--dry-run")
    assert f"note       {told}" in done.out
    assert done.code == 0
    assert "holds every row" not in done.out


def test_index_that_is_dropped_meanwhile_is_not_damaged(db: Database, monkeypatch) -> None:
    from app.rotation.engine.preflight import indexes

    db.sql("CREATE EXTENSION amcheck")
    account(db)
    db.sql("CREATE INDEX covering ON account (id, token)")
    check = indexes._check

    def drop_and_check(session, index, seconds):
        if index["name"] == "public.covering":
            db.sql("DROP INDEX IF EXISTS covering")
        return check(session, index, seconds)

    monkeypatch.setattr(indexes, "_check", drop_and_check)
    done = db.call("rotate_tokens_sql", "--table", "account", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"note       amcheck of public.covering failed \(.*\): not checked", done.out)


def test_amcheck_writes_nothing_in_a_dry_run(db: Database) -> None:
    db.sql("CREATE EXTENSION amcheck")
    account(db)
    transaction, writes = "SELECT pg_snapshot_xmax(pg_current_snapshot())", []
    for _ in range(3):  # once autovacuum may be what has written
        before = db.value(transaction)
        assert "holds every row" in db.run("rotate_tokens_sql", "--table", "account", "--dry-run").out
        writes.append(db.value(transaction) != before)
    assert not all(writes)


def test_expression_that_would_write(db: Database) -> None:
    """Amcheck recomputes the contents of an index; the transaction keeps that from writing."""
    db.sql("CREATE EXTENSION amcheck; CREATE SEQUENCE called;"
           "CREATE FUNCTION noisy(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS"
           " $$ SELECT nextval('public.called') * 0 + $1 $$")  # fmt: skip
    account(db)
    db.sql("CREATE INDEX noisy ON account (id, noisy(id))")
    called = db.value("SELECT last_value FROM called")
    out = db.call("rotate_tokens_sql", "--table", "account", "--dry-run").out
    assert re.search(r"note       amcheck of public.noisy failed \(.*SQLSTATE 25006\): not checked", out)
    assert db.value("SELECT last_value FROM called") == called


def test_signal_between_two_indexes(db: Database, monkeypatch) -> None:
    from app.rotation.engine.preflight import indexes

    def signalled(session, index, seconds):
        session.stop.request("SIGINT")
        return True

    monkeypatch.setattr(indexes, "_check", signalled)
    db.sql("CREATE EXTENSION amcheck")
    account(db)
    db.sql("CREATE INDEX covering ON account (id, token)")
    done = db.call("rotate_tokens_sql", "--table", "account")
    assert (done.code, done.err) == (3, "Stopped: by SIGINT, before the work started")
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_page_waits_for_amcheck_less_long(db: Database) -> None:
    """What the plan on the page has no time for, the run checks before it begins."""
    from django.contrib.auth.models import User

    from app.rotation.engine.db.stop import StopSwitch
    from app.rotation.engine.preflight.indexes import AMCHECK_SECONDS
    from app.rotation.web import forms

    form = forms.NewRotation(data={"table": "ticket", "column": "token", "workers": 1})
    assert form.is_valid()
    user = User(username="somebody", is_superuser=True)
    driver = forms.propose(user, form, StopSwitch()).driver
    assert driver.amcheck_seconds < forms.PLAN_SECONDS < AMCHECK_SECONDS


def test_what_is_refused_anyway_is_not_waited_for(db: Database) -> None:
    """Amcheck may take a minute: a run that is refused anyway does not wait for it."""
    db.sql("CREATE EXTENSION amcheck; CREATE TABLE secret (token uuid PRIMARY KEY);"
           "CREATE TABLE account (id int PRIMARY KEY, token uuid REFERENCES secret)")  # fmt: skip
    done = db.call("rotate_tokens_sql", "--table", "account", "--dry-run")
    assert done.code == 1
    assert "amcheck" not in done.out
