"""Replace every token of a table, in the server; run it again to resume after an interruption."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.core.management.base import CommandParser

from ...engine.db.session import Session
from ...engine.errors import UsageError
from ...engine.options import IF_FINISHED, REINDEX, TYPES, Options, or_off
from ...engine.text import parse_size, parse_size_rate
from ...operations import asking, inputs
from ...operations.databases import RunRequest, run_side_by_side
from ...operations.dry_run import plan_rotation
from ...operations.herald import parse_hook
from ...operations.run import run_rotation
from ...operations.sequence import run_in_turn
from ...operations.serve import serve
from ...operations.targets import NamedTarget, find_targets, names_of_targets
from .. import base
from ..console import MODES


def throttle_flags(default: Options) -> Iterator[tuple[str, Callable[[str], Any], str, str]]:
    """Of each flag that takes a value: how it is read, what it is called, and its help."""
    size = base.value("a size, e.g. 512MB, or off", or_off(parse_size))
    seconds = "SECONDS"
    lag = base.value("seconds or off", or_off(float))
    percent = base.value("percent or off", or_off(float))
    usual = default.max_lag
    yield from (
        ("--max-lag", lag, seconds, f"wait while a standby is further behind (default: {usual:g})"),
        ("--max-lag-bytes", size, "SIZE", "the same in bytes of WAL (default: off)"),
        ("--critical-lag", lag, seconds, "end the run (exit code 3) at this lag (default: off)"),
        ("--max-wal", size, "SIZE", "wait while a slot or the archiver holds back more (default: off)"),
        ("--critical-wal", size, "SIZE", "end the run (exit code 3) at this much (default: off)"),
        (
            "--min-free",
            size,
            "SIZE",
            "wait while less disk is free, where that is known: on the server's host, as its owner,"
            " with pg_monitor (default: 1GB)",
        ),
        ("--nice", float, "RATIO", "seconds of rest for each second of work (default: 0)"),
        ("--vacuum", percent, "PERCENT", "vacuum after each PERCENT of the rows, or off (default: 10)"),
        (
            "--throttle-sql",
            str,
            "SQL",
            "one query that returns one value: true or a nonzero number makes windows wait",
        ),
    )
    yield from pace_flags()


def pace_flags() -> Iterator[tuple[str, Callable[[str], Any], str, str]]:
    """The flags for how fast, when, and how far a run goes; as in `throttle_flags`."""
    rate = base.value("rows a second or off", or_off(float))
    yield "--max-rate", rate, "ROWS_PER_S", "for all workers together (default: off)"
    wal_rate = base.value("a size a second, e.g. 50MB/s, or off", or_off(parse_size_rate))
    text = "wait while the server, with everything on it, writes more WAL (default: off)"
    yield "--max-wal-rate", wal_rate, "SIZE/s", text
    text = "windows run at these times of day only; no zone: settings.TIME_ZONE (default: always)"
    yield "--only-between", or_off(str), "HH:MM-HH:MM[@ZONE]", text
    after = "end this run (exit code 3) after so many rows; run it again to continue (default: all)"
    yield "--stop-after", int, "ROWS", after


def metrics_served(aliases: list[str], port: int | None) -> AbstractContextManager[None]:
    """Within the block, answer /metrics on a port, if there is one."""
    if port is None:
        return nullcontext()
    if port < 1:
        raise UsageError(f"--metrics-port {port}: expected a port, 1 to 65535")
    try:
        from ...operations.metrics import served  # noqa: PLC0415 (needs a package that hosts may lack)
    except ImportError as error:
        raise UsageError("--metrics-port needs a package: pip install prometheus-client") from error
    return served(aliases, port)


class Command(base.RotationCommand):
    help = (
        "Replace every token of a live table with a new random one, window by window, in the server."
        " Run it again to continue from the last committed window."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "targets",
            nargs="*",
            metavar="TARGET",
            help="names of ROTATION['TARGETS'], instead of --table; several: one after another",
        )
        base.add_target_flags(parser, several=True)
        for flag, text in (
            ("--dry-run", "show the plan, write nothing"),
            ("--yes", "on a terminal, don't ask before a new rotation of a --table"),
            ("--new", "start another rotation, although one is finished"),
            ("--serve", "keep running, and pick up what was recorded in a browser, or abandoned"),
        ):
            parser.add_argument(flag, action="store_true", help=text)
        parser.add_argument(
            "--if-finished",
            choices=IF_FINISHED,
            default="ok",
            help="for scripts: after a finished rotation do nothing, start another, or end with exit"
            " code 1 (default: %(default)s)",
        )
        parser.add_argument("--reason", default="", metavar="TEXT", help="why: kept as evidence")
        parser.add_argument(
            "--hook",
            metavar="COMMAND",
            help="run this, with JSON on its standard input, when the rotation starts, is held back,"
            " stops, fails or is proven (default: ROTATION['HOOK'])",
        )
        parser.add_argument(
            "--metrics-port",
            type=int,
            metavar="N",
            help="meanwhile answer Prometheus at http://this-machine:N/metrics, without a password",
        )
        parser.add_argument(
            "--progress",
            choices=MODES,
            default="auto",
            help="auto: a bar on a terminal, else lines; json: an object a line (default: %(default)s)",
        )
        self.add_recipe_flags(parser)
        self.add_work_flags(parser, Options())
        self.add_proof_flags(parser)
        self.add_throttle_flags(parser, Options())
        self.add_aftercare_flags(parser)

    def add_recipe_flags(self, parser: CommandParser) -> None:
        """Add the flags that say what is written, and into which rows."""
        parser.add_argument(
            "--format",
            action=base.Once,
            metavar="TEMPLATE",
            help="what new tokens look like: text around one of {uuid} {hex:N} {base62:N} {urlsafe:N}"
            " {alnum:N}, e.g. sk_live_{base62:32} (default: a UUID, spelled like the old one)",
        )
        text = "or any SQL expression for a new token, evaluated for every row"
        parser.add_argument("--expression", action=base.Once, metavar="SQL", help=text)
        parser.add_argument(
            "--also",
            action="append",
            default=[],
            metavar="COLUMN=SQL",
            help="set another column in the same UPDATE, e.g. a checksum; the SQL may name new_token;"
            " may be repeated",
        )
        text = "rotate only rows for which this is true (default: all rows)"
        parser.add_argument("--where", action=base.Once, metavar="SQL", help=text)
        parser.add_argument(
            "--walk",
            action=base.Once,
            metavar="COLUMN",
            help="walk by another unique NOT NULL column, e.g. where the token is the primary key"
            " (default: the primary key)",
        )

    def add_work_flags(self, parser: CommandParser, default: Options) -> None:
        """Add the flags of windows, workers, and how long they wait for locks."""
        parser.add_argument(
            "--window", type=int, metavar="N", help="rows of a window (default: sized while running)"
        )
        parser.add_argument(
            "--window-seconds",
            type=float,
            default=default.window_seconds,
            metavar="S",
            help="seconds that a window aims at, without --window (default: %(default)s)",
        )
        parser.add_argument(
            "--workers",
            type=int,
            default=default.workers,
            metavar="K",
            help="connections that rotate side by side in this process; others may join by the same"
            " command (default: %(default)s)",
        )
        parser.add_argument(
            "--lanes",
            type=int,
            metavar="L",
            help="ranges of keys that a new rotation is cut into (default: 16; 1 for a small table; at"
            " least one for each partition that is a range of the key)",
        )
        parser.add_argument(
            "--lock-timeout",
            dest="lock_timeout_ms",
            type=int,
            default=default.lock_timeout_ms,
            metavar="MS",
            help="longest wait for one lock, in milliseconds (default: %(default)s)",
        )
        parser.add_argument(
            "--lock-patience",
            type=float,
            default=default.lock_patience,
            metavar="S",
            help="seconds of lock conflicts in a row before the run stops (default: %(default)g)",
        )

    def add_proof_flags(self, parser: CommandParser) -> None:
        """Add the flags of the guard, the proof, and what the preflight wants acknowledged."""
        base.add_leaked_flag(
            parser,
            "tokens known to have leaked, one a line or CSV (-: standard input): revoked too, even if"
            " they are gone from the table",
        )
        text = "end without the proof that no revoked token is left"
        parser.add_argument("--no-verify", dest="verify", action="store_false", help=text)
        text = "install no guard: revoked tokens can be written back"
        parser.add_argument("--no-guard", dest="guard", action="store_false", help=text)
        text = "continue although triggers of the table may have copied old tokens"
        parser.add_argument("--ack-triggers", action="store_true", help=text)
        text = "continue although foreign keys to the token change other tables (see --dry-run)"
        parser.add_argument("--allow-fk", action="store_true", help=text)

    def add_throttle_flags(self, parser: CommandParser, default: Options) -> None:
        """Add the flags for what makes windows wait, or ends the run."""
        for flag, kind, metavar, text in throttle_flags(default):
            name = flag[2:].replace("-", "_")
            parser.add_argument(
                flag, type=kind, metavar=metavar, help=text, default=getattr(default, name)
            )
        parser.add_argument(
            "--max-waiting",
            type=base.value("a number or off", or_off(int)),
            metavar="N",
            default=default.max_waiting,
            help="wait while more sessions wait for rows of our windows (default: %(default)s)",
        )
        parser.add_argument(
            "--standby",
            dest="standbys",
            action="append",
            default=[],
            metavar="NAME",
            help="a standby (its application_name) that must be connected; may be repeated",
        )

    def add_aftercare_flags(self, parser: CommandParser) -> None:
        """Add the flags for what is done beyond replacing tokens: for caches, indexes, standbys."""
        parser.add_argument(
            "--local-tokens",
            action="store_true",
            help="draw each window's tokens from a slice of all: less time and WAL where the token's"
            " index is larger than memory; at least 100 random bits of each token stay",
        )
        parser.add_argument(
            "--reindex",
            nargs="?",
            const="all",
            choices=REINDEX,
            help="rebuild the indexes that have grown by more than a tenth (token: only those that hold"
            " it) at the end, while others read and write",
        )
        text = "NOTIFY this channel in each window, so that caches can drop what it revoked"
        parser.add_argument("--notify", metavar="CHANNEL", help=text)
        parser.add_argument(
            "--no-wait-replicas",
            dest="wait_replicas",
            action="store_false",
            help="at the end, don't wait for standbys to replay the rotation",
        )

    def shows(self, options: dict[str, Any]) -> bool:
        """Whether it is nothing without its output."""
        return bool(options["dry_run"])

    def serve(self, alias: str, given: dict[str, Any]) -> None:
        """Pick up what was recorded, until a signal."""
        if given["targets"]:
            raise UsageError(f"{given['targets'][0]}: name no target with --serve")
        for flag in ("dry_run", "new", "leaked", "table", "column", "pk", "reason"):
            if given[flag]:
                text = f"--{flag.replace('_', '-')}: not with --serve, which picks up what was recorded"
                raise UsageError(text)
        reporter = self.console(given["progress"], given["verbosity"])
        serve(Session(alias), reporter, given["throttle_sql"], given["hook"])

    def handle(self, *args: Any, **given: Any) -> None:
        with base.one_line_errors():
            inputs.require_text("--throttle-sql", given["throttle_sql"])
            for name in ("notify", "expression", "where", "walk"):
                inputs.require_text(f"--{name}", given[name])
            for name in ("standbys", "also"):
                for text in given[name]:
                    inputs.require_text("--also" if name == "also" else "--standby", text)
                given[name] = tuple(given[name])
            options = Options(**{name: given[name] for name in TYPES if name in given})
            if given["new"] and options.if_finished == "fail":
                raise UsageError(
                    "--new starts another rotation, and --if-finished fail forbids that: give one"
                )
            given["hook"] = parse_hook(given["hook"])
            aliases = self.databases(given)
            with metrics_served(aliases, given["metrics_port"]):
                self.rotate(aliases, options, given)

    def named(self, given: dict[str, Any]) -> list[NamedTarget]:
        """The targets that are named. Raises UsageError for flags that name another."""
        own = any(given[flag] for flag in ("expression", "where", "also"))
        for name in given["targets"]:
            if own and name not in names_of_targets():
                text = f"{name!r} belongs to no flag: SQL with blanks needs quotes around all of it"
                raise UsageError(f'{text}, as in --where "NOT active"')
        for flag in ("table", "column", "pk"):
            if given["targets"] and given[flag] is not None:
                raise UsageError(f"--{flag}: leave it out with a target's name, {given['targets'][0]}")
        return find_targets(given["targets"])

    def in_turn(
        self, aliases: list[str], named: list[NamedTarget], options: Options, given: dict[str, Any]
    ) -> None:
        """Rotate, or plan, several targets one after another."""
        if len(aliases) > 1:
            raise UsageError("--database: give only one with several targets")
        if given["leaked"]:
            raise UsageError("--leaked: a list is of one column; name only that target")
        if given["dry_run"]:
            reporter = self.console("lines", given["verbosity"])
            for one in named:
                reporter.line(f"{one.name}:")
                its = (one.target, one.combined(options), reporter)
                plan_rotation(aliases[0], *its, given["new"], given["verbosity"] > 1)
            return
        reporter = self.console(given["progress"], given["verbosity"])
        more = (given["new"], given["reason"], given["hook"])
        run_in_turn(aliases[0], named, options, reporter, *more)

    def rotate(self, aliases: list[str], options: Options, given: dict[str, Any]) -> None:
        """Do what was asked, on these databases."""
        alias = aliases[0]
        if len(aliases) > 1 and (given["serve"] or given["dry_run"]):
            raise UsageError("--database: give only one with --serve or --dry-run")
        if given["serve"]:
            self.serve(alias, given)
            return
        inputs.require_text("--reason", given["reason"])
        named = self.named(given)
        if len(named) > 1:
            self.in_turn(aliases, named, options, given)
            return
        name = named[0].target if named else inputs.target_from(given)
        options = named[0].combined(options) if named else options
        if len(aliases) > 1:
            asked = RunRequest(
                name, options, given["new"], given["reason"], given["leaked"], given["hook"]
            )
            reporter = self.console(given["progress"], given["verbosity"])
            run_side_by_side(aliases, asked, reporter)
            return
        with inputs.leaked_list(given["leaked"]) as leaked:
            if given["dry_run"]:
                reporter = self.console("lines", given["verbosity"])
                everything = given["verbosity"] > 1
                plan_rotation(alias, name, options, reporter, given["new"], everything, leaked)
            else:
                reporter = self.console(given["progress"], given["verbosity"])
                asks = given["table"] is not None and not given["yes"] and asking.on_a_terminal()
                confirm = asking.confirm if asks else None
                more = {
                    "reason": given["reason"],
                    "leaked": leaked,
                    "confirm": confirm,
                    "hook": given["hook"],
                }
                run_rotation(alias, name, options, reporter, given["new"], **more)
