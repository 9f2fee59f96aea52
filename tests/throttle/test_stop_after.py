"""A run that ends after so many rows, so that people look before it continues."""

import pytest

from tests.conftest import Database


@pytest.mark.parametrize(
    "flags",
    [("--window", "40"), ("--window", "1000"), ("--workers", "3", "--lanes", "3", "--window", "7"), ()],
    ids=["windows", "one window", "workers", "sized by time"],
)
@pytest.mark.long
def test_ends_after_exactly_so_many_rows(db: Database, flags: tuple[str, ...]) -> None:
    db.tickets(500)
    for number in (1, 2, 3):
        done = db.run("rotate_tokens_sql", *flags, "--stop-after", "150", "--progress", "none")
        assert done.code == 3, done.out + done.err
        assert "after 150 rows of this run (--stop-after)" in done.err
        assert db.changes()[1] == 150 * number
    done = db.run("rotate_tokens_sql", *flags, "--stop-after", "150", "--progress", "none")
    assert done.code == 0, done.out + done.err
    db.each_once(500)


def test_last_row_is_the_end(db: Database) -> None:
    db.tickets(100)
    done = db.run("rotate_tokens_sql", "--stop-after", "100", "--lanes", "1")
    assert done.code == 0, done.out + done.err
    db.each_once(100)


def test_rows_of_a_window_that_was_rolled_back_are_not_counted(db: Database) -> None:
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT n CHECK (id <> 42) NOT VALID")
    done = db.run("rotate_tokens_sql", "--stop-after", "99", "--window", "30", "--lanes", "1")
    assert "this run: 99 rows" in done.out or done.code in (3, 4), done.out + done.err
    assert db.changes()[1] == 99
