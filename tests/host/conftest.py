"""The wheel, built once, and a stranger's project with it."""

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PROJECT, Database
from tests.host.project import Host, run
from tests.matrix import find_python


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, PROJECT)
    if "hatchling" in built.stderr:
        pytest.skip(f"the wheel can't be built here, hatchling is not available: {built.stderr[-200:]}")
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def package(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's package, beside the packages of these tests."""
    folder = tmp_path_factory.mktemp("package")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def host(db: Database, package: Path, tmp_path: Path) -> Host:
    """A project on the packages of these tests: Django 5.2 and psycopg2."""
    return Host(db, tmp_path, path=str(package))


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes an environment of some Python with the wheel and other packages; gives its Python."""
    made: dict[tuple[str, ...], Path] = {}

    def make(version: str, extra: str, *packages: str) -> Path:
        key = (version, extra, *packages)
        if key not in made:
            python = find_python(version) if version else Path(sys.executable)
            if python is None:
                pytest.skip(f"no Python {version} here")
            home = tmp_path_factory.mktemp("venv")
            run(python, "-m", "venv", home)
            inside = home / "bin" / "python"
            done = run(inside, "-m", "pip", "install", "-q", f"{wheel}{extra}", *packages)
            if done.returncode:
                pytest.skip(f"{' '.join(packages) or 'Django'} can't be installed: {done.stderr[-200:]}")
            made[key] = inside
        return made[key]

    return make
