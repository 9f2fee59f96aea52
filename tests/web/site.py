"""The site's addresses, who is signed in, and what tests ask it for."""

import json
import re
import subprocess
import sys

from django.contrib.auth.models import Permission, User
from django.test import Client, RequestFactory

from app.rotation.web.metrics import metrics
from tests.conftest import PROJECT, Database, Done

LIST = "/admin/rotation/rotation/"
PAGE = f"{LIST}1/change/"
RUN = ("rotate_tokens_sql", "--progress", "lines")

VIEW = ("view_rotation", "view_batchprogress", "view_rotationwindow")

ASKED = {"table": "ticket", "column": "token", "pk": "", "reason": "seen in a log", "workers": "2",
         "max_rate": "", "max_lag": "10", "window": "50", "nice": "0.5", "vacuum": "",
         "only_between": "", "ack_triggers": "on"}  # fmt: skip


def client_of(*permissions: str) -> Client:
    """A browser in which somebody with these rights is signed in."""
    user = User.objects.create(username=f"u{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    return client


def tamper_with_set(db: Database) -> None:
    """Take a hash out of the set of revoked tokens, and verify: nothing can be concluded from it."""
    db.sql(
        "SET session_replication_role = replica;"
        "DELETE FROM rotation_revoked WHERE hash = (SELECT min(hash) FROM rotation_revoked)"
    )
    assert db.run("rotation", "verify").code == 4


def record(client: Client, asked: dict[str, str] = ASKED) -> None:
    """Show the plan of a rotation, and record it."""
    assert client.post(f"{LIST}add/", {**asked, **shown_plan(client, asked)}).status_code == 302


def shown_plan(client: Client, asked: dict[str, str]) -> dict[str, str]:
    """What the button that records sends, after the plan was shown."""
    page = client.post(f"{LIST}add/", {**asked, "show": ""}).content.decode()
    found = re.search(r'name="shown" value="([^"]+)"', page)
    assert found, page
    return {"shown": found[1], "record": "yes"}


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def report_of(db: Database) -> dict:
    done = db.call("rotation", "report", "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def in_new_process(db: Database, code: str, **environment: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=db.environment(**environment),
        capture_output=True, text=True,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def scrape(db: Database) -> str:
    """What Prometheus gets."""
    answer = metrics(RequestFactory().get("/metrics"))
    return answer.content.decode()
