"""The house: which module may import which, which may print, and what the linters say."""

import ast
import dataclasses
import graphlib
import re
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT, Database
from tests.mutants import MUTANTS, Mutant
from tests.rooms import TIERS

APP = PROJECT / "app"
ROTATION = APP / "rotation"

TIER = {room: number for number, rooms in enumerate(TIERS) for room in rooms}


def modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if "migrations" not in path.parts]


def dotted(path: Path) -> str:
    """The name of a module of the product, below `app.rotation`."""
    parts = path.relative_to(ROTATION).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """The dotted names of all modules that a file imports, wherever in it."""
    package = path.relative_to(PROJECT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            yield from (
                ".".join((*above, *filter(None, (node.module, alias.name)))) for alias in node.names
            )


def room(module: str) -> str:
    """The room in which a module of the product stands."""
    names = module.split(".")
    return ".".join(names[:2] if names[0] == "engine" else names[:1])


GRAPH = {
    dotted(path): {
        name
        for found in imports(path)
        if found.startswith("app.rotation.")
        for name in [found.removeprefix("app.rotation.")]
    }
    for path in modules(ROTATION)
}
#: Of each module of the product, those that it imports: without the names in them.
IMPORTS = {
    module: {name if name in GRAPH else name.rpartition(".")[0] for name in found}
    for module, found in GRAPH.items()
}


@pytest.mark.parametrize("module", [name for name in IMPORTS if "." in name or name in TIER])
def test_imports_go_down(module: str) -> None:
    if module == "engine":
        assert not IMPORTS[module]
        return
    for other in IMPORTS[module]:
        if room(other) != room(module):
            assert TIER[room(module)] < TIER[room(other)], f"{module} imports {other}"


def test_imports_make_no_circle() -> None:
    graphlib.TopologicalSorter(IMPORTS).prepare()


def test_picture_shows_the_rooms() -> None:
    draw = runpy.run_path(str(PROJECT / "docs" / "house.py"))["draw"]
    assert (PROJECT / "docs" / "house.svg").read_text() == draw()


def test_every_import_of_the_product_is_relative() -> None:
    for path in ROTATION.rglob("*.py"):
        names = {
            node.module or ""
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and not node.level
        }
        assert not any(name.partition(".")[0] == "app" for name in names), path


def test_faces_leave_use_cases_to_operations() -> None:
    for module, found in IMPORTS.items():
        if room(module) in ("management", "admin", "web"):
            for other in found:
                assert room(other) not in ("engine.proof", "engine.runner"), (module, other)
                assert other != "engine.state.transitions", module


@pytest.mark.parametrize("path", modules(ROTATION / "engine"), ids=dotted)
def test_engine_has_no_face(path: Path) -> None:
    assert not re.search(r"\bprint\(|sys\.std(out|err)|logging", path.read_text())
    for name in imports(path):
        assert not name.startswith(("django.conf", "django.core.management")), name
        assert name.partition(".")[0] not in ("argparse", "click"), name


def test_rotation_does_not_know_tickets() -> None:
    for path in modules(ROTATION):
        assert not any(name.startswith("app.tickets") for name in imports(path)), path


def test_the_ticket_model_knows_its_guard_only() -> None:
    ours = {name for name in imports(APP / "tickets" / "models.py") if name.startswith("app.")}
    assert ours == {"app.rotation.triggers.TokenGuard"}


def test_only_statements_composes_sql() -> None:
    for path in modules(APP):
        if path.name not in ("statements.py", "driver.py"):
            assert not {"psycopg2.sql", "psycopg.sql"} & {*imports(path)}, path
            assert not re.search(
                r"psycopg2?\.sql\b|driver\.sql\b|driver import.*\bsql\b", path.read_text()
            ), path


def test_only_the_module_driver_knows_one() -> None:
    for path in modules(ROTATION):
        if path.name != "driver.py":
            assert not [
                one for one in imports(path) if re.match(r"psycopg|django\.db\.backends", one)
            ], path


def named_twice(texts: list[str]) -> list[str]:
    """Names that more than one class has, besides those that Django gives them."""
    names = Counter(
        node.name
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef) and node.name not in ("Command", "Media", "Meta")
    )
    return [name for name, count in names.items() if count > 1]


def status_literals(text: str) -> list[str]:
    """Statuses that are compared or assigned as a string, and not as models.Status."""
    from app.rotation.models import Status

    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            found += [node.left, *node.comparators]
        elif isinstance(node, ast.keyword) and (node.arg or "").startswith("status"):
            found.append(node.value)
    inside = [one for part in found for one in ast.walk(part) if isinstance(one, ast.Constant)]
    return [str(one.value) for one in inside if one.value in Status.values]


def executed(text: str) -> list[str]:
    """Statements that are handed to a cursor as they stand in the program."""
    return [
        ast.unparse(node.args[0])
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("execute", "executemany", "copy_expert", "raw")
        and node.args
        and any(isinstance(one, ast.Constant | ast.JoinedStr) for one in ast.walk(node.args[0]))
        and re.match(r"f?['\"]", ast.unparse(node.args[0]))
    ]


def packed(text: str) -> list[int]:
    """Lines of generators that are unpacked within a display that the formatter must skip."""
    lines = text.splitlines()
    return [
        star.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and "# fmt: skip" in lines[(node.end_lineno or 1) - 1]
        for star in ast.walk(node)
        if isinstance(star, ast.Starred) and isinstance(star.value, ast.GeneratorExp)
    ]


def test_no_two_classes_have_one_name() -> None:
    assert not named_twice([path.read_text() for path in modules(ROTATION)])


@pytest.mark.parametrize("path", modules(ROTATION), ids=dotted)
def test_statuses_sql_and_lists_are_where_they_can_be_found(path: Path) -> None:
    text = path.read_text()
    if path.name not in ("models.py", "transitions.py"):
        assert not status_literals(text)
    if path.parent.name != "db":
        assert not executed(text)
    assert not packed(text)


def test_what_is_planted_is_found() -> None:
    assert named_twice(["class One: ...\nclass Command: ...", "class One: ...\nclass Command: ..."])
    assert status_literals("over = rotation.status in ('failed', 'cancelled')")
    assert status_literals("rotations(session).filter(status='pending')")
    assert not status_literals("reason = 'paused'")
    assert executed("cursor.execute('SELECT 1')")
    assert executed("cursor.execute(f'DROP TABLE {name}', None)")
    assert not executed("cursor.execute(read('find_state'), None)")
    assert packed("found = [*(one for one in two),\n         three]  # fmt: skip")
    assert not packed("found = [*(one for one in two)]")


def test_files_and_functions_can_be_seen_whole() -> None:
    for path in [*modules(APP), *modules(PROJECT / "tests"), *modules(PROJECT / "benchmarks")]:
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno
                assert length <= 50, f"{path}: {node.name} has {length} lines"


def test_psycopg_3_is_not_here() -> None:
    """In the project's own environment: Django would choose it."""
    if sys.prefix != str(PROJECT / ".venv"):
        pytest.skip("another environment, see tests/host/test_psycopg3.py")
    with pytest.raises(ImportError):
        __import__("psycopg")


def test_what_the_package_offers_is_what_the_api_has() -> None:
    from app import rotation
    from app.rotation import api

    assert {*api.__all__} == rotation.OF_API


def test_migrations_are_complete(db: Database) -> None:
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_event_is_documented_for_machines() -> None:
    from app.rotation.engine.events import Event
    from app.rotation.engine.maintenance import reindex
    from app.rotation.engine.proof import copies
    from app.rotation.engine.state.progress import Progress

    assert reindex and copies  # whose events are theirs
    told = (PROJECT / "docs" / "operations.md").read_text()
    for kind, shape in [
        ("progress", Progress),
        *((event.kind, event) for event in Event.__subclasses__()),
    ]:
        fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(shape))
        assert f"| `{kind}` | {fields}" in told, kind


def test_requirements_are_pinned() -> None:
    for name in (
        "requirements.txt",
        "app/localpg/requirements.txt",
        "tests/requirements.txt",
        "docs/requirements.txt",
    ):
        lines = [line for line in (PROJECT / name).read_text().splitlines() if line[:1].isalpha()]
        assert all(re.search(r"==|>=", line) for line in lines), name


def test_deliberate_defects_are_told_apart() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_deliberate_defects_still_apply(mutant: Mutant) -> None:
    whole = (PROJECT / mutant.file).read_text()
    assert whole.count(mutant.old) == 1
    if mutant.file.endswith(".py"):
        compile(whole.replace(mutant.old, mutant.new), mutant.file, "exec")
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


def test_benchmarks_need_no_package_of_the_tests() -> None:
    """`run.py bench` installs its own only."""
    code = "import sys; sys.modules['pytest'] = None; import benchmarks.__main__"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
