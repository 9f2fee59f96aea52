"""A rotation begun by the first version, which had no snapshot, is finished by this one."""

from pathlib import Path

import pytest

from tests.conftest import PROJECT, Database


def test_rotation_begun_before_revocation(db: Database) -> None:
    """What it had rotated stays done; what is left is revoked, rotated and proven."""
    db.tickets(500)
    assert db.call("migrate", "rotation", "0001", verbosity=0).code == 0
    db.sql(
        "INSERT INTO rotation (table_schema, table_name, table_oid, pk_column, pk_type, pk_collation,"
        " token_column, token_attnum, status, floor, ceiling, rows_total, rows_total_exact, options,"
        " reason, operator, host, started_at, touched_at)"
        " SELECT 'public', 'ticket', 'ticket'::regclass::oid::bigint, 'id', 'bigint', '', 'token',"
        " attnum, 'running', '1', '500', 500, true, '{}', '', 'somebody', 'a host', now(), now()"
        " FROM pg_attribute WHERE attrelid = 'ticket'::regclass AND attname = 'token';"
        "INSERT INTO batchprogress (rotation_id, lane, pk_type, pk_collation, lower, upper, last_id,"
        " rows, windows, worker)"
        " SELECT id, 0, 'bigint', '', '1', '500', '200', 200, 1, '' FROM rotation;"
        "INSERT INTO rotation_window (rotation_id, lane_id, lo, hi, rows, milliseconds, transaction_id,"
        " worker) SELECT rotation_id, id, '1', '200', 200, 1, 1, '' FROM batchprogress;"
        "UPDATE ticket SET token = gen_random_uuid() WHERE id <= 200"
    )
    assert db.call("migrate", verbosity=0).code == 0
    assert db.value("SELECT snapshot_id FROM batchprogress") == "200"
    done = db.call("rotate_tokens_sql", "--window", "100")
    assert (done.code, done.err) == (0, "")
    assert "rotation 1 of public.ticket.token goes on after 200 rows" in done.out
    db.each_once(500)
    assert db.sql("SELECT revoked, survivors FROM rotation") == [(300, 0)]
    # The guard knows of what was left, and of nothing before.
    db.sql("UPDATE ticket SET token = before.token::uuid FROM before WHERE before.id = ticket.id::text")
    assert db.unchanged() == 200


FIXTURES = sorted((PROJECT / "tests" / "fixtures").glob("half_done_*.sql"))


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
def test_rotation_that_an_earlier_version_left_half_done(db: Database, fixture: Path) -> None:
    """Resumed by this version: what was done stays, the hole and the rest are rotated and proven."""
    migration = fixture.stem.removeprefix("half_done_")
    assert db.call("migrate", "rotation", migration, verbosity=0).code == 0
    db.sql(fixture.read_text().replace("%", "%%"))
    db.watch("ticket", "id")
    assert db.call("migrate", verbosity=0).code == 0
    done = db.call("rotate_tokens_sql")
    assert (done.code, done.err) == (0, "")
    assert "rotation 1 of public.ticket.token goes on after 29 rows" in done.out
    assert "verified by value: 0 of 40 revoked tokens survive" in done.out
    assert db.sql("SELECT id::int FROM changes ORDER BY 1") == [(5,), *((n,) for n in range(31, 41))]
    old = "SELECT count(*) FROM ticket JOIN generate_series(1, 40) n ON token = md5('old ' || n)::uuid"
    assert db.value(old) == 0
    db.sql("UPDATE ticket SET token = md5('old 1')::uuid WHERE id = 1")  # the guard knows them still
    assert db.value(old) == 0
    assert db.call("rotation", "report", "--json").code == 0
