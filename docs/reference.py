"""Writes docs/reference.md: flags, settings, variables and exit codes, as the code has them.

.venv/bin/python docs/reference.py
"""

import argparse
import ast
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

#: Flags of rotate_tokens_sql by what they are for; one that is in no group stands in the last.
GROUPS = {
    "Which table and column": ("targets", "--table", "--column", "--pk", "--database"),
    "What is written, and into which rows": (
        "--format",
        "--expression",
        "--also",
        "--where",
        "--walk",
        "--local-tokens",
    ),
    "How a run begins": (
        "--dry-run",
        "--yes",
        "--new",
        "--if-finished",
        "--serve",
        "--reason",
        "--leaked",
        "--ack-triggers",
        "--allow-fk",
    ),
    "Windows, workers and locks": (
        "--window",
        "--window-seconds",
        "--workers",
        "--lanes",
        "--lock-timeout",
        "--lock-patience",
    ),
    "What holds windows back, or ends the run": (
        "--max-rate",
        "--nice",
        "--max-lag",
        "--max-lag-bytes",
        "--standby",
        "--max-wal",
        "--max-wal-rate",
        "--min-free",
        "--max-waiting",
        "--only-between",
        "--throttle-sql",
        "--stop-after",
        "--critical-lag",
        "--critical-wal",
    ),
    "Proof": ("--no-verify", "--no-guard"),
    "Beside and after the windows": ("--vacuum", "--reindex", "--notify", "--no-wait-replicas"),
    "Who hears of it": ("--progress", "--hook", "--metrics-port"),
}
#: Those that every command of Django's has, and what is said of them all at once.
DJANGO = {
    "--help",
    "--version",
    "--verbosity",
    "--settings",
    "--pythonpath",
    "--traceback",
    "--no-color",
    "--force-color",
    "--skip-checks",
}
ANY = 10**9  # a limit that nobody meets
#: Flags of every action of `rotation`.
COMMON = {"--database", "--table", "--column", "--pk"}
SETTINGS = {
    "TARGET": "app label, model and field of what is rotated without `--table`: `accounts.Account.key`",
    "TARGETS": "names for columns with their options, used as `rotate_tokens_sql NAME ...`"
    " ([any secret](secrets.md#names-for-an-incident))",
    "HOOK": "the command of `--hook`, for every run",
    "METRICS": "of this repository's site only: whether `/metrics` is served",
}
EXIT_CODES = {
    0: "every token is replaced, and no revoked one was found (with `--no-verify`: replaced)",
    1: "refused or failed; nothing was changed by this call unless the line says so",
    2: "a flag can't be used",
    3: "stopped before the end; run the same command again",
    4: "rotated, but rows remain that hold a revoked token, or the proof could not be made",
}
HEAD = """\
# Reference

Every flag, setting, variable and exit code, written by `docs/reference.py` from the code. The words
(*window*, *lane*, *guard*) are explained in the [overview](index.md). `manage.py` stands for
`python manage.py`, or `python3 run.py manage` in this project.

A SIZE is a number of bytes, or has a unit: `512MB`, `20GB`. `off` lifts a limit. Flags can't be
abbreviated. Every command of `manage.py` takes Django's flags, too: `-v 0` prints errors only, `-v 2`
every window; `--traceback` shows more of an error, and may quote data.
"""


def described(action: argparse.Action) -> tuple[str, str]:
    """What an argument means, and its default."""
    from app.rotation.engine.options import LIMITS  # noqa: PLC0415 (once Django is set up)

    text = (action.help or "") % {"default": action.default} if action.help else ""
    text = re.sub(r"http:\S+metrics", r"`\g<0>`", text)
    found = re.fullmatch(r"(.*?) \(default: (.*)\)", text, re.DOTALL)
    meaning, default = found.groups() if found else (text, "")
    for flag, least, most, _ in LIMITS.values():
        if flag in action.option_strings and most < ANY:
            meaning += f"; {least:,} to {most:,}"
    return meaning, default


def shown(action: argparse.Action) -> str:
    """How an argument is given."""
    name = action.option_strings[-1] if action.option_strings else ""
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if action.choices:  # a | in a table is escaped in one way here, in another there
        value = f"{{{','.join(map(str, action.choices))}}}"
    if action.nargs == "?":
        value = f"[{value}]"
    if not name and action.nargs in ("*", "+"):
        value = f"{value} ..."
    return f"{name} {value}".strip()


def table(actions: Iterable[argparse.Action]) -> str:
    """These arguments."""
    return "\n".join(["| flag | meaning | default |", "|---|---|---|", *rows(actions)])


def rows(actions: Iterable[argparse.Action]) -> Iterator[str]:
    """A row for each argument."""
    for action in actions:
        meaning, default = described(action)
        yield f"| `{shown(action)}` | {quoted(meaning)} | {quoted(default)} |"


def quoted(text: str) -> str:
    """A help text in Markdown: what is code is set as code, and no brace or bracket is lost."""
    code = r"(--[\w-]+|\w+\['\w+'\](?:'s)?|sk_live_\{\S+\}|\{\w+(?::N)?\}|settings\.[A-Z_]+|\b\w+_\w+\b)"
    parts = re.split("(`[^`]*`)", text)
    return "".join(one if one[:1] == "`" else re.sub(code, r"`\1`", one) for one in parts)


def sentence(text: str | None) -> str:
    """A description as one."""
    return f"{quoted((text or '')[:1].upper() + (text or '')[1:])}."


def own(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """A parser's arguments but for those of every command."""
    return [one for one in parser._actions if not DJANGO & {*one.option_strings}]


def rotate_tokens_sql() -> Iterator[str]:
    """The main command, by groups."""
    parser = parser_of("app.rotation", "rotate_tokens_sql")
    yield "## rotate_tokens_sql"
    yield f"`manage.py rotate_tokens_sql [TARGET ...] [flags]`: {parser.description}"
    left = {one.option_strings[-1] if one.option_strings else one.dest: one for one in own(parser)}
    for title, names in GROUPS.items():
        yield f"### {title}"
        yield table(left.pop(name) for name in names)
    if left:
        yield "### More"
        yield table(left.values())


def rotation() -> Iterator[str]:
    """The actions of `rotation`."""
    parser = parser_of("app.rotation", "rotation")
    (actions,) = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    yield "## rotation"
    yield f"`manage.py rotation ACTION [flags]`: {parser.description}"
    yield (
        "`--database ALIAS` says in which database, `--table` and `--column` of what. Without those,"
        " an action is about the unfinished rotation, else the latest, of any table; `guard` about the"
        " table that a run would take; `discover` looks at every table."
    )
    lines = [f"| `{name}` | {sentence(one.description)} |" for name, one in actions.choices.items()]
    yield "\n".join(["| action | what it does |", "|---|---|", *lines])
    yield "Their other flags:"
    lines = [
        f"| `{name}` {row}"
        for name, one in actions.choices.items()
        for row in rows(flag for flag in own(one) if not COMMON & {*flag.option_strings})
    ]
    yield "\n".join(["| action | flag | meaning | default |", "|---|---|---|---|", *lines])


def ticket() -> Iterator[str]:
    """The command of the sample tickets."""
    parser = parser_of("app.tickets", "ticket")
    yield "## ticket"
    yield f"`manage.py ticket`, of this repository only: {parser.description}"
    yield table(own(parser))


def run_py() -> Iterator[str]:
    """The verbs of run.py, from its own help."""
    doc = ast.get_docstring(ast.parse((PROJECT / "run.py").read_text())) or ""
    yield "## run.py"
    yield "`python3 run.py VERB` sets up `.venv/` with what the verb needs, once, and does it."
    rows = re.findall(r"^ +python3 (run\.py .*?)  +(.*)$", doc, re.MULTILINE)
    lines = [f"| `{verb}` | {quoted(what)} |" for verb, what in rows]
    yield "\n".join(["| command | what it does |", "|---|---|", *lines])


def settings() -> Iterator[str]:
    """The keys of ROTATION."""
    from app.rotation.operations.project import KEYS  # noqa: PLC0415 (once Django is set up)

    yield "## Settings"
    yield "One dictionary, `ROTATION`; each key may instead be a setting of its own (`ROTATION_TARGET`)."
    lines = [f"| `{key}` | {SETTINGS[key]} |" for key in sorted(KEYS, key=[*SETTINGS].index)]
    yield "\n".join(["| key | meaning |", "|---|---|", *lines])
    yield "What `manage.py check` says about them: [your Django project](projects.md#settings)."


def variables() -> Iterator[str]:
    """What this repository's project reads from its environment."""
    doc = ast.get_docstring(ast.parse((PROJECT / "app" / "settings.py").read_text())) or ""
    yield "## Environment variables"
    yield (
        "Of this repository's project and its image; your own project reads what its settings say. What"
        " a `DATABASE_URL` may look like: [roles and servers](servers.md#database_url)."
    )
    rows = re.findall(r"^([A-Z_]{4,})  +(.*(?:\n  +.*)*)", doc, re.MULTILINE)
    lines = [f"| `{name}` | {quoted(' '.join(what.split()))} |" for name, what in rows]
    yield "\n".join(["| variable | meaning |", "|---|---|", *lines])
    yield doc.strip().split("\n\n")[-1].replace("\n", " ")


def exit_codes() -> Iterator[str]:
    """Those of every command."""
    yield "## Exit codes"
    lines = [f"| {code} | {what} |" for code, what in EXIT_CODES.items()]
    yield "\n".join(["| exit code | meaning |", "|---|---|", *lines])


def parser_of(app: str, name: str) -> Any:
    """The parser of a command of manage.py."""
    from django.core.management import load_command_class  # noqa: PLC0415 (once Django is set up)

    return load_command_class(app, name).create_parser("manage.py", name)


def write() -> str:
    """The page."""
    parts = (exit_codes, rotate_tokens_sql, rotation, ticket, settings, variables, run_py)
    return "\n\n".join([HEAD.rstrip(), *(one for part in parts for one in part())]) + "\n"


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "app.settings"
    import django

    django.setup()
    Path(__file__).with_name("reference.md").write_text(write(), encoding="utf-8")
