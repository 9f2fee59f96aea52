"""The wheel, as a stranger installs it: in a new environment, in a Django project of their own."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PROJECT, Database
from tests.host.project import Host

PSYCOPG = (
    "print(__import__('django.db.backends.postgresql.psycopg_any').db.connection.Database.__name__)"
)


def test_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    described = wheel.stem.split("-py3")[0] + ".dist-info"
    assert {name.split("/")[0] for name in names} == {
        "rotate_tokens",
        described,
    }
    shipped = {name.removeprefix("rotate_tokens/") for name in names}
    for path in (PROJECT / "sql").rglob("*.sql"):
        assert path.relative_to(PROJECT).as_posix() in shipped
    assert {"py.typed", "templates/rotation/live.html", "migrations/0001_initial.py"} <= shipped
    assert not any("__pycache__" in name for name in names)


@pytest.mark.parametrize(
    ("python", "extra", "packages", "driver"),
    [
        ("", "[psycopg2]", ("Django>=5.2,<5.3",), "psycopg2"),
        ("3.12", "[psycopg]", ("Django>=6.1,<6.2", "psycopg-pool"), "psycopg"),
    ],
    ids=["5.2-psycopg2", "6.1-psycopg"],
)
def test_in_a_project_of_a_strangers(
    db: Database,
    tmp_path: Path,
    environment: Callable[..., Path],
    python: str,
    extra: str,
    packages: tuple[str, ...],
    driver: str,
) -> None:
    host = Host(db, tmp_path, environment(python, extra, *packages))
    assert host.manage("shell", "-c", PSYCOPG).splitlines()[-1] == driver
    host.set_up()
    host.fill()
    host.rotate()
    if "psycopg-pool" in packages:  # of fewer connections than a run has threads
        pooled = "DATABASES['default']['OPTIONS'] = {'pool': {'min_size': 1, 'max_size': 1}}"
        assert "succeeded" in host.manage("rotate_tokens_sql", "--new", "--workers", "3", MORE=pooled)
