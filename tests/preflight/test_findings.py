"""What the preflight finds: refused, warned of or noted, in the dry run and at the start."""

import re
from contextlib import closing

import pytest

from tests.conftest import Database, databases, read_until, until
from tests.preflight.findings import finds
from tests.servers import DEBIAN_BINARIES, make_server, running

CHILD = (
    "CREATE TABLE child (id int PRIMARY KEY, ticket_token uuid DEFAULT NULL"
    " REFERENCES ticket (token) ON UPDATE {mode});"
    "INSERT INTO child SELECT id, token FROM ticket"
)


@pytest.mark.parametrize("mode", ["NO ACTION", "RESTRICT"])
def test_foreign_key_that_forbids(db: Database, mode: str) -> None:
    db.tickets(20)
    db.sql("DROP TRIGGER note ON ticket;" + CHILD.format(mode=mode))
    finding = (
        "refuse foreign key child_ticket_token_fkey of child refers to public.ticket.token, ON UPDATE"
        f" {mode}: every window with a referenced token would fail; make it ON UPDATE CASCADE"
    )
    finds(db, finding)
    finds(db, finding, "--allow-fk")


def test_foreign_key_that_forbids_what_another_carries_on(db: Database) -> None:
    """The window would fail, and PostgreSQL would write the token down in its log."""
    db.tickets(20)
    db.sql("DROP TRIGGER note ON ticket;" + CHILD.format(mode="CASCADE"))
    db.sql("ALTER TABLE child ADD UNIQUE (ticket_token); CREATE TABLE far (of uuid REFERENCES child"
           " (ticket_token) DEFERRABLE)")  # fmt: skip
    finding = (
        "refuse foreign key far_of_fkey of far refers to child.ticket_token, which follows"
        " public.ticket.token, ON UPDATE NO ACTION"
    )
    finds(db, finding, "--allow-fk")
    db.sql("DROP TABLE far; CREATE TABLE registry AS SELECT ticket_token AS of FROM child;"
           "ALTER TABLE registry ADD PRIMARY KEY (of);"
           "ALTER TABLE child ADD FOREIGN KEY (ticket_token) REFERENCES registry")  # fmt: skip
    finds(db, "refuse child.ticket_token itself refers to registry", "--allow-fk")


@pytest.mark.parametrize("mode", ["CASCADE", "NO ACTION"])
@pytest.mark.parametrize("inert", ["disabled", "not enforced"])
def test_foreign_key_that_does_not_act(db: Database, inert: str, mode: str) -> None:
    """Nothing carries a new token on, and no window fails."""
    db.tickets(20)
    db.sql("DROP TRIGGER note ON ticket;" + CHILD.format(mode=mode))
    db.sql("ALTER TABLE child ADD UNIQUE (ticket_token);"
           "CREATE TABLE far (of uuid REFERENCES child (ticket_token))")  # fmt: skip
    if inert == "disabled":
        db.sql("ALTER TABLE ticket DISABLE TRIGGER ALL")
    elif db.value("SELECT current_setting('server_version_num')::int") < 180000:
        pytest.skip("every foreign key is enforced before PostgreSQL 18")
    else:
        db.sql("ALTER TABLE child ALTER CONSTRAINT child_ticket_token_fkey NOT ENFORCED")
    finds(
        db,
        "warn foreign key child_ticket_token_fkey of child refers to public.ticket.token, but does"
        r" not act \(NOT ENFORCED, or its triggers are disabled\): rows that refer to a token keep",
    )
    assert db.call("rotate_tokens_sql").code == 0
    assert db.unchanged() == 0
    assert "20 rows of public.child" in db.call("rotation", "verify", "--search-copies").err


@pytest.mark.parametrize(
    ("mode", "says", "left"),
    [
        ("CASCADE", "CASCADE: each window also rewrites the rows that refer to its tokens", (20, 20)),
        ("SET NULL", "SET NULL: the rows that refer to a token lose the reference", (0, 0)),
        ("SET DEFAULT", "SET DEFAULT: the rows that refer to a token get the default instead", (0, 0)),
    ],
)
def test_foreign_key_that_follows(db: Database, mode: str, says: str, left: tuple[int, int]) -> None:
    db.tickets(20)
    db.sql("DROP TRIGGER note ON ticket;" + CHILD.format(mode=mode))
    finds(db, f"refuse foreign key .* ON UPDATE {says}; if you want that, add --allow-fk")
    finds(db, rf"warn foreign key .* ON UPDATE {says} \(--allow-fk\)", "--allow-fk")
    counts = "SELECT count(ticket_token), count(ticket.id) FROM child LEFT JOIN ticket"
    assert db.sql(f"{counts} ON token = ticket_token") == [left]
    assert db.unchanged() == 0


#: Tables that follow the token, with a trigger that may keep the old one.
WITH_TRIGGERS = {
    "child": "CREATE TRIGGER keep BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION keep()",
    "split": "CREATE TRIGGER keep AFTER UPDATE ON part FOR EACH ROW EXECUTE FUNCTION keep()",
    "grand": "CREATE TRIGGER keep AFTER INSERT OR UPDATE ON grand EXECUTE FUNCTION keep()",
}


@pytest.mark.parametrize("table", WITH_TRIGGERS)
def test_triggers_of_what_follows_the_token(db: Database, table: str) -> None:
    """One that returns NULL undoes the cascade, and the old token stays there."""
    db.sql(
        "ALTER TABLE ticket ADD UNIQUE (token); CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END';"
        "CREATE TABLE child (key uuid UNIQUE REFERENCES ticket (token) ON UPDATE CASCADE);"
        "CREATE TABLE grand (key uuid REFERENCES child (key) ON UPDATE CASCADE);"
        "CREATE TABLE split (id int, key uuid REFERENCES ticket (token) ON UPDATE CASCADE)"
        " PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF split DEFAULT;"
        "CREATE TRIGGER other BEFORE INSERT ON child EXECUTE FUNCTION keep()"
    )
    says = f"the triggers of {table} [(]keep[)] may keep old tokens there, or copy them elsewhere"
    assert "the triggers of" not in db.call("rotate_tokens_sql", "--allow-fk", "--dry-run").out
    db.sql(WITH_TRIGGERS[table])
    dry = db.call("rotate_tokens_sql", "--dry-run").out
    assert re.search(f"refuse +foreign key .*; {says}: .*; if you want that, add --allow-fk", dry), dry
    finds(db, f"warn foreign key .* [(]--allow-fk[)]; {says}: check them, and afterwards", "--allow-fk")


def test_token_that_refers_to_another_table(db: Database) -> None:
    db.sql("CREATE TABLE secret (token uuid PRIMARY KEY);"
           "CREATE TABLE account (id int PRIMARY KEY, token uuid REFERENCES secret)")  # fmt: skip
    finds(db, "refuse public.account.token itself refers to secret", table="account")


@pytest.mark.parametrize("key", ["LIST (token)", "HASH (token)", "RANGE ((token::text))"])
def test_partition_key(db: Database, key: str) -> None:
    db.sql(f"CREATE TABLE parted (id int, token uuid) PARTITION BY {key}")
    done = db.call("rotate_tokens_sql", "--table", "parted")
    assert done.code == 1
    assert "has no primary key" in done.err  # one of several columns, or none: refused anyway


@pytest.mark.long
def test_partitioned_by_hash(db: Database) -> None:
    """Guard, snapshot, windows and proof over two hundred partitions."""
    parts = "".join(
        f"CREATE TABLE parted_{n} PARTITION OF parted FOR VALUES WITH (MODULUS 200, REMAINDER {n});"
        for n in range(200)
    )
    db.sql(f"CREATE TABLE parted (id int PRIMARY KEY, token uuid) PARTITION BY HASH (id); {parts}"
           "INSERT INTO parted SELECT g, gen_random_uuid()"
           " FROM generate_series(1, 500) AS g")  # fmt: skip
    db.watch("parted", "id")
    done = db.call("rotate_tokens_sql", "--table", "parted", "--window", "70")
    assert (done.code, done.err) == (0, "")
    assert db.unchanged("parted") == 0
    db.sql("UPDATE parted SET token = before.token::uuid FROM before WHERE before.id = parted.id::text")
    assert db.unchanged("parted") == 0
    assert db.call("rotation", "verify").code == 0
    assert db.call("rotation", "guard", "drop", "--table", "parted").code == 0


@pytest.mark.parametrize(
    ("index", "finding"),
    [
        ("UNIQUE INDEX odd ON ticket (left(token::text, 20))",
         "warn unique index odd is on an expression of the token: if two new tokens agree in it"),
        ("INDEX odd ON ticket (upper(token::text))", "note index odd is computed from the token"),
        ("INDEX odd ON ticket (title) WHERE token IS NOT NULL", "note index odd is computed"),
    ],
)  # fmt: skip
def test_computed_indexes(db: Database, index: str, finding: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql(f"CREATE {index}")
    finds(db, finding)


@pytest.mark.parametrize(
    ("identity", "finding"),
    [
        ("NOTHING", "refuse publication everything publishes updates of public.ticket, which has"
         " REPLICA IDENTITY NOTHING: every UPDATE would fail"),
        ("FULL", "warn publication everything sends every old token to its subscribers"),
        ("USING INDEX ticket_token_key", "warn publication everything sends every old token"),
        ("DEFAULT", "note publication everything sends every new token to its subscribers"),
    ],
)  # fmt: skip
def test_logical_replication(db: Database, identity: str, finding: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    key = db.value("SELECT conname FROM pg_constraint WHERE conrelid = 'ticket'::regclass"
                   " AND contype = 'u'")  # fmt: skip
    identity = identity.replace("ticket_token_key", key)
    db.sql(
        f"CREATE PUBLICATION everything FOR ALL TABLES; ALTER TABLE ticket REPLICA IDENTITY {identity}"
    )
    finds(db, finding)


def test_replica_identity_of_a_partition(db: Database) -> None:
    """What is published is the rows of partitions, each with its own identity."""
    db.sql(
        "CREATE TABLE parted (id bigint PRIMARY KEY, token uuid) PARTITION BY RANGE (id);"
        "CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (100);"
        "CREATE TABLE high PARTITION OF parted FOR VALUES FROM (100) TO (200);"
        "ALTER TABLE high REPLICA IDENTITY FULL; CREATE PUBLICATION everything FOR ALL TABLES"
    )
    finds(db, "warn publication everything sends every old token", "--table", "parted")


def test_publication_of_a_table_that_the_role_may_not_see(db: Database) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql(f"CREATE SCHEMA hidden; CREATE TABLE hidden.one (id int PRIMARY KEY);"
           f"CREATE PUBLICATION everything FOR ALL TABLES; CREATE ROLE {db.name} LOGIN;"
           f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {db.name};"
           f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {db.name}")  # fmt: skip
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{db.name}@"))
    try:
        done = db.run("rotate_tokens_sql", "--dry-run", env=environment)
        assert (done.code, done.err) == (0, "")
        assert "publication everything sends every new token" in done.out
        assert "this role can't see other roles' sessions: GRANT pg_monitor" in done.out
    finally:
        db.sql(f"DROP OWNED BY {db.name}; DROP ROLE {db.name}")


def test_materialized_views(db: Database) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("CREATE VIEW seen AS SELECT id, token FROM ticket;"
           "CREATE MATERIALIZED VIEW copied AS SELECT * FROM seen;"
           "CREATE MATERIALIZED VIEW whole AS SELECT id, to_jsonb(ticket) FROM ticket;"
           "CREATE MATERIALIZED VIEW harmless AS SELECT id FROM ticket")  # fmt: skip
    finds(db, "warn materialized view copied keeps copies of old tokens: REFRESH MATERIALIZED VIEW")
    assert "view whole keeps copies" in db.call("rotate_tokens_sql", "--dry-run", "--new").out
    assert "harmless" not in db.call("rotate_tokens_sql", "--dry-run", "--new").out


def test_old_snapshot(db: Database, monkeypatch) -> None:
    """Sessions that would hold vacuum back are named."""
    from app.rotation.engine.db import statements

    text = statements.load("list_old_snapshots").replace("interval '1 minute'", "interval '0'")
    load = statements.load
    monkeypatch.setattr(
        statements, "load", lambda name, *_: text if name == "list_old_snapshots" else load(name)
    )
    db.tickets(5)
    with closing(db.connect(autocommit=False)) as old, old.cursor() as cursor:
        old.set_session("REPEATABLE READ")
        cursor.execute("SET application_name = 'report'; SELECT pg_backend_pid() FROM ticket")
        pid = cursor.fetchall()[0][0]
        done = db.call("rotate_tokens_sql", "--dry-run")
    assert f"the session pid {pid}, report, idle in transaction has held an old snapshot" in done.out


def test_row_security_that_does_not_apply(db: Database) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("ALTER TABLE ticket ENABLE ROW LEVEL SECURITY")
    finds(db, "note row-level security of public.ticket does not apply to this role")


def test_unlogged(db: Database) -> None:
    db.sql("CREATE UNLOGGED TABLE quick (id int PRIMARY KEY, token uuid); INSERT INTO quick VALUES (1)")
    finds(db, "note public.quick is unlogged: a server crash empties it", table="quick")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
         "CREATE TRIGGER added BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION f()", "triggers"),
        ("ALTER TABLE ticket DISABLE TRIGGER note", "triggers"),
        ("CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql"
         " AS 'BEGIN RETURN NULL; END'",
         "triggers"),
        ("CREATE RULE odd AS ON UPDATE TO ticket DO ALSO NOTIFY ticket", "rules"),
        ("CREATE TABLE child (token uuid REFERENCES ticket (token) ON UPDATE CASCADE)", "foreign keys"),
        ("ALTER TABLE ticket ENABLE ROW LEVEL SECURITY", "row-level security"),
    ],
    ids=["trigger", "disabled trigger", "trigger function", "rule", "foreign key", "row security"],
)  # fmt: skip
def test_drift_in_mid_run(db: Database, change: str, says: str) -> None:
    db.tickets(3000)
    child = db.start("rotate_tokens_sql", "--window", "5")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    db.sql(change)
    out = child.communicate(timeout=30)[0]
    assert child.returncode == 1, out
    assert f"the {says} of public.ticket changed while the rotation ran" in out.splitlines()[-1]
    assert db.value("SELECT status FROM rotation") == "running"
    if says in ("triggers", "row-level security"):
        done = db.call("rotate_tokens_sql")
        assert done.code == 0, done
        assert db.unchanged() == 0


def test_on_postgresql_15(db: Database) -> None:
    """Guard, snapshot, proof and every catalog query on Debian's server."""
    if not DEBIAN_BINARIES.exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    with running(make_server(DEBIAN_BINARIES)) as server:
        from tests.conftest import MIGRATED

        server.ensure(MIGRATED)
        for old in databases(server):
            assert old.run("migrate", "-v", "0").code == 0
            old.tickets(500)
            old.sql("CREATE MATERIALIZED VIEW copied AS SELECT token FROM ticket")
            child = old.start("rotate_tokens_sql", "--window", "100")
            read_until(child, "phase 4 of 4: verified by value: 0 of 500 revoked tokens survive")
            assert child.wait(30) == 0
            old.each_once(500)
            old.sql(
                "UPDATE ticket SET token = b.token::uuid FROM before AS b WHERE b.id = ticket.id::text"
            )
            assert old.unchanged() == 0
            assert old.run("rotation", "verify").code == 0
