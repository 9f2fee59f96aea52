"""README and docs: what is generated is up to date, what is quoted stands in the code."""

import ast
import importlib
import re
import runpy
from collections.abc import Iterator
from functools import cache

import pytest

from tests.conftest import PROJECT

DOCS = PROJECT / "docs"
README = (PROJECT / "README.md").read_text()
HOLE = "…"
LONGEST = 120  # lines of README
MESSAGES = re.findall(r"^### `(.*)`$", (DOCS / "faq.md").read_text(), re.MULTILINE)


def texts(module: str) -> Iterator[str]:
    """Every text of a module, with … for what is filled in."""
    for node in ast.walk(ast.parse(module)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(one.value) if isinstance(one, ast.Constant) else HOLE for one in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def told() -> str:
    """All that the product can say."""
    paths = [PROJECT / "run.py", *sorted((PROJECT / "app").rglob("*.py"))]
    found = [one for path in paths for one in texts(path.read_text())]
    found += [path.read_text().replace("%%", HOLE) for path in (PROJECT / "sql").rglob("*.sql")]
    return re.sub(f"{HOLE}[.{HOLE}]+", HOLE, "\n".join(found))  # schema.table is one name


def test_reference_is_what_the_code_has() -> None:
    page = runpy.run_path(str(DOCS / "reference.py"))
    assert (DOCS / "reference.md").read_text() == page["write"](), "run docs/reference.py"
    errors = importlib.import_module("app.rotation.engine.errors")
    codes = {one.exit_code for one in vars(errors).values() if hasattr(one, "exit_code")}
    assert {0, *codes} == {*page["EXIT_CODES"]}
    for code, meaning in page["EXIT_CODES"].items():
        assert f"\n| {code} | {meaning} |\n" in README


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_stand_in_the_code(message: str) -> None:
    assert message in told()


def test_messages_are_quoted_at_all() -> None:
    assert len(MESSAGES) >= 25
    assert "there is no tabel … in this database" not in told()


def test_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) <= LONGEST
    for path, anchor in re.findall(r"\]\(([^)#:]+)(?:#([\w-]+))?\)", README):
        assert (PROJECT / path).exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.*)$", (PROJECT / path).read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w-]", "", one.lower().replace(" ", "-")) for one in headings]


@pytest.mark.parametrize("word", ["window", "lane", "guard"])
def test_readme_explains_its_words_first(word: str) -> None:
    assert README.lower().index(word) == README.index(f"- **{word}**") + len("- **")
