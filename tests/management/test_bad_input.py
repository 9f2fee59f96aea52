"""Each case of bad_input.py: a documented exit code, one clear line, no token, nothing changed."""

import contextlib
import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from app.rotation.schema import GRANTED
from tests.conftest import SERVER, Database, databases
from tests.management.bad_input import FILES, Case, all_cases
from tests.management.bad_surroundings import NEVER, surroundings

CASES = [*all_cases(), *surroundings()]

#: Everything that a refused command must leave as it was.
KEPT = (
    "SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM ticket AS t",
    # But for who looked at it last.
    "SELECT md5(string_agg((to_jsonb(t) - 'begun_at' - 'versions' - 'touched_at' - 'throttle')::text,"
    " '|' ORDER BY id)) FROM rotation AS t",
    "SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM batchprogress AS t",
    "SELECT count(*) FROM rotation_window",
    "SELECT count(*) FROM rotation_revoked",
    "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
)


def test_there_are_at_least_500() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(names) >= 500


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("lists")
    for name, content in FILES.items():
        (home / name).write_bytes(content)
    return home


@pytest.fixture(scope="session")
def shared() -> Iterator[Database]:
    """A database for all cases that need no state of their own: no case may change it."""
    for database in databases(SERVER):
        database.insert("SELECT generate_series(1, %s)", 20)
        yield database


@pytest.fixture
def place(request: pytest.FixtureRequest, case: Case) -> Iterator[Database]:
    """The database of a case; Django's default connection points at it."""
    from django.db import connection

    if case.before or case.as_role:
        own = request.getfixturevalue("db")
        own.insert("SELECT generate_series(1, %s)", 20)
        yield own
        return
    database = request.getfixturevalue("shared")
    connection.close()
    connection.settings_dict["NAME"] = database.name
    yield database
    connection.close()


@contextlib.contextmanager
def acting_as(db: Database, role: bool) -> Iterator[str]:
    """Django's connection is that of a role with all rights but ownership, if asked for."""
    from django.db import connection

    if not role:
        yield ""
        return
    name = db.name
    db.sql(f"CREATE ROLE {name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name};"
           f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}; GRANT EXECUTE ON FUNCTION"
           f" {', '.join(GRANTED)} TO {name}")  # fmt: skip
    try:
        connection.settings_dict["USER"] = name
        yield name
    finally:
        connection.close()
        connection.settings_dict["USER"] = "postgres"
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


def command_line(arguments: tuple[str, ...]) -> tuple[int, str, str]:
    """What manage.py would print and exit with, without a process of its own."""
    from django.core.management import ManagementUtility

    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            ManagementUtility(["manage.py", *arguments]).execute()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    return code, out.getvalue(), err.getvalue()


def filled(text: str, **values: str) -> str:
    """A text with what stands in braces; other braces stay."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def kept(db: Database) -> list[object]:
    found: list[object] = []
    with closing(db.connect()) as connection, connection.cursor() as cursor:
        for query in KEPT:
            with contextlib.suppress(psycopg2.errors.UndefinedTable):
                cursor.execute(query)
                found.append(cursor.fetchone())
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_mistake(place: Database, folder: Path, case: Case) -> None:
    db = place
    with acting_as(db, case.as_role) as role:
        if case.before:
            db.sql(filled(case.before, role=role, database=db.name).replace("%", "%%"))
        before = kept(db)
        arguments = tuple(argument.replace("{tmp}", str(folder)) for argument in case.arguments)
        if case.env:
            socket = str(db.server.sockets).replace("/", "%2F")
            variables = {name: filled(value, socket=socket, name=db.name) for name, value in case.env}
            done = db.run(*arguments, env=db.environment(**variables))
            code, out, err = done.code, done.out, done.err
        else:
            code, out, err = command_line(arguments)
        assert kept(db) == before
    assert code == case.code, (code, out, err)
    assert len(err.strip().splitlines()) == 1, err
    assert case.says in err
    assert "Traceback" not in out + err
    assert NEVER not in out + err
    tokens = [token for (token,) in db.sql("SELECT token::text FROM ticket")]
    assert not any(token in out + err for token in tokens)
