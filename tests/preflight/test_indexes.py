"""Indexes that are not whole, by the catalog: refused before anything is written."""

from contextlib import closing

import psycopg2
import pytest

from tests.conftest import Database
from tests.preflight.findings import finds
from tests.preflight.lacking import LACKING, PARTITIONS, account, mark


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
