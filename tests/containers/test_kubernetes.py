"""The Job in docs/kubernetes.md: valid by Kubernetes' own schema, and its command one of ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from app.rotation.engine.errors import RotationError, Stopped
from tests.conftest import PROJECT, Database

PAGE = (PROJECT / "docs" / "kubernetes.md").read_text()
(MANIFEST,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
JOB = yaml.safe_load(MANIFEST)
SPEC = JOB["spec"]
(CONTAINER,) = SPEC["template"]["spec"]["containers"]
(WAIT,) = SPEC["template"]["spec"]["initContainers"]


def test_is_valid() -> None:
    kubernetes_validate.validate(JOB, "1.31", strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        wrong = JOB | {"spec": SPEC | {"podFailurePolicies": {}}}
        kubernetes_validate.validate(wrong, "1.31", strict=True)


def test_starts_again_after_what_can_be_continued_only() -> None:
    (ends,) = (rule for rule in SPEC["podFailurePolicy"]["rules"] if rule["action"] == "FailJob")
    assert ends["onExitCodes"]["containerName"] == CONTAINER["name"]
    codes = {0, Stopped.exit_code} ^ {0, 2, *(one.exit_code for one in all_errors(RotationError))}
    assert set(ends["onExitCodes"]["values"]) == codes - {0}
    assert SPEC["template"]["spec"]["restartPolicy"] == "Never"


def all_errors(kind: type[RotationError]) -> list[type[RotationError]]:
    return [kind, *(one for below in kind.__subclasses__() for one in all_errors(below))]


def test_its_command_rotates(db: Database) -> None:
    db.tickets(30)
    arguments = [*CONTAINER["command"], *CONTAINER["args"], "--table=ticket", "--column=token"][2:]
    assert db.run(*(one for one in arguments if "port" not in one)).code == 0
    db.each_once(30)


def test_it_waits_for_the_database(db: Database) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [*WAIT["command"], *(one.replace("sleep 10", "exit 9") for one in WAIT["args"])]
    for url, code in ((db.url, 0), ("postgres://nobody@127.0.0.1:1/nothing", 9)):
        environment = db.environment(DATABASE_URL=url, PATH=path)
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, check=False)
        assert done.returncode == code, done.stderr
