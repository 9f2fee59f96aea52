"""No token, old or new, appears in any output, in the server's log, or in the state."""

from pathlib import Path

import pytest

from tests.conftest import Database, Done, read_until, until
from tests.unguarded import GUARDED, UNGUARDED

STATE = (
    "rotation",
    "batchprogress",
    "rotation_window",
    "rotation_leftover",
    "rotation_revoked",
)


class Everything:
    """Collects what was printed, logged and stored, and each token that a row ever held."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._log_from = db.server.log.stat().st_size
        self._text = ""
        db.sql("CREATE TABLE every_token (token text)")
        # Every statement with its parameters; every error with its detail.
        for setting in ("log_statement = 'all'", "log_min_messages = 'info'"):
            db.sql(f"ALTER DATABASE {db.name} SET {setting}")
        self.note_tokens()

    def run(self, *arguments: str, code: int = 0) -> Done:
        """Run a command, keep what it prints, and note the tokens that are there afterwards."""
        done = self.db.run(*arguments)
        assert done.code == code, done.out + done.err
        self._text += done.out + done.err
        self.note_tokens()
        return done

    def note_tokens(self) -> None:
        self.db.sql("INSERT INTO every_token SELECT token::text FROM ticket")

    def leaks(self) -> list[str]:
        """The tokens that are to be found, in either spelling."""
        text = self._text + self.db.server.log.read_text()[self._log_from :]
        for table in STATE:
            text += self.db.value(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} AS t")
        text = text.lower()
        tokens = [token for (token,) in self.db.sql("SELECT DISTINCT token FROM every_token")]
        return [one for one in tokens if one in text or one.replace("-", "") in text]


@pytest.fixture
def everything(db: Database) -> Everything:
    db.tickets(200)
    return Everything(db)


def test_whole_life_of_a_rotation(everything: Everything, tmp_path: Path) -> None:
    """Dry run, list of leaked tokens, run, proof, survivors, repair, status, history."""
    db = everything.db
    leaked = tmp_path / "leaked.csv"
    leaked.write_text("\n".join(token for (token,) in db.sql("SELECT token::text FROM ticket LIMIT 50")))
    run = ("rotate_tokens_sql", "-v", "3", "--window", "50", "--traceback")
    everything.run(*run, "--dry-run", "--leaked", str(leaked))
    everything.run(*run, "--leaked", str(leaked), "--progress", "json")
    # Three rows get their old tokens back, past the guard: named by their keys, and rotated again.
    db.sql(f"{UNGUARDED} UPDATE ticket SET token = before.token::uuid FROM before"
           f" WHERE before.id = ticket.id::text AND ticket.id < 4{GUARDED}")  # fmt: skip
    survivors = everything.run("rotation", "verify", "--leaked", str(leaked), code=4)
    assert "id 1, 2, 3" in survivors.err
    everything.run("rotate_tokens_sql")
    everything.run("rotation", "verify", "--leaked", str(leaked))
    everything.run("rotation", "status", "--json")
    everything.run("rotation", "history", "--json")
    assert db.value("SELECT count(*) FROM rotation_leftover") == 3
    assert db.value("SELECT count(DISTINCT token) FROM every_token") == 403
    assert everything.leaks() == []


@pytest.mark.parametrize(
    "obstacle",
    [
        "ALTER TABLE ticket ADD CONSTRAINT odd CHECK (token::text LIKE '_0%' OR id < 100) NOT VALID",
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF NEW.id > 99 THEN RAISE ''%'', NEW.token; END IF; RETURN NEW; END';"
        "CREATE TRIGGER no BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION no()",
    ],
    ids=["check", "trigger"],
)
def test_errors_are_told_without_their_detail(everything: Everything, obstacle: str) -> None:
    """PostgreSQL's own log has the new token of the row that failed; it was never committed."""
    everything.db.sql(obstacle)
    for also in ([], ["--traceback", "-v", "3"]):
        everything.run(
            "rotate_tokens_sql", "--window", "50", "--reason", "x", *also, code=1 if also else 4
        )
    assert everything.leaks() == []


def test_what_the_guard_says(everything: Everything) -> None:
    """A refused INSERT is logged by the server: without the token, unless the statement held it."""
    db = everything.db
    everything.run("rotate_tokens_sql")
    refused = (
        "DO $$ BEGIN INSERT INTO ticket (title, status, token, created_at, updated_at)"
        " SELECT 'x', 'open', token::uuid, now(), now() FROM before LIMIT 1;"
        " EXCEPTION WHEN OTHERS THEN RAISE LOG 'refused: %', SQLERRM; END $$"
    )
    db.sql(refused)
    assert "refused: " in db.server.log.read_text()
    assert everything.leaks() == []


def test_list_with_a_line_that_is_no_token(everything: Everything, tmp_path: Path) -> None:
    leaked = tmp_path / "leaked"
    tokens = [token for (token,) in everything.db.sql("SELECT token::text FROM ticket LIMIT 3")]
    leaked.write_text("\n".join([*tokens[:2], f"{tokens[2]} and more"]))
    done = everything.run("rotate_tokens_sql", "--leaked", str(leaked), code=2)
    assert "line 3" in done.err
    assert everything.leaks() == []


def test_steering_and_the_guard(everything: Everything) -> None:
    """A row that moves during the snapshot, pause, resume, tune, cancel, guard, report."""
    db = everything.db
    db.sql(f"INSERT INTO ticket SELECT 1000 + n, 'x', 'open', gen_random_uuid(), now(), now()"
           f" FROM generate_series(1, {3000}) AS n")  # fmt: skip
    everything.note_tokens()
    child = db.start("rotate_tokens_sql", "-v", "3", "--window", "10", "--max-rate", "50")
    until(lambda: db.value("SELECT count(*) FROM rotation_window"))
    db.sql("UPDATE ticket SET id = -id WHERE id > 3000")
    for action in (("pause",), ("resume",), ("tune", "max_rate=100"), ("guard", "status"), ("cancel",)):
        everything.run("rotation", *action)
    everything._text += child.communicate(timeout=30)[0]
    everything.run("rotation", "report", "--json")
    everything.note_tokens()
    assert everything.leaks() == []


@pytest.mark.parametrize("sqlstate", ["0A000", "08006", "57P01", "XX000", "P0001", "42501"])
def test_words_of_a_trigger_are_not_repeated(db: Database, sqlstate: str) -> None:
    """Whatever SQLSTATE a trigger gives its words, they may hold a token."""
    db.tickets(20)
    db.sql("CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''bad %'', OLD.token"
           f" USING ERRCODE = ''{sqlstate}''; END';"
           "CREATE TRIGGER tell BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION tell()"
    )  # fmt: skip
    for also in ([], ["--traceback"]):
        child = db.start("rotate_tokens_sql", "--progress", "lines", *also)
        if sqlstate in ("08006", "57P01"):  # taken for an outage: it would be tried for a minute
            read_until(child, "no database")
            child.terminate()
        out = child.communicate(timeout=30)[0]
        assert child.returncode in (1, 3), out
        assert "bad" not in out
        assert not any(token in out for (token,) in db.sql("SELECT token::text FROM ticket"))
        assert "upgrade" not in out


def test_a_constraint_named_like_a_token(db: Database) -> None:
    """A trigger may put a token where PostgreSQL puts the name of a constraint, or of a table."""
    db.tickets(20)
    db.sql("CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
           " RAISE check_violation USING CONSTRAINT = OLD.token::text, TABLE = OLD.token::text; END';"
           "CREATE TRIGGER tell BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION tell()"
    )  # fmt: skip
    done = db.run("rotate_tokens_sql")
    assert done.code == 1
    assert "check violation (SQLSTATE 23514)" in done.err
    said = done.out + done.err
    assert not any(token in said for (token,) in db.sql("SELECT token::text FROM ticket"))
