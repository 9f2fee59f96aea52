"""Columns that share values with the token, or bear a telling name: warned of."""

import re
from contextlib import closing

import pytest

from tests.conftest import WITHOUT_GUARD, Database
from tests.proof.copies import BARE, preflight, rotate

HOLDS = "warn       {} holds values of public.ticket.token without a foreign key: they are"
SHARED = {
    "uuid": ("CREATE TABLE session (id int, token uuid);"
             "INSERT INTO session SELECT id, token::uuid FROM ticket", "public.session.token"),
    "one of many": (
        "CREATE TABLE session (token uuid);"
        "INSERT INTO session SELECT gen_random_uuid() FROM generate_series(1, 500);"
        "INSERT INTO session SELECT token::uuid FROM ticket LIMIT 1", "public.session.token"),
    "varchar without hyphens": (
        f"CREATE TABLE session (key varchar(40)); INSERT INTO session SELECT upper({BARE}) FROM ticket",
        "public.session.key"),
    "char": ("CREATE TABLE session (key char(40)); INSERT INTO session SELECT token FROM ticket",
             "public.session.key"),
    "a collation of its own": (
        'CREATE TABLE session (key text COLLATE "C"); INSERT INTO session'
        " SELECT token FROM ticket", "public.session.key"),
    "the same table": ("UPDATE ticket SET title = token::text", "public.ticket.title"),
    "materialized view": ("CREATE MATERIALIZED VIEW seen AS SELECT token FROM ticket",
                          "public.seen.token"),
    "partitions": ("CREATE TABLE session (id int, token uuid) PARTITION BY LIST (id);"
                   "CREATE TABLE part PARTITION OF session DEFAULT;"
                   "INSERT INTO session SELECT id, token::uuid FROM ticket", "public.session.token"),
    "names that need quotes": (
        'CREATE TABLE "My {0} 5%" ("a ""b"" %s" uuid);'
        'INSERT INTO "My {0} 5%" SELECT token::uuid FROM ticket',
        'public.My {0} 5%.a "b" %s'),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHARED)
@pytest.mark.parametrize("type", ["uuid", "text", "char(36)", "uuid without an index"])
def test_column_that_holds_tokens_without_a_foreign_key(db: Database, kind: str, type: str) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    if type != "uuid":
        db.sql("ALTER TABLE ticket DROP CONSTRAINT ticket_token_key")
    if type in ("text", "char(36)"):
        db.sql(f"{WITHOUT_GUARD}; ALTER TABLE ticket ALTER token TYPE {type};"
               "CREATE INDEX ON ticket (token)")  # fmt: skip
    make, name = SHARED[kind]
    db.sql(make)
    said = preflight(db)
    assert HOLDS.format(name) in said, said
    assert said.count(" holds values of ") == 1


def test_columns_that_share_nothing_with_the_token(db: Database) -> None:
    """Other uuids, a foreign key (which is told as such), NULL, the rotation's own state."""
    db.insert("SELECT generate_series(1, %s)", 20)
    rotate(db)
    db.sql("CREATE TABLE other (key uuid, text text, word varchar(40), fixed char(36));"
           "INSERT INTO other SELECT gen_random_uuid(), gen_random_uuid(), 'x', gen_random_uuid()"
           " FROM generate_series(1, 100); INSERT INTO other DEFAULT VALUES;"
           "CREATE TABLE child (key uuid REFERENCES ticket (token) ON UPDATE CASCADE);"
           "INSERT INTO child SELECT token FROM ticket")  # fmt: skip
    said = preflight(db, "--new", "--allow-fk")
    assert "holds values of" not in said
    assert "not checked for values" not in said
    assert "foreign key child_key_fkey" in said


def test_sample_of_large_tables_uses_an_index(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """No large table is scanned: whichever side has an index is asked; what has none is counted."""
    from app.rotation.engine.preflight import sampling

    db.insert("SELECT generate_series(1, %s)", 3000)
    db.sql("ALTER TABLE ticket DROP CONSTRAINT ticket_token_key;"
           "CREATE TABLE with_index AS SELECT token::text AS key FROM ticket;"
           "CREATE INDEX ON with_index (key); CREATE TABLE without AS SELECT token AS key FROM ticket;"
           "CREATE TABLE partial AS SELECT token AS key FROM ticket;"
           "CREATE INDEX ON partial (key) WHERE key IS NULL; ANALYZE")  # fmt: skip
    monkeypatch.setattr(sampling, "SMALL_PAGES", 1)
    said = preflight(db)
    assert HOLDS.format("public.with_index.key") in said
    # Two that have no index, and the target itself: a column of its own may hold tokens too.
    assert "note       3 tables were not checked for values of public.ticket.token (too slow" in said
    assert said.count(" holds values of ") == 1
    db.sql("CREATE INDEX ON ticket (token)")
    said = preflight(db)
    assert "not checked for values" not in said
    for table in ("with_index", "without", "partial"):
        assert HOLDS.format(f"public.{table}.key") in said


def test_sample_takes_little_time(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that does not answer is given up, and after a while the rest is."""
    from app.rotation.engine.preflight import sampling

    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("CREATE TABLE a AS SELECT gen_random_uuid(); CREATE TABLE b AS SELECT token FROM ticket")
    db.sql("ANALYZE a")
    with closing(db.connect(autocommit=False)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE a")
        said = preflight(db)
        assert "note       1 table was not checked" in said
        assert HOLDS.format("public.b.token") in said
        monkeypatch.setattr(sampling, "ALL_SECONDS", 0.5)
        said = preflight(db)
    assert HOLDS.format("public.b.token") not in said
    assert re.search(r"note +\d+ tables were not checked", said)


def test_run_keeps_what_the_sample_found(db: Database) -> None:
    db.insert("SELECT generate_series(1, %s)", 20)
    db.sql("CREATE TABLE session AS SELECT token FROM ticket")
    done = db.call("rotate_tokens_sql")
    assert (done.code, done.err) == (0, "")
    assert (
        "warn: public.session.token holds values of public.ticket.token without a foreign key"
        in done.out
    )
    assert "public.session.token" in db.value("SELECT findings::text FROM rotation")


PROPOSED = (
    r"^note +{} may keep old tokens: afterwards run python manage.py rotation verify --search-copies"
    r" --table public\.ticket$"
)


@pytest.mark.parametrize(
    "name",
    ["ticket_history", "tickets_historicalticket", "audit_log", "log", "ticket_archive", "backup2025",
     "ticket_old", "hist_ticket", "TicketVersion", "ticket_versions", "auditlog_logentry", "eventlog"],
)  # fmt: skip
def test_name_that_tells_of_copies(db: Database, name: str) -> None:
    db.sql(f'DROP TABLE IF EXISTS django_admin_log; CREATE TABLE "{name}" (note text)')
    assert re.search(PROPOSED.format(f"public.{name}"), preflight(db), re.MULTILINE)


def test_what_holds_copies_is_told_once(db: Database) -> None:
    db.tickets(20)
    db.sql("CREATE TABLE ticket_history AS SELECT token FROM ticket;"
           "CREATE TABLE ticket_old (note text); DROP TABLE IF EXISTS django_admin_log")  # fmt: skip
    said = preflight(db)
    assert HOLDS.format("public.ticket_history.token") in said
    assert re.search(PROPOSED.format("public.ticket_old"), said, re.MULTILINE)


@pytest.mark.parametrize("name", ["blog", "catalog", "login", "conversion", "golden", "dialogue"])
def test_name_that_tells_of_none(db: Database, name: str) -> None:
    db.sql(f'DROP TABLE IF EXISTS django_admin_log; CREATE TABLE "{name}" (note text)')
    assert "may keep old tokens" not in preflight(db)
