"""A container engine with its composer: the one at hand, or a dockerd of our own, started as root."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

COMPOSERS = (["docker-compose"], ["docker", "compose"])
DOCKERD = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def answers(*command: str, environment: dict[str, str] | None = None) -> bool:
    """Whether the program is installed, and says that all is well."""
    if not shutil.which(command[0]):
        return False
    return subprocess.run(command, env=environment, capture_output=True, timeout=60).returncode == 0


@contextmanager
def container_engine() -> Iterator[dict[str, str]]:
    """The environment in which docker and its composer reach an engine; skips where there is none."""
    if answers("docker", "info"):
        yield dict(os.environ)
    elif DOCKERD and os.geteuid() == 0 and shutil.which("docker"):
        with own_engine() as environment:
            yield environment
    else:
        pytest.skip("no container engine: docker reaches none, and no dockerd can be started as root")


@contextmanager
def own_engine() -> Iterator[dict[str, str]]:
    """A dockerd in a directory of its own, which chooses the storage that the file system permits."""
    home = Path(tempfile.mkdtemp(prefix="dockerd-"))
    address = f"unix://{home}/docker.sock"
    log = (home / "log").open("w")
    daemon = subprocess.Popen(
        [DOCKERD, "--host", address, "--data-root", home / "data", "--exec-root", home / "exec",
         "--pidfile", home / "pid"],
        stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    environment = os.environ | {"DOCKER_HOST": address}
    try:
        deadline = time.monotonic() + 60
        while not answers("docker", "info", environment=environment):
            if daemon.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"no container engine: dockerd: {(home / 'log').read_text()[-300:]}")
            time.sleep(0.2)
        yield environment
    finally:
        daemon.terminate()
        daemon.wait()
        log.close()
        shutil.rmtree(home, ignore_errors=True)


def composer(environment: dict[str, str]) -> list[str]:
    """Debian's docker-compose, the older one, where both are installed."""
    for command in COMPOSERS:
        if answers(*command, "version", environment=environment):
            return command
    pytest.skip("neither docker-compose nor docker compose is installed")
