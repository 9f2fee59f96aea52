"""Windows over keys of every kind: each row in exactly one, never more rows than asked for."""

import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.rotation.engine.options import LARGEST_SIZE
from app.rotation.engine.table.windows import FIRST_SIZE, WindowSizer
from tests.conftest import Database

BIGGEST = 2**63 - 1


def windows(db: Database) -> list[tuple[str, str, int]]:
    return db.sql("SELECT lo, hi, rows FROM rotation_window ORDER BY id")


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        pytest.param([1, 9 * 10**18], [("1", "9000000000000000000", 2)], id="far apart, one window"),
        pytest.param([7], [("7", "7", 1)], id="a single row"),
        pytest.param([-5, -1, 0, 3], [("-5", "-1", 2), ("0", "3", 2)], id="negative"),
        pytest.param(
            [-(2**63), 0, BIGGEST],
            [(str(-(2**63)), "0", 2), (str(BIGGEST), str(BIGGEST), 1)],
            id="the ends of bigint",
        ),
        pytest.param(
            [1, 2, 1000, 10**12, 10**12 + 1],
            [("1", "2", 2), ("1000", "1000000000000", 2), ("1000000000001", "1000000000001", 1)],
            id="gaps",
        ),
    ],
)
def test_keyset_windows(db: Database, ids: list[int], expected: list[tuple[str, str, int]]) -> None:
    db.tickets(ids)
    assert db.call("rotate_tokens_sql", "--window", "2").code == 0
    assert windows(db) == expected
    db.each_once(len(ids))


def test_one_and_nine_quintillion_are_two_windows_of_one(db: Database) -> None:
    db.tickets([1, 9 * 10**18])
    assert db.call("rotate_tokens_sql", "--window", "1").code == 0
    assert [(lo, rows) for lo, _, rows in windows(db)] == [("1", 1), ("9000000000000000000", 1)]


def test_empty_table_is_finished_at_once(db: Database) -> None:
    done = db.call("rotate_tokens_sql")
    assert done.code == 0
    assert "succeeded: 0 rows in 0 windows" in done.out
    assert "100.00 % (0 of 0)" in done.out


KEYED = """
    CREATE TABLE keyed (key {type} PRIMARY KEY, token uuid NOT NULL UNIQUE DEFAULT gen_random_uuid());
    INSERT INTO keyed (key) {rows};
"""


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        ("uuid", "SELECT gen_random_uuid() FROM generate_series(1, 100)"),
        ("text", "SELECT 'it''s ' || chr(64 + n / 2) || n || '%' FROM generate_series(1, 100) AS n"),
        ('text COLLATE "C"', "SELECT CASE n % 2 WHEN 0 THEN 'a' ELSE 'B' END || n FROM"
         " generate_series(1, 100) AS n"),
        ("varchar(20)", "SELECT 'k' || n FROM generate_series(1, 100) AS n"),
        ("smallint", "SELECT n FROM generate_series(-50, 49) AS n"),
        ("integer", "SELECT n * 20000000 FROM generate_series(1, 100) AS n"),
        ("numeric(30, 5)", "SELECT n * 123456789012.5 FROM generate_series(-50, 49) AS n"),
    ],
)  # fmt: skip
def test_keys_of_every_type(db: Database, key: str, rows: str) -> None:
    db.sql(KEYED.format(type=key, rows=rows))
    db.watch("keyed", "key")
    done = db.call("rotate_tokens_sql", "--table", "keyed", "--window", "7")
    assert (done.code, done.err) == (0, "")
    assert db.changes() == {1: 100}
    assert db.unchanged("keyed") == 0
    assert db.value("SELECT count(*), max(rows) FROM rotation_window HAVING max(rows) = 7") == 15


def test_key_of_a_domain(db: Database) -> None:
    db.sql("CREATE DOMAIN positive AS bigint CHECK (value > 0)")
    db.sql(KEYED.format(type="positive", rows="SELECT generate_series(1, 20)"))
    db.watch("keyed", "key")
    assert db.call("rotate_tokens_sql", "--table", "keyed", "--window", "7").code == 0
    assert db.changes() == {1: 20}


def test_partitioned_table(db: Database) -> None:
    db.sql(
        "CREATE TABLE parted (id bigint PRIMARY KEY, token uuid NOT NULL DEFAULT gen_random_uuid())"
        " PARTITION BY RANGE (id);"
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (50) TO (1000);"
        "INSERT INTO parted SELECT generate_series(1, 100)"
    )
    db.watch("parted", "id")
    assert db.call("rotate_tokens_sql", "--table", "parted", "--window", "30").code == 0
    assert db.changes() == {1: 100}
    assert db.unchanged("parted") == 0


def test_last_rows_deleted_during_the_run(db: Database) -> None:
    """The checkpoint still reaches its lane's end when the rows there are gone."""
    db.tickets(100)
    db.sql(
        "CREATE FUNCTION drop_last() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM ticket WHERE id > 90; RETURN NULL; END';"
        "CREATE TRIGGER drop_last AFTER INSERT ON rotation_window EXECUTE FUNCTION drop_last()"
    )
    done = db.call("rotate_tokens_sql", "--window", "30")
    assert (done.code, done.err) == (0, "")
    assert db.sql("SELECT last_id, upper, rows FROM batchprogress") == [("100", "100", 90)]
    assert db.value("SELECT count(*) FROM changes") == 90
    assert "100.00 % (90 of 100)" in done.out


any_ids = st.sets(st.integers(-(2**63), 2**63 - 1) | st.integers(-30, 30), min_size=1, max_size=40)
on_one_database = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def begin_again(db: Database, ids: set[int]) -> None:
    """The database as it was at first, but for these tickets."""
    db.sql("SET session_replication_role = replica;"
           "TRUNCATE rotation, batchprogress, rotation_window, rotation_leftover, ticket;"
           "DROP TABLE IF EXISTS before, changes; DROP FUNCTION IF EXISTS note CASCADE")  # fmt: skip
    db.tickets(sorted(ids))


@on_one_database
@given(ids=any_ids, size=st.integers(1, 12))
def test_every_row_in_exactly_one_window(db: Database, ids: set[int], size: int) -> None:
    begin_again(db, ids)
    assert db.call("rotate_tokens_sql", "--window", str(size)).code == 0
    db.each_once(len(ids))
    rows = [rows for _, _, rows in windows(db)]
    assert max(rows) <= size
    assert len(rows) == -(-len(ids) // size)


@on_one_database
@given(ids=any_ids, lanes=st.integers(2, 9), workers=st.integers(1, 3), analyzed=st.booleans())
@pytest.mark.long
def test_every_row_in_exactly_one_lane(
    db: Database, ids: set[int], lanes: int, workers: int, analyzed: bool
) -> None:
    """Whatever the lanes are cut by: equal distances, or the planner's histogram."""
    begin_again(db, ids)
    db.sql(
        "ANALYZE ticket" if analyzed else "DELETE FROM pg_statistic WHERE starelid = 'ticket'::regclass"
    )
    many = ("--lanes", str(lanes), "--workers", str(workers))
    assert db.call("rotate_tokens_sql", "--window", "5", *many).code == 0
    db.each_once(len(ids))
    drawn = db.sql("SELECT lower::bigint, upper::bigint, rows FROM batchprogress ORDER BY lane")
    assert len(drawn) <= lanes
    ends = [end for lower, upper, _ in drawn for end in (lower, upper)]
    assert ends == sorted(ends)
    assert [rows for *_, rows in drawn] == [
        sum(lower <= key <= upper for key in ids) for lower, upper, _ in drawn
    ]
    assert sum(rows for *_, rows in drawn) == len(ids)


def test_uuid_keys_are_walked_in_the_index_order(db: Database) -> None:
    db.sql(KEYED.format(type="uuid", rows="SELECT gen_random_uuid() FROM generate_series(1, 30)"))
    assert db.call("rotate_tokens_sql", "--table", "keyed", "--window", "4").code == 0
    bounds = [uuid.UUID(bound) for lo, hi, _ in windows(db) for bound in (lo, hi)]
    assert bounds == sorted(bounds)


class TestSizer:
    def test_doubles_at_most_and_aims_at_the_seconds(self) -> None:
        sizer = WindowSizer(None, 0.3)
        sizer.learn(FIRST_SIZE, 0.001)
        assert sizer.size == 2 * FIRST_SIZE
        sizer.learn(sizer.size, 0.6)
        assert sizer.size == FIRST_SIZE
        sizer.learn(sizer.size, 100)
        assert sizer.size == FIRST_SIZE // 2

    def test_a_short_last_window_teaches_nothing_about_growth(self) -> None:
        sizer = WindowSizer(None, 0.3)
        sizer.learn(3, 0.0001)
        assert sizer.size == FIRST_SIZE

    def test_stays_within_its_limits(self) -> None:
        sizer = WindowSizer(None, 0.3)
        for _ in range(50):
            sizer.learn(sizer.size, 0.0)
        assert sizer.size == LARGEST_SIZE
        for _ in range(50):
            sizer.learn(sizer.size, 1e9)
        assert sizer.size == 1

    @pytest.mark.parametrize("fixed", [None, 1000])
    def test_conflicts_halve_and_windows_grow_back(self, fixed: int | None) -> None:
        sizer = WindowSizer(fixed, 0.3)
        size = sizer.size
        sizer.conflict()
        sizer.conflict()
        assert sizer.size == size // 4
        sizes = []
        for _ in range(10):
            sizer.learn(sizer.size, 0.3)
            sizes.append(sizer.size)
        assert sizes == sorted(sizes)
        assert sizes[-1] == size

    def test_never_below_one(self) -> None:
        sizer = WindowSizer(3, 0.3)
        for _ in range(5):
            sizer.conflict()
        assert sizer.size == 1
        sizer.learn(1, 0.1)
        assert sizer.size == 2
