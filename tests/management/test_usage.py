"""Wrong flags and values, on the command line too: exit code 2, and one line."""

import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECT, Database
from tests.management.refused import refused


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--window", "0"], "--window 0: expected 1 to 1000000 rows"),
        (["--window", "-5"], "--window -5: expected 1 to 1000000 rows"),
        (["--window", "99999999999999999999"], "--window 9+: expected 1 to 1000000 rows"),
        (["--window-seconds", "0"], "--window-seconds 0: expected 0.01 to 60 seconds"),
        (["--window-seconds", "nan"], "--window-seconds nan: expected 0.01 to 60 seconds"),
        (["--lock-timeout", "0"], "--lock-timeout 0: expected 1 to 600000 milliseconds"),
        (["--lock-patience", "-1"], "--lock-patience -1: expected 0 to 86400 seconds"),
        (["--database", "nosuch"], "--database nosuch: settings.DATABASES has default"),
        (["--table", ""], "--table ''"),
        (["--table", "a.b.c"], "--table 'a.b.c': expected table or schema.table"),
    ],
)
def test_usage(db: Database, arguments: list[str], says: str) -> None:
    refused(db, *arguments, code=2, says=f"^Refused: {says}")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["rotate_tokens_sql", "--window", "many"], "argument --window: invalid int value: 'many'"),
        (["rotate_tokens_sql", "--windw", "5"], "--windw; did you mean --window?"),
        (["rotate_tokens_sql", "--dry"], "unrecognized arguments: --dry; did you mean --dry-run?"),
        (["rotate_tokens_sql", "--where", "a", "--where", "b"], "argument --where: given twice"),
        (["rotate_tokens_sql", "--progress", "loud"], "argument --progress: invalid choice: 'loud'"),
        (["rotate_tokens_sql", "extra"], "extra: the settings name no targets"),
        (["rotation"], "the following arguments are required: ACTION"),
        (["rotation", "stop"], "argument ACTION: invalid choice: 'stop'"),
        (["rotation", "status", "--jsn"], "--jsn; did you mean --json?"),
        (["ticket"], "one of the arguments --init --process-token is required"),
        (["ticket", "--init", "--process-token"], "not allowed with argument"),
        (["ticket", "--init", "--size", "ten"], "argument --size: invalid int value: 'ten'"),
        (["ticket", "--init", "--size", "-1"], "--size -1: expected 0 to "),
        (["ticket", "--process-token", "--size", "5"], "--size: only with --init"),
    ],
)
def test_usage_on_the_command_line(db: Database, command: list[str], says: str) -> None:
    done = db.run(*command)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--table", "--column", "--pk", "--reason"])
def test_bytes_that_are_no_text(db: Database, flag: str) -> None:
    done = db.run("rotate_tokens_sql", "--table", "ticket", flag, os.fsdecode(b"\xff"))
    assert (done.code, done.out) == (2, "")
    assert f"{flag}: not valid UTF-8 text" in done.err


def test_settings_without_target(db: Database) -> None:
    from django.test import override_settings

    with override_settings(ROTATION={}):
        refused(db, code=2, says="--table: name the table to rotate")
    with override_settings(ROTATION={"TARGET": "tickets.Nosuch.token"}):
        refused(db, code=2, says=r"settings.ROTATION\['TARGET'\] 'tickets.Nosuch.token'")


def test_column_of_the_configured_table() -> None:
    from django.test import override_settings

    from app.rotation.operations.inputs import target_from

    def column(table: str, **given: str) -> str:
        return target_from({"table": table, "pk": None, "column": None} | given).column

    with override_settings(ROTATION={"TARGET": "tickets.Ticket.title"}):
        assert column("public.ticket") == column("ticket") == "title"
        assert column("ticket", column="status") == "status"
        assert column("other") == "token"
    for setting in (None, "tickets.Nosuch.title"):
        with override_settings(ROTATION={"TARGET": setting}):
            assert column("ticket") == "token"


def test_help_fits_and_names_every_flag() -> None:
    text = subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), "rotate_tokens_sql", "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for flag in ("--window", "--dry-run", "--new", "--table", "--pk", "--column", "--reason"):
        assert flag in text


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("--max-lag", "soon", "argument --max-lag: invalid value 'soon'; expected seconds or off"),
        ("--max-lag", "0", "--max-lag 0: expected 0.1 to 86400 seconds"),
        (
            "--max-wal",
            "5x",
            "argument --max-wal: invalid value '5x'; expected a size, e.g. 512MB, or off",
        ),
        ("--max-wal", "0", "--max-wal 0: expected 1 to 1000000000000000 bytes"),
        ("--max-rate", "0", "--max-rate 0: expected 1 to 1000000000 rows a second"),
        ("--nice", "-1", "--nice -1: expected 0 to 1000 seconds of rest"),
        (
            "--max-waiting",
            "few",
            "argument --max-waiting: invalid value 'few'; expected a number or off",
        ),
        ("--workers", "0", "--workers 0: expected 1 to 64 connections"),
        ("--lanes", "0", "--lanes 0: expected 1 to 1024 ranges"),
    ],
)
def test_limits_that_are_none(db: Database, flag: str, value: str, says: str) -> None:
    done = db.run("rotate_tokens_sql", f"{flag}={value}")
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert len(done.err.splitlines()) == 1
