"""Nothing is lost by a slip: what can't be taken back is asked for, or wants a flag."""

import signal
import subprocess

import pytest

from tests.conftest import Database
from tests.management.terminal import on_a_terminal
from tests.proof.account import ACCOUNT, make

QUESTION = "Replace public.account.api_key of 20 rows? The old tokens stop working, for good. [y/N]"


@pytest.mark.parametrize("answer", ["", "n", "Y e s", "ja"])
def test_a_target_that_was_named_is_asked_for(db: Database, answer: str) -> None:
    make(db)
    code, said = on_a_terminal(db, answer, "rotate_tokens_sql", *ACCOUNT)
    assert QUESTION in said
    assert said.index("PostgreSQL") < said.index("Replace")  # where it is comes first
    assert "not confirmed: nothing was changed" in said
    assert code == 1
    assert db.value("SELECT count(*) FROM rotation") == 0


@pytest.mark.parametrize("answer", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_no(db: Database, answer: signal.Signals) -> None:
    """At once, and without a word of windows that there are not."""
    make(db)
    code, said = on_a_terminal(db, answer, "rotate_tokens_sql", *ACCOUNT)
    assert (code, "not confirmed: nothing was changed" in said) == (1, True)
    assert "finishing the current window" not in said
    assert db.value("SELECT count(*) FROM rotation") == 0


@pytest.mark.parametrize("answer", ["y", "YES"])
def test_yes_goes_on(db: Database, answer: str) -> None:
    make(db)
    code, said = on_a_terminal(db, answer, "rotate_tokens_sql", *ACCOUNT)
    assert QUESTION in said
    assert code == 0, said
    assert db.unchanged("account", "api_key") == 0
    # It is finished: there is nothing to ask for.
    code, said = on_a_terminal(db, "", "rotate_tokens_sql", *ACCOUNT)
    assert (code, "[y/N]" in said) == (0, False)


@pytest.mark.parametrize(
    "command",
    [
        ("rotate_tokens_sql", *ACCOUNT, "--yes"),
        ("rotate_tokens_sql", *ACCOUNT, "--dry-run"),
        ("rotate_tokens_sql", "--window", "10"),
    ],
    ids=["--yes", "--dry-run", "the brief's"],
)
def test_what_asks_nothing(db: Database, command: tuple[str, ...]) -> None:
    make(db)
    code, said = on_a_terminal(db, "n", *command)
    assert (code, "[y/N]" in said) == (0, False), said


def test_what_is_no_terminal_is_not_asked(db: Database) -> None:
    make(db)
    assert db.run("rotate_tokens_sql", *ACCOUNT, stdin=subprocess.DEVNULL).code == 0


def test_init_keeps_tickets_that_it_has_not_made(db: Database) -> None:
    assert db.run("ticket", "--init", "--size", "20").code == 0
    assert db.run("ticket", "--init", "--size", "30").code == 0  # its own
    db.insert("SELECT unnest(%s::bigint[])", [1000])
    done = db.run("ticket", "--init", "--size", "5")
    assert done.code == 1
    assert (
        "there are tickets that --init has not made, and it would remove them: --force does" in done.err
    )
    assert db.value("SELECT count(*) FROM ticket") == 31
    assert db.run("ticket", "--init", "--size", "5", "--force").code == 0
    assert db.value("SELECT count(*) FROM ticket") == 5
    assert db.run("ticket", "--process-token", "--force").code == 2


def test_more_workers_than_the_server_can_spare(db: Database) -> None:
    """They are told, and bounded; some connections are left for the application."""
    make(db)
    db.sql(f"ALTER DATABASE {db.name} CONNECTION LIMIT 14")
    role = f"few_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN SUPERUSER CONNECTION LIMIT 12")
    try:
        env = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
        done = db.run("rotate_tokens_sql", *ACCOUNT, "--workers", "20", "--lanes", "20", env=env)
        assert done.code == 0, done.err
        assert "--workers 20: the server has" in done.out
        assert "of which 5 are kept for the application" in done.out
        assert 1 <= db.value("SELECT count(DISTINCT worker) FROM rotation_window") <= 3
    finally:
        db.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
