"""Targets that the settings name, and several of them one after another."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from tests.conftest import Database, Done, until
from tests.work.gates import gate, waiting_at_gate

RUN = "rotate_tokens_sql"
KEYS = {
    "tickets": "tickets.Ticket.token",
    "keys": {
        "table": "api.key",
        "column": "secret",
        "format": "sk_{hex:32}",
        "also": {"checksum": "md5(new_token)"},
        "walk": "number",
        "max_rate": 50_000,
    },
    "last": {"table": "other", "column": "token"},
}


@pytest.fixture
def named(db: Database) -> Iterator[Database]:
    """A database with a table for each of KEYS."""
    db.tickets(30)
    db.sql(
        "CREATE SCHEMA api; CREATE TABLE api.key (secret text PRIMARY KEY, number int NOT NULL UNIQUE,"
        " checksum text);"
        "INSERT INTO api.key SELECT 'sk_' || md5(n::text), n FROM generate_series(1, 40) AS n;"
        "CREATE TABLE other (id int PRIMARY KEY, token uuid);"
        "INSERT INTO other SELECT n, gen_random_uuid() FROM generate_series(1, 20) AS n"
    )
    with override_settings(ROTATION={"TARGET": "tickets.Ticket.token", "TARGETS": KEYS}):
        yield db


def rows_done(db: Database) -> dict[str, int]:
    return dict(
        db.sql(
            "SELECT table_name, sum(lane.rows)::int FROM rotation"
            " JOIN batchprogress AS lane ON lane.rotation_id = rotation.id GROUP BY 1"
        )
    )


def refused(done: Done, code: int, why: str) -> None:
    assert (done.code, len(done.err.splitlines())) == (code, 1), done.out + done.err
    assert why in done.err


def test_one_by_its_name(named: Database) -> None:
    done = named.call(RUN, "keys", "--window", "10")
    assert done.code == 0, done.err
    assert "0 of 40 revoked tokens survive in api.key.secret" in done.out
    assert not named.value("SELECT count(*) FROM api.key WHERE checksum IS DISTINCT FROM md5(secret)")
    assert named.value("SELECT options->>'max_rate' FROM rotation") == "50000"
    assert rows_done(named) == {"key": 40}


def test_its_options_are_defaults(named: Database) -> None:
    assert named.call(RUN, "keys", "--max-rate", "60000").code == 0
    assert named.value("SELECT options->>'max_rate' FROM rotation") == "60000.0"


def test_several_one_after_another(named: Database) -> None:
    done = named.call(RUN, "last", "keys", "tickets")
    assert done.code == 0, done.err
    assert rows_done(named) == {"ticket": 30, "key": 40, "other": 20}
    assert [text for (text,) in named.sql("SELECT table_name FROM rotation ORDER BY id")] == [
        "other", "key", "ticket"]  # fmt: skip
    assert "keys: rotation 2 of api.key.secret succeeded: 40 rows" in done.out
    assert done.out.splitlines()[-1] == "3 of 3 targets rotated now"
    assert done.out.count("3 of 3 targets rotated now") == 1
    again = named.call(RUN, "last", "keys", "tickets")
    assert again.code == 0
    assert again.out.count("Nothing was replaced now") == 3
    assert again.out.splitlines()[-1].startswith("0 of 3 targets rotated now; of 3 nothing was replaced")


def test_plans_of_several(named: Database) -> None:
    done = named.call(RUN, "last", "keys", "--dry-run")
    assert done.code == 0
    for text in (
        "last:",
        "target     public.other.token",
        "keys:",
        "target     api.key.secret, walked by",
    ):
        assert text in done.out
    assert rows_done(named) == {}


def test_none_begins_if_one_is_refused(named: Database) -> None:
    named.sql("ALTER TABLE other DROP CONSTRAINT other_pkey")
    refused(named.call(RUN, "keys", "last"), 1, "last: public.other has no primary key")
    assert "nothing was replaced" in named.call(RUN, "keys", "last").err
    assert rows_done(named) == {}


def test_two_of_one_column(named: Database) -> None:
    """The second would find its rotation finished, of other rows: neither begins."""
    both = {"some": {**KEYS["last"], "where": "id < 9"}, "rest": {**KEYS["last"], "where": "id >= 9"}}
    with override_settings(ROTATION={"TARGETS": both}):
        done = named.call(RUN, "some", "rest")
        refused(
            done, 2, "some and rest are both of public.other.token: rotate some first, then rest with"
        )
        assert rows_done(named) == {}
        assert named.call(RUN, "some", "rest", "--new").code == 0
    assert sum(rows_done(named).values()) == 20


def test_failure_of_one_does_not_keep_the_next(named: Database) -> None:
    named.sql("ALTER TABLE other ADD CHECK (token < gen_random_uuid() OR id > 0);"
              "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
              " 'BEGIN RAISE EXCEPTION ''no''; END';"
              "CREATE TRIGGER no BEFORE UPDATE ON other FOR EACH ROW EXECUTE FUNCTION no()")  # fmt: skip
    done = named.call(RUN, "last", "keys", "--ack-triggers")
    refused(done, 1, "1 of 2 targets did not finish: last: the canary window failed")
    assert "keys: rotation 2 of api.key.secret succeeded" in done.out
    named.sql("DROP TRIGGER no ON other")
    assert named.call(RUN, "last", "keys").code == 0
    assert rows_done(named) == {"key": 40, "other": 20}


def test_stopped_and_continued(named: Database) -> None:
    flags = ("--window", "10", "--stop-after", "20")
    done = named.call(RUN, "tickets", "keys", *flags)
    assert done.code == 3
    assert "2 of 2 targets did not finish" in done.err
    assert rows_done(named) == {"ticket": 20, "key": 20}
    assert named.call(RUN, "tickets", "keys").code == 0
    assert rows_done(named) == {"ticket": 30, "key": 40}


def test_stopped_and_told_how_to_begin_the_others(named: Database) -> None:
    """Those that were not begun are finished rotations of before: the same command would do nothing."""
    assert named.call(RUN, "tickets", "last").code == 0

    def interrupt() -> None:
        until(lambda: waiting_at_gate(named))
        while waiting_at_gate(named):  # the second cancels the statement
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    with gate(named, "batchprogress", "BEFORE UPDATE"):
        thread = threading.Thread(target=interrupt)
        thread.start()
        done = named.call(RUN, "tickets", "last", "--new")
        thread.join()
    assert done.code == 3
    assert "not begun: last (python manage.py rotate_tokens_sql last --new begins them)" in done.err


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("active",), "active: settings.ROTATION['TARGETS'] has no target of that name"),
        (("active", "--where", "NOT"), "'active' belongs to no flag: SQL with blanks needs quotes"),
        (("key",), "key: settings.ROTATION['TARGETS'] has no target of that name; did you mean keys?"),
        (("nothing",), "has no target of that name; there is tickets, keys, last"),
        (("keys", "keys"), "keys: named twice"),
        (("keys", "--table", "ticket"), "--table: leave it out with a target's name, keys"),
        (("keys", "--column", "token"), "--column: leave it out with a target's name, keys"),
        (("keys", "--format", "{hex:40}"), "--format: settings.ROTATION['TARGETS']['keys'] says what"),
        (("keys", "--where", "true"), "--where: settings.ROTATION['TARGETS']['keys'] says what"),
        (("keys", "last", "--leaked", "x"), "--leaked: a list is of one column; name only that target"),
        (("keys", "--serve"), "keys: name no target with --serve"),
    ],
)
def test_what_does_not_go_together(named: Database, flags: tuple[str, ...], why: str) -> None:
    refused(named.call(RUN, *flags), 2, why)


def test_without_any_the_names_are_said(named: Database) -> None:
    with override_settings(ROTATION={"TARGETS": KEYS}):
        refused(named.call(RUN), 2, "or one of the settings' targets: tickets, keys, last")


@pytest.mark.parametrize(
    ("targets", "why"),
    [
        ([], ""),
        (["a"], "settings.ROTATION['TARGETS'] is no dictionary of names"),
        ({1: "tickets.Ticket.token"}, "is no dictionary of names"),
        ({"a": 1}, "['a'] is neither 'app.Model.field' nor a dictionary"),
        ({"a": "tickets.Ticket"}, "['a']: 'tickets.Ticket': expected app label, model and field"),
        ({"a": "tickets.Ticket.nothing"}, "['a']: 'tickets.Ticket.nothing': Ticket has no field"),
        ({"a": {}}, "['a']: expected 'field', as app.Model.field, or 'table' and 'column'"),
        ({"a": {"table": "ticket"}}, "['a']: expected 'field'"),
        ({"a": {"table": "a.b.c", "column": "token"}}, "['a']: 'a.b.c': expected table or schema.table"),
        ({"a": {"table": "x", "column": "y", "frmat": "x"}}, "no option 'frmat'; did you mean format?"),
        ({"a": {"field": "tickets.Ticket.token", "format": 7}}, "['a'] holds a value of format that is"),
        ({"a": {"field": "tickets.Ticket.token", "format": "x"}}, "['a']: --format 'x': expected text"),
        ({"a": {"field": "tickets.Ticket.token", "also": 1}}, "['a'] holds a value of also that is"),
        ({"a": {"table": "x", "column": ""}}, "['a']: expected 'field'"),
        ({"a": {"table": "x", "column": "y", "also": {"h": None}}}, "also: expected a dictionary of"),
        ({"a": {"table": "x", "column": "y", "max-rate": 5, "max_rate": 6}}, "has one option twice"),
        ({"a": {"table": "x", "column": "y", "where": "a\0"}}, "--where: PostgreSQL has no text with"),
        ({"--yes": "tickets.Ticket.token"}, "['--yes']: a name that begins with - is a flag"),
        ({"a": {"field": "tickets.Ticket.token", "window": -1}}, "['a']: --window -1: expected 1 to"),
    ],
)  # fmt: skip
def test_check(db: Database, targets: Any, why: str) -> None:
    with override_settings(ROTATION={"TARGETS": targets}):
        if not why:
            call_command("check")
            return
        with pytest.raises(SystemCheckError) as raised:
            call_command("check")
        assert "rotate_tokens.E004" in str(raised.value)
        assert why in str(raised.value)
        if isinstance(targets, dict) and "a" in targets:
            refused(db.call(RUN, "a"), 2, why)


def test_names_with_commas(named: Database) -> None:
    refused(named.call(RUN, "keys,last"), 2, "keys,last: separate names by blanks: keys last")


def test_what_comes_next_is_no_warning(named: Database) -> None:
    assert named.call(RUN, "last").code == 0
    assert named.call(RUN, "keys", "--window", "10", "--stop-after", "10").code == 3
    done = named.call(RUN, "last")
    assert "warn: rotation 2 of api.key.secret is unfinished: run" in done.out
    done = named.call(RUN, "last", "keys", "tickets")
    assert done.code == 0
    assert "is unfinished" not in done.out


def test_rotation_takes_names(named: Database) -> None:
    assert named.call(RUN, "last", "keys").code == 0
    for action in ("status", "verify", "keys", "history"):
        done = named.call("rotation", action, "keys")
        assert (done.code, "api.key" in done.out + done.err) == (0, True), done.err
        assert "other" not in done.out
    assert "api.key.secret is guarded" in named.call("rotation", "guard", "status", "keys").out
    refused(named.call("rotation", "status", "keis"), 2, "did you mean keys?")
    refused(named.call("rotation", "verify", "keys", "--table", "other"), 2, "--table: leave it out")
    refused(named.call("rotation", "pause", "tickets"), 1, "no rotation of table 'ticket'")
