"""What the preflight finds: refused, warned of or noted, shown by the dry run and at the start."""

import re
from contextlib import closing

import pytest

from tests.conftest import DEBIAN_BINARIES, Database, databases, make_server, read_until, running, until

FORMS = {
    "hyphens": "gen_random_uuid()::text",
    "no hyphens": "replace(gen_random_uuid()::text, '-', '')",
    "capitals": "upper(gen_random_uuid()::text)",
    "capitals, no hyphens": "upper(replace(gen_random_uuid()::text, '-', ''))",
}
SPELLED = {
    "hyphens": "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$",
    "no hyphens": "^[0-9a-f]{32}$",
    "capitals": "^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[0-9A-F]{4}-[0-9A-F]{12}$",
    "capitals, no hyphens": "^[0-9A-F]{32}$",
}


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
        assert (done.code, done.out) == (1, "")
        assert re.search(f"^Refused: {finding.removeprefix('refuse ')}", done.err), done.err
        assert len(done.err.splitlines()) == 1
        assert db.value("SELECT count(*) FROM rotation") == 0
    else:
        assert re.search(f"^{level}: {finding.removeprefix(level).strip()}", done.out, re.MULTILINE)
        assert (done.code, done.err) == (0, "")
        assert db.value("SELECT findings::text FROM rotation ORDER BY id DESC LIMIT 1") != "[]"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "type", ["text", "varchar", "varchar(36)", "char(36)", "char(32)", "varchar(32)"]
)
def test_text_tokens_keep_their_spelling(db: Database, type: str, form: str) -> None:
    if ("32" in type and "no hyphens" not in form) or (type == "char(36)" and "no hyphens" in form):
        pytest.skip(f"{type} does not hold a UUID with {form}")
    db.sql(f"CREATE TABLE account (id int PRIMARY KEY, token {type} UNIQUE);"
           f"INSERT INTO account SELECT g, {FORMS[form]} FROM generate_series(1, 50) AS g;"
           "INSERT INTO account VALUES (51, NULL)")  # fmt: skip
    db.watch("account", "id")
    done = db.call("rotate_tokens_sql", "--table", "account", "--window", "20")
    assert (done.code, done.err) == (0, "")
    assert "each new token is spelled like the old one" in done.out
    assert db.unchanged("account") == 0
    wrong = "SELECT count(*) FROM account WHERE token !~ %s"
    assert db.value(wrong, SPELLED[form]) == 0
    assert db.sql("SELECT count(token), count(DISTINCT token) FROM account") == [(50, 50)]
    # An old token is the same token in every spelling.
    spelled = "upper(replace(token, '-', ''))" if "32" in type else "upper(token)"
    for text in ("token", spelled):
        db.sql(f"UPDATE account SET token = (SELECT {text} FROM before WHERE id = '7') WHERE id = 7")
    assert db.value("SELECT count(*) FROM before, account"
                    " WHERE before.id = '7'"
                    " AND lower(account.token) = lower(before.token)") == 0  # fmt: skip
    assert db.call("rotation", "verify").code == 0


def test_text_tokens_of_several_spellings(db: Database) -> None:
    db.sql("CREATE TABLE account (id int PRIMARY KEY, token text)")
    for number, expression in enumerate(FORMS.values()):
        db.sql(f"INSERT INTO account VALUES ({number}, {expression})")
    db.watch("account", "id")
    assert db.call("rotate_tokens_sql", "--table", "account").code == 0
    tokens = [token for (token,) in db.sql("SELECT token FROM account ORDER BY id")]
    assert all(re.match(SPELLED[form], token) for form, token in zip(FORMS, tokens, strict=True))
    assert db.unchanged("account") == 0


@pytest.mark.parametrize(
    "misfit", ["sk_live_1234567890", "", "11111111-2222-4333-8444-55555555555", "{" + "1" * 32 + "}",
               "aAAAAAAA-2222-4333-8444-555555555555", "11111111-222243338444-555555555555"],
)  # fmt: skip
def test_text_that_is_no_uuid(db: Database, misfit: str) -> None:
    db.sql("CREATE TABLE account (id int PRIMARY KEY, token text);"
           "INSERT INTO account SELECT g, gen_random_uuid()::text"
           " FROM generate_series(1, 50) AS g")  # fmt: skip
    db.sql("UPDATE account SET token = %s WHERE id = 33", misfit)
    refused = db.call("rotate_tokens_sql", "--table", "account", "--dry-run")
    assert refused.code == 1
    assert "row with id 33 is not a UUID of 32 or 36 characters in one case: name the" in refused.err
    assert db.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'account'::regclass") == 0
    # Beyond the sample it is found by the snapshot.
    db.sql("INSERT INTO account SELECT -g, gen_random_uuid()::text FROM generate_series(1, 1000) AS g")
    db.watch("account", "id")
    done = db.call("rotate_tokens_sql", "--table", "account")
    assert done.code == 1
    assert re.search(
        r"Refused: public\.account\.token of the row with id 33 is not a UUID of 32 or 36 characters in"
        r" one case; nothing was replaced: fix or empty it and run the same command again, or give up",
        done.err,
    )
    assert db.changes() == {0: 1050}
    db.sql("UPDATE account SET token = NULL WHERE id = 33; DELETE FROM changes")
    assert db.call("rotate_tokens_sql", "--table", "account").code == 0
    assert db.changes() == {0: 1, 1: 1049}


def test_domains(db: Database) -> None:
    db.sql("CREATE DOMAIN secret AS uuid NOT NULL; CREATE DOMAIN word AS varchar(36);"
           "CREATE TABLE account (id int PRIMARY KEY, token secret, other word);"
           "INSERT INTO account SELECT g, gen_random_uuid(), gen_random_uuid()"
           " FROM generate_series(1, 20) AS g")  # fmt: skip
    for column in ("token", "other"):
        done = db.call("rotate_tokens_sql", "--table", "account", "--column", column)
        assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("type", "says"),
    [
        ("varchar(20)", "holds 20 characters: a UUID needs 32 or 36"),
        ("char(40)", "holds 40 characters: a UUID needs 32 or 36, and char is padded with blanks"),
        ("char(10)", "holds 10 characters"),
        ("bytea", "is of type bytea: uuid, text, varchar and char can be rotated"),
        ("jsonb", "is of type jsonb"),
        ("uuid[]", r"is of type uuid\[\]"),
    ],
)
def test_types_that_hold_no_uuid(db: Database, type: str, says: str) -> None:
    db.sql(f"CREATE TABLE account (id int PRIMARY KEY, token {type})")
    done = db.call("rotate_tokens_sql", "--table", "account")
    assert (done.code, done.out) == (1, "")
    assert re.search(says, done.err)


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


def test_token_that_refers_to_another_table(db: Database) -> None:
    db.sql("CREATE TABLE secret (token uuid PRIMARY KEY);"
           "CREATE TABLE account (id int PRIMARY KEY, token uuid REFERENCES secret)")  # fmt: skip
    finds(db, "refuse public.account.token itself refers to secret", table="account")


TRIGGER = (
    "CREATE FUNCTION react() RETURNS trigger LANGUAGE {language} AS $$ {body} $$;"
    "CREATE TRIGGER react {when} EXECUTE FUNCTION react()"
)


@pytest.mark.parametrize(
    ("when", "body"),
    [
        ("AFTER UPDATE ON ticket FOR EACH ROW",
         "BEGIN INSERT INTO audit VALUES (OLD.token); RETURN NULL; END"),
        ("BEFORE UPDATE OF token ON ticket FOR EACH ROW",
         "BEGIN PERFORM pg_notify('tokens', OLD.token::text); RETURN NEW; END"),
        ("AFTER UPDATE ON ticket REFERENCING OLD TABLE AS gone FOR EACH STATEMENT",
         "BEGIN INSERT INTO audit SELECT token FROM gone; RETURN NULL; END"),
        ("AFTER UPDATE ON ticket FOR EACH ROW",
         "BEGIN EXECUTE 'SELECT 1'; RETURN NULL; END"),
        # A call in an expression, of a function that may do anything; the same with a name in quotes.
        ("AFTER UPDATE ON ticket FOR EACH ROW",
         "DECLARE v int; BEGIN v := keep(to_jsonb(OLD)); RETURN NULL; END"),
        ("BEFORE UPDATE ON ticket FOR EACH ROW",
         'BEGIN NEW.title := "Keep It" (OLD.id); RETURN NEW; END'),
        # Into another column of the same row.
        ("BEFORE UPDATE ON ticket FOR EACH ROW",
         "BEGIN NEW.title := OLD.token; RETURN NEW; END"),
    ],
)  # fmt: skip
def test_trigger_that_may_copy(db: Database, when: str, body: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("CREATE TABLE audit (token uuid);"
           "CREATE FUNCTION keep(jsonb) RETURNS int LANGUAGE sql AS 'SELECT 1';"
           "CREATE FUNCTION \"Keep It\"(bigint) RETURNS text LANGUAGE sql AS 'SELECT $1::text';"
           + TRIGGER.format(language="plpgsql", body=body, when=when))  # fmt: skip
    each = "window" if "STATEMENT" in when else "row"
    finds(
        db,
        rf"refuse trigger react \(react\) on public.ticket runs for every {each} and may copy old tokens"
        " elsewhere: check it, delete or rotate what it copied, then add --ack-triggers",
    )
    finds(db, r"warn trigger react \(react\) on public.ticket may keep copies", "--ack-triggers")


def test_triggers_that_can_not_copy(db: Database) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    body = "BEGIN IF (NEW.title IS NULL) THEN NEW.title := lower(trim(OLD.title)); END IF;"
    body += " NEW.updated_at := pg_catalog.now(); RETURN NEW; END"
    when = "BEFORE UPDATE ON ticket FOR EACH ROW"
    db.sql(TRIGGER.format(language="plpgsql", body=body, when=when))
    finds(db, "warn trigger react .* runs for every row, and slows the rotation")


@pytest.mark.parametrize(
    "when",
    [
        "AFTER INSERT ON ticket FOR EACH ROW",
        "AFTER DELETE ON ticket FOR EACH ROW",
        "AFTER UPDATE OF title ON ticket FOR EACH ROW",
    ],
)
def test_triggers_that_do_not_fire(db: Database, when: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    body = "BEGIN INSERT INTO audit VALUES (OLD.token); RETURN NULL; END"
    db.sql("CREATE TABLE audit (token uuid);"
           + TRIGGER.format(language="plpgsql", body=body, when=when))  # fmt: skip
    finds(db, "note trigger react .* does not fire for the rotation's UPDATE")


def test_disabled_trigger_does_not_fire(db: Database) -> None:
    db.tickets(20)
    db.sql("ALTER TABLE ticket DISABLE TRIGGER note")
    finds(db, r"note trigger note \(note\) on public.ticket does not fire")


@pytest.mark.parametrize("rule", ["INSTEAD NOTHING", "ALSO INSERT INTO audit VALUES (OLD.token)"])
def test_rule(db: Database, rule: str) -> None:
    db.sql(f"CREATE TABLE audit (token uuid); CREATE RULE odd AS ON UPDATE TO ticket DO {rule}")
    finds(db, "refuse the rule odd rewrites every UPDATE of public.ticket: drop it")


@pytest.mark.parametrize("key", ["LIST (token)", "HASH (token)", "RANGE ((token::text))"])
def test_partition_key(db: Database, key: str) -> None:
    db.sql(f"CREATE TABLE parted (id int, token uuid) PARTITION BY {key}")
    done = db.call("rotate_tokens_sql", "--table", "parted")
    assert done.code == 1
    assert "has no primary key" in done.err  # one of several columns, or none: refused anyway


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
        statements, "load", lambda name: text if name == "list_old_snapshots" else load(name)
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
