"""What a project hears of a rotation: signals, a hook, and what its own code calls."""

import json
from pathlib import Path

import pytest

from tests.host.project import ROWS, Host

RECEIVERS = """
from django.apps import AppConfig


class Config(AppConfig):
    name = "app.accounts"

    def ready(self):
        from rotate_tokens import signals

        def hear(sender, signal, **told):
            name = next(name for name, one in signals.SIGNALS.items() if one is signal)
            with open("heard.txt", "a") as file:
                print(name, sender.__name__, sorted(told), file=file)

        def fail(sender, **told):
            raise ValueError("secret")

        self.kept = (hear, fail)
        for one in signals.SIGNALS.values():
            one.connect(hear)
        signals.rotation_started.connect(fail)
"""
HOOK = """#!/bin/sh
cat >> {folder}/told.jsonl
echo >> {folder}/told.jsonl
"""


def told(host: Host) -> list[dict[str, object]]:
    path = host.folder / "told.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def hook(host: Host) -> Path:
    path = host.folder / "hook.sh"
    path.write_text(HOOK.format(folder=host.folder))
    path.chmod(0o755)
    return path


def test_signals(host: Host) -> None:
    host.write("app/accounts/apps.py", RECEIVERS)
    host.set_up()
    host.fill()
    done = host.rotate()
    assert "fail, a receiver of rotation_started: unexpected ValueError" in done
    assert "secret" not in done
    heard = (host.folder / "heard.txt").read_text().splitlines()
    assert [line.split()[:2] for line in heard] == [
        ["rotation_started", "Rotation"],
        ["rotation_proven", "Rotation"],
    ]
    assert "'database', 'revoked', 'rotation', 'rows', 'seconds', 'target'" in heard[-1]


def test_hook(host: Host, hook: Path) -> None:
    host.set_up()
    host.fill()
    stopped = host.try_to(
        "rotate_tokens_sql", "--window", "100", "--stop-after", "500", "--hook", str(hook)
    )
    assert stopped.returncode == 3
    host.manage("rotate_tokens_sql", MORE=f"ROTATION['HOOK'] = '{hook}'")
    events = told(host)
    assert [one["event"] for one in events] == [
        *("rotation_started", "rotation_stopped", "rotation_started", "rotation_proven"),
    ]
    assert events[1]["reason"]
    assert events[2]["resumed"] is True
    assert events[3]["rows"] == events[3]["revoked"] == ROWS
    assert {one["target"] for one in events} == {"public.accounts_account.api_key"}
    assert all(str(one["time"]).endswith("+00:00") for one in events)


def test_hook_of_a_failure(host: Host, hook: Path) -> None:
    host.set_up()
    host.fill()
    host.db.sql("ALTER TABLE accounts_account ADD CHECK (id <> 7) NOT VALID")
    done = host.try_to("rotate_tokens_sql", "--hook", str(hook))
    assert done.returncode == 4
    failed = told(host)[-1]
    assert (failed["event"], failed["exit_code"]) == ("rotation_failed", 4)
    assert "id 7" in str(failed["reason"])


def test_windows_that_wait_are_told_once(host: Host, hook: Path) -> None:
    host.set_up()
    host.fill()
    host.manage("rotate_tokens_sql", "--window", "300", "--max-rate", "500", "--hook", str(hook))
    assert [one["event"] for one in told(host)].count("rotation_held_back") <= 1


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("", "--hook: there is no such program"),
        ("/no/such/thing -x", "--hook /no/such/thing: there is no such program"),
        ("echo 'half", "--hook: no closing quotation"),
    ],
)
def test_a_hook_that_can_not_be(host: Host, command: str, says: str) -> None:
    host.set_up()
    host.fill()
    done = host.try_to("rotate_tokens_sql", "--hook", command)
    assert done.returncode == 2
    assert says in done.stderr
    assert not host.is_rotated()


@pytest.mark.parametrize("command", ["false", "sh -c 'sleep 0.1; exit 3'"])
def test_a_hook_that_fails_stops_nothing(host: Host, command: str) -> None:
    host.set_up()
    host.fill()
    done = host.manage("rotate_tokens_sql", "--hook", command)
    assert "it ended with exit code" in done
    assert "the run goes on" in done
    assert host.is_rotated()


API = """
from django.db import transaction
from app.accounts.models import Account
from rotate_tokens import Options, Refused, UsageError, rotate, status, verify

assert status() is None
try:
    verify()
except Refused as error:
    print(error.exit_code, error)
with transaction.atomic():  # as ATOMIC_REQUESTS has it
    Account.objects.first()

    def fail(event):
        raise OSError("secret")

    some = Options(window=500)
    done = rotate("accounts.Account.api_key", reason="a leak", options=some, on_event=fail)
print(done.rows, done.proven, done.already, done.survivors)
again = rotate(table="accounts_account", column="api_key")
print(again.rows, again.already)
print(status("accounts.Account.api_key")["status"])
print(verify().proven)
for wrong in ({"standbys": "one"}, {"max_wal": "20GB"}):
    try:
        Options(**wrong)
    except UsageError as error:
        print(error)
try:
    with transaction.atomic():
        Account.objects.filter(id=1).update(id=1)
        rotate(new=True)
except UsageError as error:
    print(error)
import rotate_tokens
try:
    rotate_tokens.nothing
except AttributeError as error:
    print(error)
"""


def test_python_api(host: Host) -> None:
    host.set_up()
    host.fill()
    done = host.try_to("shell", "-c", API)
    assert done.stderr.count("on_event: unexpected OSError") == 1, done.stderr
    assert "secret" not in done.stderr
    said = done.stdout.splitlines()[-9:]
    assert said[0] == "1 no rotation yet: python manage.py rotate_tokens_sql starts one"
    assert said[1:5] == [f"{ROWS} True False 0", "0 True", "succeeded", "True"]
    assert said[5:7] == [
        "standbys: expected names in a tuple, such as ('one',)",
        "--max-wal '20GB': expected a number, of bytes",
    ]
    assert said[7].startswith("rotate() is called in a transaction that has written or locked rows")
    assert "has no attribute 'nothing'" in said[8]
    assert host.is_rotated()


INTERRUPTED = """
import os, signal, threading, time
from rotate_tokens import Options, rotate, status

def interrupt():
    while not (status() or {}).get("rows_done"):
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    rotate(options=Options(window=100, max_rate=200))
except KeyboardInterrupt:
    done = status()["rows_done"]
    time.sleep(1.5)
    print(0 < done < 2000, status()["rows_done"] == done)
"""


def test_python_api_is_interrupted(host: Host) -> None:
    """The windows that it has begun are committed, and nothing goes on in the background."""
    host.set_up()
    host.fill()
    assert host.manage("shell", "-c", INTERRUPTED).splitlines()[-1] == "True True"
    host.rotate()


STOPPED = """
import threading
from rotate_tokens import Options, StopSwitch, Stopped, rotate

stop = StopSwitch()
threading.Timer(1.0, stop.request, ["a deployment"]).start()
try:
    rotate(options=Options(window=100, max_rate=200), stop=stop)
except Stopped as error:
    print(error.exit_code, "by a deployment" in str(error))
print(rotate(options=Options()).proven)
"""


def test_python_api_is_stopped_and_continued(host: Host) -> None:
    host.set_up()
    host.fill()
    assert host.manage("shell", "-c", STOPPED).splitlines()[-2:] == ["3 True", "True"]
    assert host.is_rotated()
