"""docker-compose.yml for real: built, started, and every step of docs/start.md's 'With Docker' in it.

Where no engine is available, or the base images can neither be pulled nor made, it is skipped.
"""

import json
import re
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import PROJECT, until
from tests.containers.base_images import provide
from tests.containers.engine import composer, container_engine

MANAGE = ("python", "manage.py")


class Stack:
    """The services of docker-compose.yml, under a name of their own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.command = [*command, "--project-name", "rotationtest"]
        self.environment = environment

    def run(self, *arguments: str, code: int | None = 0) -> str:
        """What the composer's command printed; it must end with the code."""
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=PROJECT, env=self.environment, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert code is None or done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def manage(self, *arguments: str, code: int = 0) -> str:
        """What the command printed that was run in the app's container."""
        return self.run("exec", "-T", "app", *MANAGE, *arguments, code=code)

    def states(self, service: str) -> list[dict[str, Any]]:
        """What the engine knows of each container of a service, stopped ones included."""
        listed = subprocess.check_output(
            ["docker", "ps", "--all", "--quiet",
             "--filter", "label=com.docker.compose.project=rotationtest",
             "--filter", f"label=com.docker.compose.service={service}"],
            env=self.environment, text=True,
        ).split()  # fmt: skip
        if not listed:
            return []
        told = subprocess.check_output(["docker", "inspect", *listed], env=self.environment, text=True)
        return [container["State"] for container in json.loads(told)]

    def healthy(self, service: str) -> bool:
        states = self.states(service)
        return bool(states) and all(state["Health"]["Status"] == "healthy" for state in states)

    def exit_codes(self, service: str) -> list[int] | None:
        """Of all containers of a service, once none of them runs."""
        states = self.states(service)
        ended = all(state["Status"] == "exited" for state in states)
        return [state["ExitCode"] for state in states] if states and ended else None


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8000)) == 0:
            pytest.skip("something else uses port 8000, which docker-compose.yml publishes")
    with container_engine() as environment:
        stack = Stack(composer(environment), environment)
        written = (PROJECT / "Dockerfile").read_text(), (PROJECT / "docker-compose.yml").read_text()
        images = re.findall(r"^FROM (\S+)", written[0], re.MULTILINE)
        images += re.findall(r"image: (postgres\S+)", written[1])
        for image in images:
            provide(image, environment, tmp_path_factory.mktemp("images"))
        try:
            stack.run("up", "-d", "--build")
            yield stack
        finally:
            stack.run("--profile", "rotate", "down", "--volumes", "--rmi", "local", code=None)


@pytest.mark.timeout(1200)
@pytest.mark.long
def test_the_steps_of_readme(stack: Stack) -> None:
    until(lambda: stack.healthy("db") and stack.healthy("app"), 120)
    with urllib.request.urlopen("http://127.0.0.1:8000/", timeout=5) as answer:
        assert "Log in | Tickets" in answer.read().decode()
    stack.manage("migrate")
    stack.manage("ticket", "--init", "--size", "50000")
    assert "100.00 % (50000 of 50000)" in stack.manage("ticket", "--process-token")

    # A process that is killed: the service that serves the site takes the rotation over.
    stack.run("run", "-d", "--name", "killed", "app", *MANAGE, "rotate_tokens_sql", "--new",
              "--max-rate", "5000")  # fmt: skip
    until(lambda: "running" in stack.manage("rotation", "status"), 60)
    subprocess.run(["docker", "kill", "killed"], env=stack.environment, check=True, capture_output=True)
    until(lambda: "succeeded" in stack.manage("rotation", "status"), 120)
    assert len(json.loads(stack.manage("rotation", "history", "--json"))) == 2
    stack.run("stop", "worker")

    # Two processes on one rotation, and the database restarted under them.
    stack.manage("ticket", "--init", "--size", "400000")
    stack.run("--profile", "rotate", "up", "-d", "rotate")
    until(lambda: "running" in stack.manage("rotation", "status"), 60)
    stack.run("restart", "db")
    assert until(lambda: stack.exit_codes("rotate"), 300) == [0, 0]
    assert "succeeded" in stack.manage("rotation", "status")
    said = stack.run("--profile", "rotate", "logs", "--no-color")
    for unwanted in (
        "Traceback",
        "Control server error",
        "vacuum skipped: the conn",
        "Permission denied",
    ):
        assert unwanted not in said
