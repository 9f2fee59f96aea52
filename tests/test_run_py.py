"""run.py: refuses what it can't run on, sets up once, takes turns."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

RUN = [sys.executable, str(PROJECT / "run.py")]


def run(*arguments: str, **also: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*RUN, *arguments], capture_output=True, text=True, **also)  # type: ignore[call-overload]


def test_help_names_every_verb() -> None:
    done = run("--help")
    assert done.returncode == 0
    for verb in ("demo", "test", "bench", "docs", "manage", "stop"):
        assert f"run.py {verb}" in done.stdout
    assert run().stdout == done.stdout


def test_unknown_verb() -> None:
    done = run("dmeo")
    assert done.returncode == 2
    verbs = "demo, test, chaos, matrix, pictures, bench, docs, manage, stop"
    told = f"run.py: unknown verb 'dmeo'; expected one of {verbs}"
    assert done.stderr == f"{told} (of manage.py: python3 run.py manage dmeo)\n"


def test_syntax_can_be_read_by_old_pythons() -> None:
    """An old Python must get as far as the check of its version: no f-string, no annotation."""
    tree = ast.parse((PROJECT / "run.py").read_text(), feature_version=(3, 4))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr)
        assert not (isinstance(node, ast.FunctionDef) and node.returns)
        assert not (isinstance(node, ast.List | ast.Tuple) and any(
            isinstance(one, ast.Starred) for one in node.elts))  # fmt: skip


OLD = sorted(
    path
    for folder, pattern in (
        (Path.home() / ".pyenv/versions", "*/bin/python"),
        (Path("/usr/bin"), "python[23]*"),
    )
    for path in folder.glob(pattern)
    if path.name.replace(".", "").isalnum()
)


def version(python: Path) -> tuple[int, ...]:
    text = subprocess.run(
        [str(python), "-c", "import sys; print('%d %d' % sys.version_info[:2])"],
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    return tuple(map(int, text.split()))


def test_old_pythons_are_refused_in_one_line() -> None:
    old = [python for python in OLD if (0,) < version(python) < (3, 10)]
    if not old:
        pytest.skip("no Python older than 3.10 is installed")
    for python in old:
        done = subprocess.run([str(python), str(PROJECT / "run.py"), "demo"], capture_output=True,
                              text=True)  # fmt: skip
        assert done.returncode == 1
        assert "Python 3.10 or later is needed" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_set_up_again_does_nothing() -> None:
    done = run("manage", "rotate_tokens_sql", "--version")
    assert done.returncode == 0
    assert done.stdout.strip()[0].isdigit()
    assert "Setting up" not in done.stdout


def test_python_without_pip_is_refused_in_one_line(tmp_path: Path) -> None:
    """As Debian's is without python3-venv; where there is no apt-get, root can't be helped either."""
    for name in ("app", "run.py", "requirements.txt"):
        (tmp_path / name).symlink_to(PROJECT / name)
    (tmp_path / "hidden").mkdir()
    for name in ("ensurepip", "pip"):
        (tmp_path / "hidden" / f"{name}.py").write_text(f"raise ImportError('no {name}')")
    code = "__file__ = 'run.py'; exec(open(__file__).read())"
    done = subprocess.run(
        [sys.executable, "-c", code, "stop"], cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": "", "PYTHONPATH": str(tmp_path / "hidden")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "sudo apt install python3-venv" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("verb", ["manage --version", "stop", "demo --size 0"])
def test_where_it_can_t_write(tmp_path: Path, verb: str) -> None:
    """What is set up already needs no lock."""
    if sys.prefix != str(PROJECT / ".venv"):
        pytest.skip("another environment, which run.py has not set up")
    for name in ("app", "run.py", "manage.py", "requirements.txt"):
        (tmp_path / name).symlink_to(PROJECT / name)
    (tmp_path / ".run.lock").mkdir()
    (tmp_path / ".venv").symlink_to(sys.prefix)
    code = "__file__ = 'run.py'; exec(open(__file__).read())"  # beside it, and not where the link leads
    done = subprocess.run(
        [sys.executable, "-c", code, *verb.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert "can't write" not in done.stderr
    assert done.returncode == ("--size" in verb)


def test_dbshell_reaches_the_embedded_server() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    done = run("manage", "dbshell", input="SELECT 'reached'", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "reached" in done.stdout


def test_two_at_once() -> None:
    command = [*RUN, "manage", "--version"]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    for child in children:
        assert child.stdout
        child.stdout.close()


@pytest.mark.parametrize("size", ["0", "-1", "many", "1e6"])
def test_demo_sizes_that_are_none(size: str) -> None:
    done = run("demo", "--size", size)
    assert done.returncode != 0
    assert "--size" in done.stderr
