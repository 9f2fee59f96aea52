"""The results of the drills, as a table: printed, and with --write put into docs/reliability.md."""

import re
import sys

from tests.chaos.arena import Result
from tests.conftest import PROJECT

PAGE = PROJECT / "docs" / "reliability.md"
BEGIN, END = "<!-- chaos -->\n", "<!-- end chaos -->\n"
COLUMNS = ("drill", "what is done", "times", "rotations", "rows lost", "rows rotated twice",
           "revoked tokens that survived", "other faults", "notes")  # fmt: skip


def table(done: dict[str, tuple[str, Result]]) -> str:
    """Markdown: of each drill what it does, and what came of it."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for name, (what, result) in done.items():
        counts = (result.times, result.rotations, result.lost, result.twice, result.survivors)
        if result.skipped:
            rows.append((f"`{name}`", what, *("–",) * 6, f"skipped: {result.skipped}"))
        else:
            shown = map(str, (*counts, len(result.faults)))
            rows.append((f"`{name}`", what, *shown, result.note()))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def publish(command: str, machine: str, text: str) -> None:
    """Put the table between the page's marks."""
    page = PAGE.read_text()
    if BEGIN not in page or END not in page:
        sys.exit(f"{PAGE} has no marks {BEGIN.strip()} and {END.strip()}")
    section = f"{BEGIN}`{command}`: {machine}\n\n{text}\n{END}"
    pattern = re.escape(BEGIN) + ".*" + re.escape(END)
    PAGE.write_text(re.sub(pattern, lambda _: section, page, flags=re.DOTALL))
