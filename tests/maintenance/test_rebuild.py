"""--reindex: the token's indexes are small at the end, and none is left INVALID, come what may."""

import re
import signal

import pytest

from tests.conftest import Database, kill, read_until, until
from tests.maintenance.rebuilding import invalid, rebuilding, writer
from tests.maintenance.unvacuumed import make

RUN = ("rotate_tokens_sql", "--progress", "lines")
REBUILD = (*RUN, "--reindex")


def token_index(db: Database) -> str:
    return db.value(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'ticket'::regclass"
        " AND indisvalid AND pg_get_indexdef(indexrelid) LIKE %s", "%(token)"
    )  # fmt: skip


def rotated(db: Database, rows: int = 100) -> None:
    db.tickets(rows)
    assert db.run(*RUN).code == 0


def test_index_is_as_small_as_before(db: Database) -> None:
    make(db)
    db.sql("REINDEX TABLE ticket")
    name = token_index(db)
    fresh = db.value("SELECT pg_relation_size(%s)", name)
    oid = db.value("SELECT %s::regclass::oid", name)
    done = db.run(*REBUILD, "--workers", "2")
    assert (done.code, done.err) == (0, "")
    assert re.search(
        # Others may keep it waiting.
        rf"index {name}: rebuilding it \([\d.]+ [kM]B\)\n(.*\n)*index {name}: rebuilt in",
        done.out,
    )
    assert db.value("SELECT pg_relation_size(%s)", name) <= 1.05 * fresh
    assert db.value("SELECT %s::regclass::oid", name) != oid
    assert (invalid(db), db.unchanged()) == ([], 0)
    assert done.out.splitlines()[-1].startswith("rotation 1 of public.ticket.token succeeded")


def test_finished_rotation(db: Database) -> None:
    """It is never too late, and what was rebuilt once is not rebuilt again."""
    rotated(db)
    assert "would      do nothing" in db.run(*RUN, "--dry-run").out
    assert "would      rebuild the indexes that have grown" in db.run(*REBUILD, "--dry-run").out
    assert "would      rebuild the token's" in db.run(*REBUILD, "token", "--dry-run").out
    done = db.run(*REBUILD)
    assert (done.code, done.err) == (0, "")
    assert f"index {token_index(db)}: rebuilt in" in done.out
    assert "rotation 1 of public.ticket.token was finished" in done.out
    assert "of public.ticket.token started" not in done.out
    oid = db.value("SELECT %s::regclass::oid", token_index(db))
    again = db.run(*REBUILD)
    assert again.code == 0
    assert f"index {token_index(db)}: already rebuilt" in again.out
    assert db.value("SELECT %s::regclass::oid", token_index(db)) == oid
    assert db.run(*REBUILD, "--new").code == 0  # another rotation bloats it again
    assert db.value("SELECT %s::regclass::oid", token_index(db)) != oid


@pytest.mark.long
def test_whom_it_waits_for_is_named_and_a_signal_leaves_no_invalid_index(db: Database) -> None:
    rotated(db)
    name = token_index(db)
    with writer(db) as pid:
        child = db.start(*REBUILD)
        output = read_until(child, "waiting for writers")
        assert re.search(rf"index {name}: waiting for writers [^:]*: pid {pid} ", output)
        child.send_signal(signal.SIGTERM)
        out = child.communicate(timeout=60)[0]
        assert child.returncode == 3, out
        assert f"every token is rotated; the rebuild of index {name} was cancelled by SIGTERM" in out
        # While that transaction is open the leftover can't be dropped; it is said, and what to do.
        assert "INVALID (the next --reindex drops it)" in out
        assert invalid(db) == [f"{name}_ccnew"]
    done = db.run(*REBUILD)
    assert done.code == 0
    assert f"index {name}_ccnew: dropping it" in done.out
    assert f"index {name}: rebuilt in" in done.out
    assert invalid(db) == []


def test_killed_and_run_again(db: Database) -> None:
    """The server continues what a killed process had started: the next one waits for that."""
    rotated(db)
    with writer(db):
        child = db.start(*REBUILD)
        until(lambda: rebuilding(db))
        kill(child)
        second = db.start(*REBUILD)
        output = read_until(second, "waiting for writers")
        assert "an index of the table: waiting for writers" in output
    out = second.communicate(timeout=60)[0]
    assert second.returncode == 0, out
    assert invalid(db) == []


def test_lost_connection(db: Database) -> None:
    """What the broken-off statement left is dropped, and the index rebuilt all the same."""
    rotated(db)
    name = token_index(db)
    with writer(db):
        child = db.start(*REBUILD)
        pid = until(lambda: rebuilding(db))
        db.sql("SELECT pg_terminate_backend(%s)", pid)
        until(lambda: invalid(db))
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert f"index {name}_ccnew: dropping it" in out
    assert f"index {name}: rebuilt in" in out
    assert invalid(db) == []


def test_every_index_that_holds_the_token_and_no_other(db: Database) -> None:
    db.sql(
        "CREATE INDEX by_hash ON ticket USING hash (token);"
        "CREATE INDEX by_text ON ticket (lower(token::text));"
        "CREATE INDEX of_some ON ticket (title) WHERE token IS NOT NULL;"
        "CREATE INDEX covering ON ticket (title) INCLUDE (token);"
        "CREATE INDEX titles ON ticket (title);"
        # Somebody else's, and unfinished: not ours to drop.
        "CREATE INDEX theirs ON ticket (token);"
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'theirs'::regclass"
    )
    db.tickets(50)
    done = db.run(*REBUILD)
    assert (done.code, done.err) == (0, "")
    rebuilt = set(re.findall(r"index (\w+): rebuilt in", done.out))
    assert rebuilt == {token_index(db), "by_hash", "by_text", "of_some", "covering"}
    assert invalid(db) == ["theirs"]


def test_indexes_that_have_grown_are_small_again(db: Database) -> None:
    """Whether they hold the token or not; with `token`, only those that do."""
    make(db)
    db.sql("CREATE INDEX titles ON ticket (title); REINDEX TABLE ticket")
    names = ("ticket_pkey", "titles", token_index(db))

    def sizes() -> dict[str, int]:
        return {name: db.value("SELECT pg_relation_size(%s)", name) for name in names}

    before = sizes()
    only = db.run(*REBUILD, "token", "--workers", "2")
    assert only.code == 0, only.err
    assert set(re.findall(r"index (\w+): rebuilt in", only.out)) == {token_index(db)}
    grown = {name for name, now in sizes().items() if now > 1.1 * before[name]}
    assert "ticket_pkey" in grown
    done = db.run(*REBUILD)
    assert done.code == 0, done.err
    assert set(re.findall(r"index (\w+): rebuilt in", done.out)) == grown
    assert f"index {token_index(db)}: already rebuilt" in done.out
    assert all(now <= 1.05 * before[name] for name, now in sizes().items())
    again = db.run(*REBUILD)
    assert "rebuilt in" not in again.out


def test_partitions_and_odd_names(db: Database) -> None:
    db.sql(
        'CREATE TABLE "Odd %s" (id bigint PRIMARY KEY, token uuid) PARTITION BY RANGE (id);'
        'CREATE TABLE low PARTITION OF "Odd %s" FOR VALUES FROM (0) TO (50);'
        'CREATE TABLE high PARTITION OF "Odd %s" FOR VALUES FROM (50) TO (100);'
        'CREATE INDEX "%a ""b""" ON "Odd %s" (token);'
        'ALTER INDEX low_token_idx RENAME TO "%l ""x""";'
        'INSERT INTO "Odd %s" SELECT n, gen_random_uuid() FROM generate_series(1, 99) AS n'
    )
    done = db.run(*REBUILD, "--table", "Odd %s", "--pk", "id", "--column", "token")
    assert (done.code, done.err) == (0, "")
    assert set(re.findall(r"index (.*): rebuilt in", done.out)) == {'"%l ""x"""', "high_token_idx"}


def test_no_index_holds_the_token(db: Database) -> None:
    db.sql("CREATE TABLE plain (id int PRIMARY KEY, token uuid)")
    done = db.run(*REBUILD, "--table", "plain")
    assert (done.code, done.err) == (0, "")
    assert "note: --reindex: no index of public.plain.token holds the token, and none has" in done.out


def test_role_that_may_not_rebuild(db: Database) -> None:
    db.tickets(10)
    name = db.name
    db.sql(f"CREATE ROLE {name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name};"
           f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {name}")  # fmt: skip
    if db.connect().server_version >= 170000:
        db.sql(f"REVOKE MAINTAIN ON ticket FROM {name}")
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{name}@"))
    try:
        for extra in ((), ("--dry-run",)):
            refused = db.run(*REBUILD, *extra, env=environment)
            assert refused.code == 1
            assert "this role may not rebuild the indexes of public.ticket: run as its" in refused.err
            assert "or without --reindex" in refused.err
        assert db.value("SELECT count(*) FROM rotation") == 0
        assert db.run(*RUN, env=environment).code == 0
        late = db.run(*REBUILD, env=environment)
        assert late.code == 1
        assert late.err.startswith("Failed: every token is rotated, but index ticket_token_key")
        assert "insufficient privilege" in late.err
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.long
def test_three_processes(db: Database) -> None:
    """A later process finds the work done, or does it again; none blocks another."""
    make(db)
    db.sql("CREATE INDEX second ON ticket (token)")
    for _ in range(2):  # with tokens still to rotate, and with none
        children = [db.start(*REBUILD) for _ in range(3)]
        for child in children:
            out = child.communicate(timeout=60)[0]
            assert child.returncode == 0, out
        db.sql("UPDATE rotation SET rebuilt = '[]'")
    assert (invalid(db), db.unchanged()) == ([], 0)


@pytest.mark.long
def test_whoever_freezes_in_a_rebuild_keeps_nobody_waiting_for_ever(db: Database) -> None:
    rotated(db)
    for name in "abcdef":  # both would continue with these
        db.sql(f"CREATE INDEX more_{name} ON ticket (token)")
    with writer(db):
        frozen = db.start(*REBUILD)
        until(lambda: rebuilding(db))
        frozen.send_signal(signal.SIGSTOP)
    second = db.start(*REBUILD)
    read_until(second, "rebuilding it (")
    frozen.send_signal(signal.SIGCONT)
    for child in (second, frozen):
        out = child.communicate(timeout=60)[0]
        assert child.returncode == 0, out
    assert invalid(db) == []
