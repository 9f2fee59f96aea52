"""The container's files: linted, and every step that they run walked through without an engine."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import PROJECT, Database, until

DOCKERFILE = (PROJECT / "Dockerfile").read_text()


@pytest.fixture
def compose() -> dict[str, Any]:
    return yaml.safe_load((PROJECT / "docker-compose.yml").read_text())


def test_hadolint() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if not hadolint:
        pytest.skip("hadolint has no build for this machine")
    done = subprocess.run([hadolint, str(PROJECT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_image_is_not_root_and_holds_no_secret() -> None:
    assert re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE) == ["10001"]
    assert not re.search(r"PASSWORD|SECRET_KEY=|DATABASE_URL|ARG ", DOCKERFILE)
    kept = (PROJECT / ".dockerignore").read_text().splitlines()
    assert kept[0] == "*"  # nothing gets in but by name: no .env, no .git, no data


def test_every_copied_path_gets_into_the_build() -> None:
    kept = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    copied = set(re.findall(r"^COPY (\S+)", DOCKERFILE, re.MULTILINE))
    assert copied == kept
    assert all((PROJECT / name).exists() for name in copied)


def test_services(compose: dict[str, Any]) -> None:
    db, app = compose["services"]["db"], compose["services"]["app"]
    assert db["image"].startswith("postgres:")
    assert "pg_isready" in db["healthcheck"]["test"][1]
    assert db["volumes"] == ["data:/var/lib/postgresql/data"]
    assert "data" in compose["volumes"]
    assert app["depends_on"]["db"]["condition"] == "service_healthy"
    assert app["environment"]["DATABASE_URL"].endswith("@db:5432/tickets")
    assert "ports" not in db
    worker = compose["services"]["worker"]
    assert worker["command"][-2:] == ["rotate_tokens_sql", "--serve"]
    assert worker["environment"] == app["environment"]
    assert "ports" not in worker


@pytest.mark.parametrize("composer", [["docker-compose"], ["docker", "compose"]], ids=" ".join)
def test_composer_reads_every_profile(compose: dict[str, Any], composer: list[str]) -> None:
    """Debian's docker-compose (1.29) knows less than Docker's own."""
    if (
        not shutil.which(composer[0])
        or subprocess.run([*composer, "version"], capture_output=True).returncode
    ):
        pytest.skip(f"{' '.join(composer)} is not installed")
    environment = os.environ | {"COMPOSE_PROFILES": "rotate,citus"}
    read = subprocess.run(
        [*composer, "config"], cwd=PROJECT, env=environment, capture_output=True, text=True
    )
    assert read.returncode == 0, read.stderr
    assert yaml.safe_load(read.stdout)["services"].keys() == compose["services"].keys()


def test_walk_through(db: Database, tmp_path: Path) -> None:
    """What the image does, in a directory that holds what the image holds."""
    for name in re.findall(r"^COPY (\S+)", DOCKERFILE, re.MULTILINE):
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    command = eval(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[0])
    assert command[0] == "gunicorn"
    port = str(20_000 + os.getpid() % 10_000)
    command = [part.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for part in command]
    environment = db.environment(
        HTTPS="off", SECRET_KEY="", ALLOWED_HOSTS="localhost,127.0.0.1", PYTHONPATH=""
    )
    site = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
    )

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read().decode()

    def answers() -> bool:
        try:
            return get("/healthz") == "ok\n"
        except OSError:
            return False

    try:
        until(answers)
        assert "Log in | Tickets" in get("/")  # the admin's login page
        python = [sys.executable, "manage.py"]
        for step in (
            ["migrate"],
            ["ticket", "--init", "--size", "50000"],
            ["ticket", "--process-token"],
        ):
            done = subprocess.run(
                [*python, *step], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
        assert "100.00 % (50000 of 50000)" in done.stdout
        time.sleep(0.1)
        assert site.poll() is None
    finally:
        site.terminate()
        site.wait()
