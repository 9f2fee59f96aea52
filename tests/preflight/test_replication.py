"""Logical replication: what a rotation would stop, at the publisher and where it is subscribed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.localpg.server import Server
from tests.conftest import SERVER, Database, numbers, until
from tests.management.terminal import on_a_terminal
from tests.preflight.findings import finds
from tests.proof.account import ACCOUNT, make
from tests.servers import DEBIAN_BINARIES, make_server, running

ALL = "CREATE PUBLICATION whole FOR ALL TABLES"
SCHEMA = "CREATE PUBLICATION whole FOR TABLES IN SCHEMA public"
NEVER = "every UPDATE would fail; "
REFUSE = "refuse publication whole publishes updates of public."


@pytest.fixture(scope="module", params=[SERVER.binaries, DEBIAN_BINARIES], ids=["embedded", "Debian's"])
def logical(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose WAL can be decoded."""
    if not Path(request.param).exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    with running(make_server(request.param, wal_level="logical")) as server:
        yield server


@contextmanager
def replicated(server: Server, publication: str) -> Iterator[tuple[Database, Database]]:
    """A database with a table account and no state of rotations, and one that subscribes to it."""
    number = next(numbers)
    publisher, reader = Database(server, f"sender_{number}"), Database(server, f"reader_{number}")
    admin = Database(server, "postgres")
    for one in (publisher, reader):
        admin.sql(f"CREATE DATABASE {one.name} TEMPLATE template0")
        one.sql("CREATE TABLE account (id bigint PRIMARY KEY, api_key uuid, note text)")
    publisher.sql(publication)
    publisher.sql("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", publisher.name)
    reader.sql(
        f"CREATE SUBSCRIPTION reader CONNECTION 'host={server.sockets} user=postgres"
        f" dbname={publisher.name}' PUBLICATION whole"
        f" WITH (create_slot = false, copy_data = false, slot_name = {publisher.name})"
    )
    try:
        send(publisher, 50)
        until(lambda: applied(reader, 50))
        yield publisher, reader
    finally:
        reader.sql("ALTER SUBSCRIPTION reader DISABLE")
        reader.sql("ALTER SUBSCRIPTION reader SET (slot_name = NONE)")
        reader.sql("DROP SUBSCRIPTION reader")
        active = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
        until(lambda: not publisher.value(active, publisher.name))
        publisher.sql("SELECT pg_drop_replication_slot(%s)", publisher.name)
        for one in (reader, publisher):
            admin.sql(f"DROP DATABASE {one.name} WITH (FORCE)")


def applied(reader: Database, key: int) -> bool:
    return bool(reader.sql("SELECT id FROM account WHERE id = %s", key))


def send(db: Database, key: int) -> None:
    db.sql("INSERT INTO account VALUES (%s, gen_random_uuid())", key)


@pytest.mark.parametrize("publication", [ALL, SCHEMA], ids=["all tables", "a schema"])
@pytest.mark.long
def test_a_subscriber_stops_as_the_line_says(logical: Server, publication: str) -> None:
    with replicated(logical, publication) as (db, reader):
        done = db.run("migrate", "rotation")
        assert (done.code, len(done.err.splitlines())) == (0, 1)
        assert "warning: publication whole is FOR" in done.err
        stopped = re.compile(r'target relation "public\.\w+" does not exist')
        until(lambda: stopped.search(logical.log.read_text()))
        send(db, 51)
        done = db.run("rotate_tokens_sql", *ACCOUNT)
        assert done.code == 0
        assert "warn: publication whole is FOR" in done.out
        assert not applied(reader, 51)
        # Afterwards, only the tables themselves help, and the subscriber continues.
        dump = (db.server.binaries / "pg_dump", "-s", "-h", db.server.sockets, "-U", "postgres")
        copied = db.server._run(*dump, "--exclude-table=account", "--no-publications", db.name)
        assert copied.returncode == 0, copied.stdout
        reader.sql(re.sub(r"^\\(un)?restrict .*|^CREATE SCHEMA public.*", "", copied.stdout, flags=re.M))
        until(lambda: applied(reader, 51))


@pytest.mark.parametrize("publication", [ALL, SCHEMA], ids=["all tables", "a schema"])
@pytest.mark.long
def test_its_way_out_keeps_the_subscriber_going(logical: Server, publication: str) -> None:
    with replicated(logical, publication) as (db, reader):
        db.sql("CREATE PUBLICATION another FOR TABLE account")
        reader.sql("ALTER SUBSCRIPTION reader SET PUBLICATION another WITH (copy_data = false)")
        db.sql("DROP PUBLICATION whole")
        assert db.run("migrate", "rotation").err == ""
        done = db.run("rotate_tokens_sql", *ACCOUNT)
        assert (done.code, "own tables" in done.out) == (0, False)
        assert "publication another sends every new token" in done.out
        send(db, 51)
        until(lambda: applied(reader, 51))
        new = db.value("SELECT api_key FROM account WHERE id = 50")
        assert reader.value("SELECT api_key FROM account WHERE id = 50") == new


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("", 1), ("y", 0)])
def test_migrate_asks_a_person(db: Database, answer: str, code: int) -> None:
    """Before anything was written: in a database of its own Django's list of migrations stops it too."""
    assert db.run("migrate", "rotation", "zero", "-v", "0").code == 0
    db.sql(ALL)
    ended, said = on_a_terminal(db, answer, "migrate", "rotation")
    assert ended == code, said
    assert "Create the rotation's tables all the same? [y/N]" in said
    assert bool(db.value("SELECT count(*) FROM pg_class WHERE relname = 'rotation'")) == (not code)
    ended, said = on_a_terminal(db, "n", "migrate", "rotation", "--no-input")
    assert (ended, "[y/N]" in said) == (0, False)


@pytest.mark.parametrize(
    ("publication", "kind"),
    [
        (ALL, "FOR ALL TABLES"),
        (SCHEMA, "FOR TABLES IN SCHEMA public"),
        (f"{ALL} WITH (publish = 'insert')", "FOR ALL TABLES"),
        ("CREATE PUBLICATION whole FOR TABLE account", ""),
        ("CREATE SCHEMA other; CREATE PUBLICATION whole FOR TABLES IN SCHEMA other", ""),
        (f"{ALL} WITH (publish = 'delete')", ""),
    ],
)
def test_migrate_says_so(db: Database, publication: str, kind: str) -> None:
    """When it creates the state."""
    make(db)
    assert db.run("migrate", "rotation", "zero", "-v", "0").code == 0
    db.sql(publication)
    done = db.run("migrate", "rotation")
    assert done.code == 0
    assert ("warning: publication whole is " in done.err) == bool(kind), done.err
    assert f"is {kind}, and so publishes the rotation's own tables" in done.err or not kind
    assert len(done.err.splitlines()) == bool(kind)


@pytest.mark.parametrize(
    ("before", "finding"),
    [
        ("ALTER TABLE account REPLICA IDENTITY NOTHING", "has REPLICA IDENTITY NOTHING"),
        ("ALTER TABLE account DROP CONSTRAINT account_pkey, ADD PRIMARY KEY (id) DEFERRABLE",
         "has a DEFERRABLE primary key"),
        ("ALTER TABLE account ALTER note SET NOT NULL; CREATE UNIQUE INDEX i ON account (id, note);"
         "ALTER TABLE account REPLICA IDENTITY USING INDEX i; DROP INDEX i", "has lost the index"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("publication", [ALL, SCHEMA], ids=["all tables", "a schema"])
def test_updates_without_an_identity(db: Database, publication: str, before: str, finding: str) -> None:
    make(db)
    db.sql(f"{publication}; {before}")
    says = f"{REFUSE}account, which {finding}.*: {NEVER}"
    finds(db, says, "--column", "api_key", table="account")
    with pytest.raises(Exception, match="does not have a replica identity"):
        db.sql("UPDATE account SET note = 'y'")
    db.sql("ALTER TABLE account REPLICA IDENTITY FULL")
    finds(db, "warn publication whole sends every old token", "--column", "api_key", table="account")


@pytest.mark.parametrize("of", ["account", "account (id, api_key, note)"])
def test_one_partition_without_an_identity(db: Database, of: str) -> None:
    """By the partition itself, and by the whole table."""
    root = "publish_via_partition_root"
    db.sql("CREATE TABLE account (id int PRIMARY KEY, api_key uuid, note text) PARTITION BY RANGE (id);"
           "CREATE TABLE low PARTITION OF account FOR VALUES FROM (0) TO (10);"
           "CREATE TABLE high PARTITION OF account FOR VALUES FROM (10) TO (30);"
           "ALTER TABLE high REPLICA IDENTITY NOTHING;"
           f"CREATE PUBLICATION whole FOR TABLE {of} WITH ({root} = on)")  # fmt: skip
    finding = f"{REFUSE}high, which has REPLICA IDENTITY NOTHING"
    finds(db, finding, "--column", "api_key", table="account")
    db.sql("DROP PUBLICATION whole; CREATE PUBLICATION whole FOR TABLE low")
    finds(db, "note publication whole sends every new token", "--column", "api_key", table="account")


@pytest.mark.parametrize("of", ["account WHERE (note <> 'x')", "account (api_key, note)"])
def test_filters_that_an_identity_does_not_cover(db: Database, of: str) -> None:
    make(db)
    db.sql(f"CREATE PUBLICATION whole FOR TABLE {of}")
    finds(db, f"{REFUSE}account, which has .* row filter .*: {NEVER}",
          "--column", "api_key", table="account")  # fmt: skip
    with pytest.raises(Exception, match="cannot update"):
        db.sql("UPDATE account SET note = 'y'")
    db.sql(
        "DROP PUBLICATION whole; CREATE PUBLICATION whole FOR TABLE account (id, note) WHERE (id > 3)"
    )
    finds(db, "note publication whole sends every new token", "--column", "api_key", table="account")


def test_a_table_that_follows_without_an_identity(db: Database) -> None:
    """The foreign key's UPDATE of it would fail, and so the window."""
    make(db)
    db.sql("ALTER TABLE account ADD UNIQUE (api_key);"
           "CREATE TABLE use (of uuid REFERENCES account (api_key) ON UPDATE CASCADE)")  # fmt: skip
    db.sql(ALL)
    finds(db, f"{REFUSE}use, which has no primary key .*FULL first",
          "--column", "api_key", "--allow-fk", table="account")  # fmt: skip
    db.sql("ALTER TABLE use REPLICA IDENTITY FULL; ALTER TABLE batchprogress REPLICA IDENTITY NOTHING")
    finds(db, f"{REFUSE}batchprogress, which has REPLICA IDENTITY",
          "--column", "api_key", "--allow-fk", table="account")  # fmt: skip


SUBSCRIBED = (
    "CREATE SUBSCRIPTION feed CONNECTION 'host=/nowhere dbname=x' PUBLICATION p WITH (connect = false);"
    "INSERT INTO pg_subscription_rel SELECT s.oid, '{}'::regclass, 'r', '0/0' FROM pg_subscription AS s"
    " WHERE subname = 'feed'"
)
GONE = "ALTER SUBSCRIPTION feed SET (slot_name = NONE); DROP SUBSCRIPTION feed"


def subscribed(db: Database, table: str) -> None:
    """As if a subscription filled it: the catalog is all that the preflight reads."""
    db.sql(f"SET allow_system_table_mods = on; {SUBSCRIBED.format(table)}")


@pytest.mark.parametrize("filled", ["account", "low"])
def test_a_target_that_a_subscription_fills(db: Database, filled: str) -> None:
    """Itself, and by one of its partitions."""
    db.sql("CREATE TABLE account (id int PRIMARY KEY, api_key uuid) PARTITION BY RANGE (id);"
           "CREATE TABLE low PARTITION OF account FOR VALUES FROM (0) TO (9);"
           "INSERT INTO account SELECT g, gen_random_uuid() FROM generate_series(1, 8) AS g;"
           "CREATE TABLE other (id int PRIMARY KEY, token uuid)")  # fmt: skip
    subscribed(db, filled)
    try:
        finds(db, rf"warn subscription feed \(disabled\) fills {filled} with the publisher's rows",
              "--column", "api_key", table="account")  # fmt: skip
        other = db.call("rotate_tokens_sql", "--table", "other", "--dry-run")
        assert "subscription" not in other.out
    finally:
        db.sql(GONE)


@pytest.mark.parametrize("hidden", [False, True])
def test_an_ordinary_role_sees_subscriptions_or_says_that_it_does_not(
    db: Database, hidden: bool
) -> None:
    make(db)
    role = f"plain_{db.name}"
    subscribed(db, "account")
    db.sql(f"CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};"
           f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role};"
           f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role}")  # fmt: skip
    if hidden:
        db.sql("REVOKE SELECT ON pg_subscription_rel FROM PUBLIC")
    try:
        env = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
        done = db.run("rotate_tokens_sql", *ACCOUNT, "--dry-run", "--no-guard", env=env)
        assert done.code == 0, done.err
        told = "note       this role may not read pg_subscription_rel: whether a subscription fills"
        assert (told in done.out) == hidden
        assert ("warn       subscription feed (disabled) fills account" in done.out) != hidden
    finally:
        db.sql(f"{GONE}; DROP OWNED BY {role}; DROP ROLE {role}")
