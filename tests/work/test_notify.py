"""--notify: listeners hear of each committed window, and of nothing else."""

import json
from contextlib import closing

import pytest

from tests.conftest import Database, until
from tests.unguarded import GUARDED, UNGUARDED

RUN = ("rotate_tokens_sql", "--window", "40", "--notify", "tokens")


def test_listeners_hear_of_each_window(db: Database) -> None:
    db.tickets(100)
    with closing(db.connect()) as listener, listener.cursor() as cursor:
        cursor.execute("LISTEN tokens")
        assert db.run(*RUN).code == 0
        until(lambda: listener.poll() or len(listener.notifies) == 3)
        heard = [json.loads(notice.payload) for notice in listener.notifies]
    assert [(one.pop("lo"), one.pop("hi")) for one in heard] == [
        ("1", "40"),
        ("41", "80"),
        ("81", "100"),
    ]
    assert heard == [{"rotation": 1, "table": "public.ticket", "column": "token"}] * 3


def test_rows_left_for_later_are_told_later(db: Database) -> None:
    db.tickets(100)
    with (
        closing(db.connect()) as listener,
        listener.cursor() as cursor,
        closing(db.connect(autocommit=False)) as holder,
        holder.cursor() as holds,
    ):
        cursor.execute("LISTEN tokens")
        holds.execute("SELECT FROM ticket WHERE id = 50 FOR UPDATE")
        child = db.start(*RUN)
        until(lambda: db.value("SELECT sum(rows) FROM batchprogress") == 99)
        holder.rollback()
        assert child.wait(60) == 0
        until(lambda: listener.poll() or listener.notifies)
        last = json.loads(listener.notifies[-1].payload)
    assert (last["lo"], last["hi"]) == ("50", "50")


def test_notice_of_a_long_key(db: Database) -> None:
    """It says less, where it would be too long for PostgreSQL."""
    db.sql("CREATE TABLE page (id text PRIMARY KEY, token uuid);"
           "INSERT INTO page SELECT lpad(n::text, 5, '0'), gen_random_uuid()"
           " FROM generate_series(1, 100) AS n;"
           "INSERT INTO page VALUES ('00040' || repeat('a', 9000), gen_random_uuid())")  # fmt: skip
    db.remember("page", "id", "token")
    with closing(db.connect()) as listener, listener.cursor() as cursor:
        cursor.execute("LISTEN tokens")
        done = db.run(*RUN, "--table", "page")
        assert (done.code, db.unchanged("page", "token")) == (0, 0), done.err
        until(lambda: listener.poll() or len(listener.notifies) == 3)
        heard = [json.loads(notice.payload) for notice in listener.notifies]
    assert [one.get("hi") for one in heard] == ["00040", None, "00100"]
    assert heard[1] == {"rotation": 1, "table": "public.page", "column": "token"}


@pytest.mark.parametrize("channel", ["", "x" * 64, "\u00e4" * 32, "a\x00b", "\udce4"])
def test_bad_channel(db: Database, channel: str) -> None:
    db.tickets(10)
    refused = db.call("rotate_tokens_sql", notify=channel)
    assert refused.code == 2
    assert "--notify" in refused.err
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_bounds_of_survivors_are_in_order(db: Database) -> None:
    """Who drops `BETWEEN lo AND hi` drops them all, however the list of them is ordered."""
    db.tickets(100)
    assert db.call(*RUN).code == 0
    # They come back last first: a table is read in the order in which its rows lie.
    for number in (90, 40, 7):
        db.sql(f"{UNGUARDED} UPDATE ticket SET token = before.token::uuid FROM before"
               f" WHERE before.id = ticket.id::text AND ticket.id = {number}{GUARDED}")  # fmt: skip
    assert db.call("rotation", "verify").code == 4
    with closing(db.connect()) as listener, listener.cursor() as cursor:
        cursor.execute("LISTEN tokens")
        assert db.run(*RUN).code == 0
        until(lambda: listener.poll() or listener.notifies)
        heard = json.loads(listener.notifies[-1].payload)
    assert (heard["lo"], heard["hi"]) == ("7", "90")
    assert db.sql("SELECT lo, hi FROM rotation_window ORDER BY id DESC LIMIT 1") == [("7", "90")]
