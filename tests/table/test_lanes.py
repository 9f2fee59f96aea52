"""Lanes cover every row once and hold about as many each; any number of workers shares them."""

import os
import random
import re
import signal
import time
from contextlib import closing

import pytest

from tests.conftest import Database, kill, read_until, until
from tests.work.gates import gate, waiting_at_gate

RUN = ("rotate_tokens_sql", "--window", "50", "--progress", "lines", "--lock-timeout", "600000")


def lanes(db: Database, *flags: str, table: str = "target") -> list[tuple[str, str, int]]:
    """The lanes that a run draws: first key, last key, rows."""
    done = db.call("rotate_tokens_sql", "--table", table, *flags)
    assert (done.code, done.err) == (0, "")
    return db.sql("SELECT lower, upper, rows FROM batchprogress ORDER BY lane")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("generate_series(1, 100)",
         [("1", "25", 25), ("26", "50", 25), ("51", "75", 25), ("76", "100", 25)]),
        ("generate_series(-50, 49)",
         [("-50", "-26", 25), ("-25", "-1", 25), ("0", "24", 25), ("25", "49", 25)]),
        ("unnest('{1,9000000000000000000}'::bigint[])",
         [("1", "1", 1), ("9000000000000000000",) * 2 + (1,)]),
        ("unnest('{-9223372036854775808,0,9223372036854775807}'::bigint[])",
         [("-9223372036854775808",) * 2 + (1,), ("0", "0", 1), ("9223372036854775807",) * 2 + (1,)]),
        ("generate_series(7, 7)", [("7", "7", 1)]),
        ("generate_series(1, 0)", []),
        ("generate_series(1, 3)", [("1", "1", 1), ("2", "2", 1), ("3", "3", 1)]),
    ],
)  # fmt: skip
def test_even_lanes(db: Database, keys: str, expected: list[tuple[str, str, int]]) -> None:
    """Without statistics, numbers are cut at equal distances; a stretch without rows makes no lane."""
    db.sql("CREATE TABLE target (id bigint PRIMARY KEY, token uuid)"
           " WITH (autovacuum_enabled = off)")  # fmt: skip
    db.sql(f"INSERT INTO target SELECT g, gen_random_uuid() FROM {keys} AS g")
    db.watch("target", "id")
    assert lanes(db, "--lanes", "4") == expected
    assert set(db.changes()) <= {1}
    assert db.unchanged("target") == 0


@pytest.mark.parametrize("type_", ["uuid", "text", "bigint", "numeric", 'text COLLATE "C"'])
def test_lanes_by_the_histogram(db: Database, type_: str) -> None:
    """Most of the keys lie in a small part of their range, and the lanes are balanced all the same."""
    key = {
        "uuid": "CASE WHEN g % 10 > 0 THEN overlay(gen_random_uuid()::text PLACING '00' FROM 1)::uuid"
        " ELSE gen_random_uuid() END",
    }.get(type_, "CASE WHEN g % 10 > 0 THEN g ELSE 1000 * g END")
    db.sql(f"CREATE TABLE target (id {type_} PRIMARY KEY, token uuid);"
           f"INSERT INTO target SELECT ({key})::{type_}, gen_random_uuid()"
           " FROM generate_series(1, 20000) AS g ON CONFLICT DO NOTHING; ANALYZE target")  # fmt: skip
    db.watch("target", "id")
    drawn = lanes(db, "--lanes", "8")
    assert len(drawn) == 8
    total = db.value("SELECT count(*) FROM target")
    assert sum(rows for *_, rows in drawn) == total
    assert all(0.8 < 8 * rows / total < 1.2 for *_, rows in drawn), drawn
    assert db.changes() == {1: total}


def test_statistics_that_the_table_has_outgrown(db: Database) -> None:
    """They know the first few keys only: lanes by them would leave all others to the last lane."""
    db.sql("CREATE TABLE target (id bigint PRIMARY KEY, token uuid) WITH (autovacuum_enabled = off)")
    more = "INSERT INTO target SELECT g, gen_random_uuid() FROM generate_series(%s, %s) AS g"
    db.sql(more, 1, 1000)
    db.sql("ANALYZE target")
    db.sql(more, 1001, 20_000)
    db.watch("target", "id")
    assert [rows for *_, rows in lanes(db, "--lanes", "4")] == [5000] * 4


def test_text_without_statistics_makes_one_lane(db: Database) -> None:
    db.sql("CREATE TABLE target (id text PRIMARY KEY, token uuid) WITH (autovacuum_enabled = off);"
           "INSERT INTO target SELECT g::text, gen_random_uuid()"
           " FROM generate_series(1, 50) AS g")  # fmt: skip
    assert lanes(db, "--lanes", "8") == [("1", "9", 50)]


def test_small_and_large_tables(db: Database) -> None:
    """Sixteen lanes, or one for a small table; the dry run shows what the run draws."""
    db.insert("SELECT generate_series(1, %s)", 1000)
    assert len(lanes(db, table="ticket")) == 1
    db.sql("ALTER TABLE ticket SET (fillfactor = 10)")
    db.insert("SELECT generate_series(1001, 24000 + %s)", 1000)
    assert db.value("SELECT pg_relation_size('ticket')") > 16 * 2**20
    shown = db.call("rotate_tokens_sql", "--dry-run", "--new", verbosity=2)
    assert shown.out.count("\nlane ") == 16


def test_lanes_of_a_rotation_stay(db: Database) -> None:
    """A rerun with other flags continues with the existing lanes."""
    db.tickets(100)
    db.sql("ALTER TABLE ticket ADD CONSTRAINT stop CHECK (halts(id <> 60)) NOT VALID")
    assert db.call("rotate_tokens_sql", "--lanes", "2", "--window", "10").code == 1
    db.sql("ALTER TABLE ticket DROP CONSTRAINT stop")
    done = db.call("rotate_tokens_sql", "--lanes", "5")
    assert done.code == 0
    assert (
        "note: rotation 1 of public.ticket.token already has 2 lanes; --lanes 5 is for a new rotation"
        in done.out
    )
    assert db.value("SELECT count(*) FROM batchprogress") == 2
    db.each_once(100)


def test_four_workers(db: Database) -> None:
    db.tickets(4000)
    done = db.call("rotate_tokens_sql", "--workers", "4", "--lanes", "8", "--window", "10")
    assert (done.code, done.err) == (0, "")
    db.each_once(4000)
    assert db.value("SELECT count(DISTINCT worker) FROM rotation_window") == 4
    # Each worker stays on its lane while it has work there.
    changes_of_hand = db.value(
        "SELECT count(*) FROM (SELECT worker,"
        " lag(worker) OVER (PARTITION BY lane_id ORDER BY id) AS before"
        " FROM rotation_window) AS t WHERE worker <> before"
    )
    assert changes_of_hand < 20


def test_more_workers_than_lanes(db: Database) -> None:
    db.tickets(300)
    done = db.call("rotate_tokens_sql", "--workers", "4", "--lanes", "1", "--window", "10")
    assert (done.code, done.err) == (0, "")
    assert "is running this rotation" not in done.out
    db.each_once(300)


def test_other_numbers_of_workers_over_three_interrupted_runs(db: Database) -> None:
    db.tickets(20_000)
    for workers, reached in ((4, 3000), (2, 9000)):
        child = db.start(*RUN, "--workers", str(workers), "--lanes", "8")
        until(lambda least=reached: db.value("SELECT sum(rows) FROM batchprogress") or least < 0)
        until(lambda least=reached: db.value("SELECT sum(rows) FROM batchprogress") > least)
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 3
        assert db.value("SELECT count(DISTINCT worker) FROM rotation_window"
                        " WHERE worker LIKE %s", f"rotate_tokens {child.pid}/%") == workers  # fmt: skip
        agrees_in_every_lane(db)
    assert db.run(*RUN, "--workers", "3").code == 0
    db.each_once(20_000)


def test_killed_connection_of_one_worker(db: Database) -> None:
    """It reconnects, and the other three continue meanwhile."""
    db.tickets(8000)
    with gate(db, "ticket", "BEFORE UPDATE", passes="NEW.id <> 2500"):
        child = db.start(*RUN, "--workers", "4", "--lanes", "4")
        pid = until(lambda: waiting_at_gate(db))
        until(lambda: db.value("SELECT sum(rows) FROM batchprogress") > 6000)
        db.sql("SELECT pg_terminate_backend(%s)", pid)
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 0, out
    assert out.count("no database: ") == out.count("reconnected after") == 1
    db.each_once(8000)


@pytest.mark.long
def test_two_processes_with_two_workers_each_under_kill(db: Database) -> None:
    """Processes come and are killed; others continue what they held at once."""
    db.tickets(20_000)
    chance = random.Random(int(os.environ.get("ROTATION_SEED", time.time())))
    flags = ("--workers", "2", "--lanes", "6", "--window", "10", "--progress", "none")
    killed = 0
    children = [db.start("rotate_tokens_sql", *flags) for _ in range(2)]
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    while db.value("SELECT status FROM rotation") == "running" and killed < 12:
        time.sleep(chance.uniform(0.1, 0.4))
        victim = children.pop(chance.randrange(2))
        kill(victim)
        killed += 1
        agrees_in_every_lane(db)
        children.append(db.start("rotate_tokens_sql", *flags))
    assert killed > 2
    assert {child.wait(90) for child in children} == {0}
    db.each_once(20_000)


def test_lane_of_a_killed_worker_is_taken_up(db: Database) -> None:
    db.tickets(400)
    with gate(db, "ticket", "BEFORE UPDATE", passes="NEW.id <> 150"):
        first = db.start(*RUN, "--lanes", "4")
        until(lambda: waiting_at_gate(db))
        second = db.start(*RUN)
        read_until(second, "waiting: ")  # the other lanes are done, and this one is held
        kill(first)
        until(lambda: not waiting_at_gate(db) or db.value("SELECT count(*) FROM pg_locks"
              " WHERE locktype = 'advisory' AND NOT granted AND pid IN (SELECT pid FROM pg_stat_activity"
              " WHERE application_name LIKE %s)", f"rotate_tokens {second.pid}/%"))  # fmt: skip
    assert second.wait(60) == 0
    db.each_once(400)


@pytest.mark.long
def test_holes_in_several_lanes(db: Database) -> None:
    """A row that stays locked keeps no other lane's holes from being filled."""
    db.tickets(400)
    with (
        closing(db.connect(autocommit=False)) as one,
        closing(db.connect(autocommit=False)) as other,
        one.cursor() as stays,
        other.cursor() as goes,
    ):
        stays.execute("SELECT FROM ticket WHERE id = 50 FOR UPDATE")
        goes.execute("SELECT FROM ticket WHERE id IN (150, 350) FOR UPDATE")
        child = db.start("rotate_tokens_sql", "--lanes", "4", "--window", "20", "--lock-timeout", "50",
                         "--lock-patience", "6", "--progress", "lines")  # fmt: skip
        until(lambda: db.value("SELECT count(*) FROM rotation_leftover") == 3)
        other.rollback()
        out = child.communicate(timeout=60)[0]
        assert child.returncode == 4, out
    assert "every other row is rotated, but 1 row stayed locked for 6 s by" in out
    assert db.sql("SELECT key FROM rotation_leftover WHERE rotated_at IS NULL") == [("50",)]
    assert db.run("rotate_tokens_sql").code == 0
    db.each_once(400)


def test_the_end_of_a_lane_waits_for_the_disk(db: Database) -> None:
    db.tickets(100)
    db.sql(
        "CREATE TABLE seen (hi text, setting text);"
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.seen VALUES"
        " (NEW.hi, current_setting(''synchronous_commit'')); RETURN NULL; END';"
        "CREATE CONSTRAINT TRIGGER see AFTER INSERT ON rotation_window DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION see()"
    )
    assert db.call("rotate_tokens_sql", "--lanes", "2", "--window", "25").code == 0
    assert db.sql("SELECT hi, setting FROM seen ORDER BY hi::int") == [
        *(("25", "off"), ("50", "local"), ("75", "off"), ("100", "local"))
    ]


def agrees_in_every_lane(db: Database) -> None:
    """Exactly the rows up to each lane's checkpoint changed."""
    assert db.value(
        "SELECT (SELECT count(*) FROM changes) = (SELECT sum(rows) FROM batchprogress)"
        " AND (SELECT count(*) FROM changes) = (SELECT count(*) FROM ticket, batchprogress"
        " WHERE ticket.id BETWEEN lower::bigint AND last_id::bigint)"
    ) in (True, None)


@pytest.mark.long
def test_lanes_follow_partitions(db: Database) -> None:
    """Two hundred ranges and a default: each lane in one of them, and each window's statement, too."""
    db.sql(
        "CREATE TABLE target (id bigint PRIMARY KEY, token uuid) PARTITION BY RANGE (id);"
        "CREATE TABLE target_rest PARTITION OF target DEFAULT;"
        "CREATE TABLE target_low PARTITION OF target FOR VALUES FROM (MINVALUE) TO (-500);"
    )
    with closing(db.connect()) as connection, connection.cursor() as cursor:
        for number in range(200):
            cursor.execute(f"CREATE TABLE target_{number} PARTITION OF target"
                           f" FOR VALUES FROM ({100 * number}) TO ({100 * number + 100})")  # fmt: skip
    db.sql("INSERT INTO target SELECT g, gen_random_uuid() FROM generate_series(-600, 20100, 3) AS g")
    db.watch("target", "id")
    shown = db.call("rotate_tokens_sql", "--dry-run", "--table", "target", "--window", "20")
    assert re.search(
        r"found by +(Bitmap )?Index Scan using target_low_pkey, in 1 of 202 partitions", shown.out
    )
    drawn = lanes(db, "--window", "20", "--workers", "2")
    assert len(drawn) == 203  # the default partition holds what is below and above the others
    assert db.sql(
        "SELECT DISTINCT count(DISTINCT target.tableoid) FROM batchprogress AS lane"
        " JOIN target ON target.id BETWEEN lane.lower::bigint AND lane.upper::bigint GROUP BY lane.id"
    ) == [(1,)]
    assert db.changes() == {1: 6901}
    assert db.unchanged("target") == 0


def test_lanes_over_partitions_of_text_and_of_hashes(db: Database) -> None:
    """Bounds of any spelling; where partitions are no ranges of the key, lanes are as ever."""
    db.sql(
        'CREATE TABLE target (id text COLLATE "C" PRIMARY KEY, token uuid) PARTITION BY RANGE (id);'
        "CREATE TABLE low PARTITION OF target FOR VALUES FROM ('a') TO ('it''s (1)');"
        "CREATE TABLE high PARTITION OF target FOR VALUES FROM ('it''s (1)') TO (MAXVALUE)"
        " PARTITION BY HASH (id);"
        "CREATE TABLE h0 PARTITION OF high FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE h1 PARTITION OF high FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO target SELECT chr(97 + g % 26) || g, gen_random_uuid()"
        " FROM generate_series(1, 100) AS g"
    )
    db.watch("target", "id")
    drawn = lanes(db)
    assert [len({upper < "it's (1)", lower < "it's (1)"}) for lower, upper, _ in drawn] == [1, 1]
    shown = db.call("rotate_tokens_sql", "--dry-run", "--new", "--table", "target")
    assert "in 1 of 3 partitions" in shown.out
    assert db.changes() == {1: 100}
    db.sql("CREATE TABLE hashed (id bigint PRIMARY KEY, token uuid) PARTITION BY HASH (id);"
           "CREATE TABLE p0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
           "CREATE TABLE p1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
           "INSERT INTO hashed SELECT g, gen_random_uuid() FROM generate_series(1, 100) AS g"
    )  # fmt: skip
    shown = db.call("rotate_tokens_sql", "--dry-run", "--table", "hashed")
    assert re.search(r"Index Scan using p\d_pkey and others, in 2 of 2 partitions", shown.out)
