"""The site of docs: it builds, links and anchors lead somewhere, nothing is loaded from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

ELSEWHERE = r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"'


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    plain = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run([*map(str, command)], cwd=PROJECT, capture_output=True, text=True, env=plain)


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with what the site needs, in an environment of its own."""
    home = tmp_path_factory.mktemp("docs")
    run(sys.executable, "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    done = run(*pip, "install", "-q", "--no-compile", "-r", "docs/requirements.txt")
    if done.returncode:
        pytest.skip(f"mkdocs-material can't be installed: {done.stderr[-200:]}")
    return python


@pytest.mark.timeout(600)
def test_site(builder: Path, tmp_path: Path) -> None:
    """By the command of `run.py docs`, which fails for a link or an anchor that leads nowhere."""
    from run import VERBS

    done = run(builder, *VERBS["docs"][1], "--site-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    pages = {path.stem: path.read_text() for path in tmp_path.glob("*.html")}
    assert {path.stem for path in (PROJECT / "docs").glob("*.md")} < {*pages}
    for name, page in pages.items():
        assert not re.findall(ELSEWHERE, page), name
    for path in tmp_path.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", path.read_text()), path
    assert (tmp_path / "search" / "search_index.js").exists()  # read by pages that are opened as files
