"""Indexes that can't be trusted to return every row: refused before anything is written."""

import re
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from app.rotation.schema import GRANTED
from tests.conftest import (
    DEBIAN_BINARIES,
    MIGRATED,
    Database,
    Done,
    databases,
    make_server,
    running,
)
from tests.test_preflight import finds

PARTITIONS = (
    "CREATE TABLE parted (id int PRIMARY KEY, token uuid) PARTITION BY RANGE (id);"
    "CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (100);"
    "CREATE TABLE high PARTITION OF parted FOR VALUES FROM (100) TO (300) PARTITION BY RANGE (id);"
    "CREATE TABLE higher PARTITION OF high FOR VALUES FROM (100) TO (200);"
    'CREATE TABLE "The Highest" PARTITION OF high FOR VALUES FROM (200) TO (300);'
    "INSERT INTO parted SELECT g, gen_random_uuid() FROM generate_series(1, 299) AS g"
)
LACKING = "it may not return every row"


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


def rows_that_the_index_lacks(db: Database, index: str, insert: str) -> None:
    """As CREATE INDEX CONCURRENTLY of PostgreSQL 14.0 to 14.3, or a torn restore, leaves it."""
    mark(db, index, "indisready")
    db.sql(insert)
    mark(db, index, "indisready", "true")


#: What libpq prints on each connection to a database whose default collation is outdated, not we.
WARNED = re.compile("WARNING: .* has a collation version mismatch\nDETAIL: .*\nHINT: .*\n")


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


# Flags of the catalog.


@pytest.mark.parametrize(
    ("flag", "what"),
    [
        ("indisvalid", "is INVALID"),
        ("indisready", "is not ready, so new rows are missing from it"),
        ("indislive", "is being dropped"),
    ],
)
def test_primary_key_that_is_not_whole(db: Database, flag: str, what: str) -> None:
    db.tickets(20)
    db.sql("DROP TRIGGER note ON ticket")
    mark(db, "ticket_pkey", flag)
    finds(
        db,
        f"refuse the index public.ticket_pkey of the primary key of public.ticket {what}: {LACKING};"
        " REINDEX INDEX public.ticket_pkey, then run the same command again",
    )
    assert db.unchanged() == 20
    db.sql("REINDEX INDEX public.ticket_pkey")
    assert db.call("rotate_tokens_sql").code == 0
    assert db.unchanged() == 0


@pytest.mark.parametrize("flag", ["indisvalid", "indisready", "indislive"])
@pytest.mark.parametrize(
    ("index", "named"),
    [
        ("low_pkey", "public.low_pkey of the primary key of public.low"),
        # In a partition of a partition, with a name that needs quotes.
        ('"The Highest_pkey"', 'public."The Highest_pkey" of the primary key of public."The Highest"'),
    ],
    ids=["partition", "nested"],
)
def test_key_of_a_partition_that_is_not_whole(db: Database, index: str, named: str, flag: str) -> None:
    db.sql(PARTITIONS)
    mark(db, index, flag)
    finds(db, f"refuse the index {named} is .*{LACKING}; REINDEX INDEX public.{index},", table="parted")
    db.sql(f"REINDEX INDEX public.{index}")
    assert db.call("rotate_tokens_sql", "--table", "parted").code == 0


def test_partitioned_key_that_is_invalid(db: Database) -> None:
    """A partitioned index has no entries to rebuild."""
    db.sql(PARTITIONS)
    mark(db, "high_pkey", "indisvalid")
    finds(
        db,
        "refuse the index public.high_pkey of the primary key of public.high is INVALID: .*;"
        " ALTER INDEX public.high_pkey ATTACH PARTITION the primary key's index of each partition",
        table="parted",
    )
    db.sql("ALTER INDEX high_pkey ATTACH PARTITION higher_pkey")
    assert db.call("rotate_tokens_sql", "--table", "parted").code == 0


def test_partition_without_the_key(db: Database) -> None:
    db.sql(
        PARTITIONS.replace(" PRIMARY KEY", " NOT NULL") + ";ALTER TABLE ONLY parted ADD PRIMARY KEY (id)"
    )
    db.sql("ALTER TABLE low ADD PRIMARY KEY (id); ALTER INDEX parted_pkey ATTACH PARTITION low_pkey")
    finding = "refuse the partition public.{0} has no index for the primary key of public.parted:"
    finding += r" ALTER TABLE public.{0} ADD PRIMARY KEY \(id\), ALTER INDEX public.parted_pkey ATTACH"
    finds(db, finding.format("high"), table="parted")
    db.sql("ALTER TABLE high ADD PRIMARY KEY (id); ALTER INDEX parted_pkey ATTACH PARTITION high_pkey")
    db.remember("parted", "id")
    assert db.call("rotate_tokens_sql", "--table", "parted").code == 0
    assert db.unchanged("parted") == 0


def test_other_index_that_windows_may_go_by(db: Database) -> None:
    """The planner takes it for whole: it is valid, and begins with the key."""
    account(db)
    db.sql("CREATE INDEX covering ON account (id, token)")
    mark(db, "covering", "indisready")
    finds(
        db,
        "refuse the index public.covering of public.account, which starts with its primary key, is not"
        f" ready, so new rows are missing from it: {LACKING}; REINDEX INDEX public.covering, then",
        table="account",
    )


def test_index_whose_build_failed_is_used_by_nobody(db: Database) -> None:
    """A key that was rebuilt in vain, and a covering index: INVALID, and no reason to refuse."""
    account(db, rows=20)
    with pytest.raises(psycopg2.Error):
        db.sql("CREATE INDEX CONCURRENTLY failed ON account (id, (1 / (id - 5)))")
    with closing(db.connect(autocommit=False)) as older, older.cursor() as cursor:
        cursor.execute("INSERT INTO account VALUES (21)")
        with closing(db.connect()) as impatient, impatient.cursor() as rebuilding:
            rebuilding.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg2.Error):
                rebuilding.execute("REINDEX INDEX CONCURRENTLY account_pkey")
    left = db.sql("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1")
    assert left == [("account_pkey_ccnew",), ("failed",)]
    assert db.call("rotate_tokens_sql", "--table", "account").code == 0
    assert db.unchanged("account") == 0


# Versions of collations.


@pytest.fixture(scope="module")
def fifteen_server() -> Iterator[Database]:
    if not DEBIAN_BINARIES.exists():
        pytest.skip("PostgreSQL 15 of Debian, which knows ICU, is not installed")
    with running(make_server(DEBIAN_BINARIES)) as server:
        server.ensure(MIGRATED)
        migrated = Database(server, MIGRATED)
        assert migrated.run("migrate", "-v", "0").code == 0
        yield migrated


@pytest.fixture
def fifteen(fifteen_server: Database) -> Iterator[Database]:
    """A migrated database on Debian's server."""
    yield from databases(fifteen_server.server)


@pytest.fixture(params=["db", "fifteen"])
def either(request: pytest.FixtureRequest) -> Database:
    """A database on the server of this run, and one on Debian's."""
    return request.getfixturevalue(request.param)


def make_collation(db: Database) -> None:
    """One of the name "Own", with a version: PostgreSQL's own rules, or ICU's where it lacks them."""
    own = db.connect().server_version >= 170000
    rules = "builtin, locale = 'C.UTF-8'" if own else "icu, locale = 'und'"
    db.sql(f'CREATE COLLATION "Own" (provider = {rules})')


def outdate(db: Database, collation: str) -> str:
    """Make it look as if the system's libraries were replaced; the version that it has now."""
    db.sql("UPDATE pg_collation SET collversion = '0' WHERE oid = %s::regcollation", collation)
    return db.value("SELECT pg_collation_actual_version(%s::regcollation)", collation)


@pytest.mark.parametrize(
    "key",
    [
        'text COLLATE "Own"',
        'varchar(40) COLLATE "Own"',
        "ordered",  # a domain with a collation
        'plain COLLATE "Own"',  # a domain without one
    ],
)
def test_collation_of_another_version(either: Database, key: str) -> None:
    db = either
    make_collation(db)
    db.sql('CREATE DOMAIN ordered AS text COLLATE "Own"; CREATE DOMAIN plain AS varchar')
    account(db, key)
    now = outdate(db, '"Own"')
    refused(
        db,
        r'^Refused: (as things .*: )?the collation public."Own" of public.account.id was version 0'
        rf" when its index was built, and is version {re.escape(now)} now:"
        " its index may not return every row;"
        r' REINDEX TABLE public.account, then ALTER COLLATION public."Own" REFRESH VERSION,'
        " then run the same command again$",
    )
    assert db.unchanged("account") == 500
    db.sql("REINDEX TABLE public.account")
    db.sql('ALTER COLLATION public."Own" REFRESH VERSION')
    rotated(db)
    assert db.unchanged("account") == 0


def test_collation_that_is_not_deterministic(fifteen: Database) -> None:
    fifteen.sql(
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    account(fifteen, "text COLLATE loose")
    outdate(fifteen, "loose")
    refused(fifteen, "the collation public.loose of public.account.id was version 0")


def test_collation_of_the_system(fifteen: Database) -> None:
    account(fifteen, 'text COLLATE "de-x-icu"')
    outdate(fifteen, '"de-x-icu"')
    refused(fifteen, 'ALTER COLLATION pg_catalog."de-x-icu" REFRESH VERSION')


def test_collation_by_which_partitions_are_cut(either: Database) -> None:
    """REINDEX does not move a row to the partition that its key belongs to now."""
    make_collation(either)
    either.sql(
        'CREATE TABLE account (id text COLLATE "Own" PRIMARY KEY, token uuid) PARTITION BY RANGE (id);'
        "CREATE TABLE part PARTITION OF account DEFAULT"
    )
    outdate(either, '"Own"')
    refused(either, "REINDEX TABLE public.account, move rows that are in the wrong partition")


def outdate_default(db: Database) -> None:
    """A database whose default collation has a version, and was made with another one."""
    locale = "datlocprovider = 'i', daticulocale = 'und'"
    if db.connect().server_version >= 170000:
        locale = "datlocprovider = 'b', datlocale = 'C.UTF-8'"
    db.sql(f"UPDATE pg_database SET {locale}, datcollversion = '0' WHERE datname = %s", db.name)


def test_default_collation_of_another_version(either: Database) -> None:
    db = either
    if db.connect().server_version // 10000 == 16:
        pytest.skip("it has no such locale here")
    outdate_default(db)
    db.sql("CREATE DOMAIN word AS text")
    account(db, "word")
    done = refused(
        db,
        rf"the collation default \(that of database {db.name}\) of public.account.id was version 0"
        " when its index was built, and is version .* now: its index may not return every row;"
        " REINDEX TABLE public.account, then"
        f" ALTER DATABASE {db.name} REFRESH COLLATION VERSION, then run the same command again$",
    )
    assert "unknown" not in done.err
    db.sql("REINDEX TABLE public.account")
    db.sql(f"ALTER DATABASE {db.name} REFRESH COLLATION VERSION")
    rotated(db)


@pytest.mark.parametrize("key", ["bigint", "numeric", 'text COLLATE "C"', 'text COLLATE "POSIX"'])
def test_keys_that_no_version_orders(either: Database, key: str) -> None:
    """Numbers, and "C", in a database whose default collation is another now."""
    outdate_default(either)
    account(either, key)
    assert "collation" not in rotated(either)
    assert either.unchanged("account") == 0


def test_a_uuid_is_not_ordered_by_a_collation(db: Database) -> None:
    outdate_default(db)
    account(db, "uuid", how="gen_random_uuid()")
    rotated(db)


def test_server_that_knows_no_version_of_a_database(db: Database, monkeypatch) -> None:
    """As 13 and 14: the function is not there to be called, nor the column to be read."""
    from app.rotation.engine.db import statements

    load = statements.load
    text = load("knows_database_version").replace("actual_version(oid)", "no_version(oid)")
    monkeypatch.setattr(
        statements, "load", lambda name: text if name == "knows_database_version" else load(name)
    )
    account(db, "text")
    done = db.call("rotate_tokens_sql", "--table", "account")
    assert (done.code, done.err) == (0, "")


# The rows themselves, by amcheck.


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
    driver = forms.make_driver(user, form.cleaned_data, StopSwitch())
    assert driver.amcheck_seconds < forms.PLAN_SECONDS < AMCHECK_SECONDS


def test_what_is_refused_anyway_is_not_waited_for(db: Database) -> None:
    """Amcheck may take a minute: a run that is refused anyway does not wait for it."""
    db.sql("CREATE EXTENSION amcheck; CREATE TABLE secret (token uuid PRIMARY KEY);"
           "CREATE TABLE account (id int PRIMARY KEY, token uuid REFERENCES secret)")  # fmt: skip
    done = db.call("rotate_tokens_sql", "--table", "account", "--dry-run")
    assert done.code == 1
    assert "amcheck" not in done.out
