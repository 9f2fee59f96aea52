"""Colours are Django's, for a terminal only, and none where NO_COLOR says so."""

import re

import pytest

from tests.conftest import Database
from tests.management.terminal import on_a_terminal

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def test_a_terminal_has_colours(db: Database) -> None:
    db.tickets(10)  # whose trigger is a finding that warns
    code, said = on_a_terminal(db, "y", "rotate_tokens_sql", "--ack-triggers")
    assert code == 0
    assert re.search(r"\x1b\[33;1mwarn: [^\x1b]+\x1b\[0m", said)
    assert re.search(r"\x1b\[1mphase 4 of 4: [^\x1b]+\x1b\[0m", said)
    assert re.search(r"\x1b\[32;1mrotation 1 of public.ticket.token succeeded: [^\x1b]+\x1b\[0m", said)


def test_an_error_is_red(db: Database) -> None:
    code, said = on_a_terminal(db, "", "rotate_tokens_sql", "--table", "nope")
    assert code == 1
    assert re.search(r"\x1b\[31;1mRefused: [^\x1b]+\x1b\[0m", said)


@pytest.mark.parametrize("how", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"DJANGO_COLORS": "nocolor"}])
def test_no_colours_where_they_are_not_wanted(db: Database, how: dict[str, str]) -> None:
    db.tickets(10)
    for arguments in (["rotate_tokens_sql"], ["rotate_tokens_sql", "--table", "nope"]):
        _, said = on_a_terminal(db, "y", *arguments, **how)
        assert "succeeded" in said or "Refused" in said
        assert not ESCAPE.search(said)


def test_colours_in_a_pipe_only_on_demand(db: Database) -> None:
    db.tickets(10)
    assert not ESCAPE.search(db.run("rotate_tokens_sql").out)
    forced = db.run("rotate_tokens_sql", "--new", "--force-color", env=db.environment(NO_COLOR="1"))
    assert "\x1b[32;1mrotation 2 of public.ticket.token succeeded" in forced.out
