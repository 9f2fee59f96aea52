"""A rotation that an earlier version left half-done is finished by this one."""

from pathlib import Path

import pytest

from tests.conftest import PROJECT, Database

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
    assert "rotation 1 of public.ticket.token resumed after 29 rows" in done.out
    assert "verified by value: 0 of 40 revoked tokens survive" in done.out
    assert db.sql("SELECT id::int FROM changes ORDER BY 1") == [(5,), *((n,) for n in range(31, 41))]
    old = "SELECT count(*) FROM ticket JOIN generate_series(1, 40) n ON token = md5('old ' || n)::uuid"
    assert db.value(old) == 0
    db.sql("UPDATE ticket SET token = md5('old 1')::uuid WHERE id = 1")  # the guard knows them still
    assert db.value(old) == 0
    assert db.call("rotation", "report", "--json").code == 0
