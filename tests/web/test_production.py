"""Settings of production, health, static files, and the policy for content."""

import html
from contextlib import closing

import pytest
from django.db import connection
from django.test import Client

from tests.conftest import Database
from tests.web.site import LIST, PAGE, in_new_process

PRODUCTION = {
    "HTTPS": "",
    "SECRET_KEY": "k" * 25 + "abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_HOSTS": "x.org",
}


def test_production(db: Database) -> None:
    for name in ("SECRET_KEY", "ALLOWED_HOSTS"):
        done = in_new_process(db, "import app.wsgi", **(PRODUCTION | {name: ""}))
        assert done.code == 1
        assert f"{name} is not set" in done.err
    assert (
        in_new_process(db, "import app.wsgi", **(PRODUCTION | {"SECRET_KEY": ""}), DEBUG="1").code == 0
    )
    assert in_new_process(db, "import app.wsgi", **PRODUCTION).code == 0
    done = db.run("check", "--deploy", "--fail-level", "WARNING", env=db.environment(**PRODUCTION))
    assert done.code == 0, done.err
    # A command works without them.
    assert db.run("rotation", "status", env=db.environment(HTTPS="", SECRET_KEY="")).code == 0


def test_health_is_told_whatever_the_host(db: Database) -> None:
    """The container asks at localhost, without TLS; the site is x.org, and TLS only."""
    code = (
        "from app.wsgi import application; from django.test import Client;"
        "client = Client(SERVER_NAME='localhost');"
        "print(client.get('/healthz').content, client.get('/').status_code)"
    )
    assert in_new_process(db, code, **PRODUCTION).out == "b'ok\\n' 400\n"


def test_static_files_and_policy(db: Database, viewer: Client) -> None:
    for name in ("rotation/live.js", "rotation/live.css", "admin/css/base.css"):
        answer = viewer.get(f"/static/{name}")
        assert answer.status_code == 200, name
        answer.close()
    with closing(viewer.get(LIST)) as answer:
        assert answer["Content-Security-Policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("page", [LIST, PAGE, f"{LIST}1/live/", f"{LIST}1/status.json"])
def test_site_that_does_not_commit(
    db: Database, steerer: Client, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """The page says why: what a page's transaction sets would last for the next one."""
    db.tickets(5)
    assert db.call("rotate_tokens_sql").code == 0
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)
    connection.close()
    answer = steerer.get(page)
    connection.close()
    assert answer.status_code == 503
    said = html.unescape(answer.content.decode())
    assert "AUTOCOMMIT: False, with which a site can't commit here" in said
