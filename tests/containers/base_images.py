"""The images that ours are built from, or Debian's Python and PostgreSQL in their place."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.containers.engine import answers

#: Where trees are kept.
KEPT = Path("~/.cache/rotate_tokens/trees").expanduser()

#: The official image makes the database in its first start, and runs the server as its own user.
POSTGRES_ENTRY = """#!/bin/sh
set -e
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
    mkdir -p "$data" /run/postgresql
    chown -R postgres: "$data" /run/postgresql
    echo "$POSTGRES_PASSWORD" >/tmp/password
    setpriv --reuid postgres --regid postgres --init-groups initdb --pgdata "$data" \\
        --username "$POSTGRES_USER" --pwfile /tmp/password --encoding UTF8 --locale C.UTF-8 \\
        --auth-local trust --auth-host scram-sha-256 >/dev/null
    rm /tmp/password
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_DB" |
        setpriv --reuid postgres --regid postgres --init-groups postgres --single -D "$data" postgres
fi
exec setpriv --reuid postgres --regid postgres --init-groups \\
    postgres -D "$data" -c listen_addresses='*' "$@"
"""


def provide(image: str, environment: dict[str, str], place: Path) -> None:
    """See that the engine has the image: there already, pulled, or made of Debian's packages."""
    if answers("docker", "image", "inspect", image, environment=environment):
        return
    if answers("docker", "pull", image, environment=environment):
        return
    if not shutil.which("debootstrap") or os.geteuid() != 0:
        pytest.skip(f"{image} cannot be pulled, and there is no debootstrap to make one in its place")
    name = image.partition(":")[0]
    make = {"python": python_tree, "postgres": postgres_tree}[name]
    tree = place / name
    changes = make(tree)
    options = [part for change in changes for part in ("--change", change)]
    with subprocess.Popen(["tar", "-C", str(tree), "-c", "."], stdout=subprocess.PIPE) as pack:
        subprocess.run(
            ["docker", "import", *options, "-", image],
            stdin=pack.stdout, env=environment, check=True, capture_output=True,
        )  # fmt: skip
    shutil.rmtree(tree)


def debian(tree: Path, packages: str) -> None:
    """A tree of Debian's packages: made once on a machine, which takes two minutes, and then kept."""
    kept = KEPT / f"{packages.replace(',', '+')}.tar"
    tree.mkdir()
    if kept.exists():
        subprocess.run(["tar", "-C", str(tree), "-xf", str(kept)], check=True)
        return
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(tree)],
        capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"debootstrap made no tree of {packages}: {made.stdout[-300:]}")
    shutil.rmtree(tree / "var/cache/apt", ignore_errors=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-C", str(tree), "-cf", f"{kept}.part", "."], check=True)
    Path(f"{kept}.part").rename(kept)


def python_tree(tree: Path) -> list[str]:
    """A Python with pip, and the wheels of requirements.txt: the container reaches no registry."""
    debian(tree, "python3,python3-pip")
    (tree / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    version = subprocess.check_output(
        ["chroot", str(tree), "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        text=True,
    ).strip()
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--dest", str(tree / "wheels"),
         "--only-binary=:all:", "--python-version", version, "-r", str(PROJECT / "requirements.txt")],
        check=True,
    )  # fmt: skip
    return ["ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_BREAK_SYSTEM_PACKAGES=1"]


def postgres_tree(tree: Path) -> list[str]:
    """Debian's server, with an entry point that does what docker-compose.yml expects."""
    debian(tree, "postgresql,util-linux")
    entry = tree / "usr/local/bin/docker-entrypoint.sh"
    entry.write_text(POSTGRES_ENTRY)
    entry.chmod(0o755)
    binaries = next((tree / "usr/lib/postgresql").glob("*/bin")).relative_to(tree)
    return [
        f"ENV PATH=/{binaries}:/usr/local/bin:/usr/bin:/bin",
        f'ENTRYPOINT ["/{entry.relative_to(tree)}"]',
    ]
