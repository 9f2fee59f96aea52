"""The house: who may import whom, who may print, and the linters' word."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, Database
from tests.mutants import MUTANTS, Mutant

APP = PROJECT / "app"
ENGINE = APP / "rotation" / "engine"

#: Floors of the engine: a module imports from floors below its own only.
FLOORS = [
    {"errors", "naming", "units"},
    {"disk", "events", "stop", "statements", "token_list", "windows"},
    {"database", "leaked", "options"},
    {"blockers", "preflight", "probes", "progress", "replicas", "standby", "target", "throttle"},
    {"citus", "holders"},
    {"guard", "journal", "lanes", "rebuild", "revocation", "status", "surroundings", "vacuum", "watch"},
    {"copies", "indexes", "plan", "sampling"},
    {"control", "findings", "notes", "stages", "trial"},
    {"steering"},
    {"canary", "conclusion", "contention"},
    {"worker"},
    {"crew"},
    {"phases"},
    {"conductor"},
    {"driver"},
]


def imports(path: Path) -> set[str]:
    """The dotted names of all modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if "migrations" not in path.parts]


def test_engine_imports_downward_only() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    assert set(floor) == {path.stem for path in ENGINE.glob("*.py")} - {"__init__"}
    for path in ENGINE.glob("*.py"):
        for name in imports(path):
            if match := re.match(r"app\.rotation\.engine\.(\w+)", name):
                assert floor[match[1]] < floor[path.stem], f"{path.stem} imports {match[1]}"


def test_engine_knows_nothing_above_it() -> None:
    allowed = ("app.rotation.engine", "app.rotation.models", "app.rotation.triggers")
    for path in ENGINE.glob("*.py"):
        for name in imports(path):
            assert not name.startswith("app.") or name.startswith(allowed), f"{path.stem}: {name}"
            assert not name.startswith(("django.conf", "django.core.management")), path.stem
            assert name.split(".")[0] not in ("argparse", "click"), path.stem


@pytest.mark.parametrize("path", modules(ENGINE), ids=lambda path: path.stem)
def test_engine_prints_nothing(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\bprint\(|sys\.std(out|err)|logging", text)


def test_rotation_does_not_know_tickets() -> None:
    for path in modules(APP / "rotation"):
        assert not any(name.startswith("app.tickets") for name in imports(path)), path


def test_models_know_nothing_of_ours() -> None:
    names = imports(APP / "rotation" / "models.py") | imports(APP / "rotation" / "triggers.py")
    ours = {name for name in names if name.startswith("app.")}
    assert all(name.startswith("app.rotation.invariants.") for name in ours)
    names = imports(APP / "tickets" / "models.py")
    assert {name for name in names if name.startswith("app.")} == {"app.rotation.triggers.TokenGuard"}


def test_only_statements_composes_sql() -> None:
    for path in modules(APP):
        if path.name != "statements.py":
            assert "psycopg2.sql" not in imports(path), path
            assert "psycopg2.sql" not in path.read_text(), path


def test_files_and_functions_can_be_seen_whole() -> None:
    for path in modules(APP):
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno
                assert length <= 50, f"{path}: {node.name} has {length} lines"


def test_psycopg_3_is_not_here() -> None:
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    assert not is_psycopg3
    with pytest.raises(ImportError):
        __import__("psycopg")


def test_migrations_are_complete(db: Database) -> None:
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_requirements_are_pinned() -> None:
    for name in ("requirements.txt", "app/localpg/requirements.txt", "tests/requirements.txt"):
        lines = [line for line in (PROJECT / name).read_text().splitlines() if line[:1].isalpha()]
        assert all(re.search(r"==|>=", line) for line in lines), name


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_deliberate_defects_still_apply(mutant: Mutant) -> None:
    assert (PROJECT / mutant.file).read_text().count(mutant.old) == 1
    assert f"| {mutant.name} |" in (PROJECT / "docs" / "reliability.md").read_text()


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
    ],
    ids=" ".join,
)
def test_linters(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
