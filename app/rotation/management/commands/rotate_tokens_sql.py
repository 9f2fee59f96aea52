"""Replace every token of a table, in the server; run it again to go on after an interruption."""

from typing import Any

from django.core.management.base import CommandParser

from app.rotation.engine.options import Options
from app.rotation.management import cli
from app.rotation.management.reporter import MODES, Reporter
from app.rotation.management.runner import plan_rotation, run_rotation


class Command(cli.RotationCommand):
    help = (
        "Replace every token of a live table by a new random UUID, window by window, in the server."
        " Run it again to go on from the last committed window."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        default = Options()
        cli.add_target_flags(parser)
        parser.add_argument(
            "--window",
            type=int,
            metavar="N",
            help="rows of a window (default: sized while running)",
        )
        parser.add_argument(
            "--window-seconds",
            type=float,
            default=default.window_seconds,
            metavar="S",
            help="seconds that a window aims at without --window (default: %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="show the plan, write nothing")
        parser.add_argument(
            "--new", action="store_true", help="start another rotation after a finished one"
        )
        self.add_proof_flags(parser)
        parser.add_argument("--reason", default="", metavar="TEXT", help="kept with the rotation")
        parser.add_argument(
            "--lock-timeout",
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
            help="seconds of lock conflicts in a row before giving up (default: %(default)s)",
        )
        parser.add_argument(
            "--progress",
            choices=MODES,
            default="auto",
            help="auto: a bar on a terminal, else lines",
        )

    def add_proof_flags(self, parser: CommandParser) -> None:
        """Add the flags of the guard, the proof, and what the preflight asks to be acknowledged."""
        cli.add_leaked_flag(
            parser, "tokens known to have leaked, one a line or CSV (-: standard input): revoked too"
        )
        parser.add_argument(
            "--no-verify", action="store_true", help="end without the proof that no old token is left"
        )
        parser.add_argument(
            "--no-guard", action="store_true", help="install no trigger against the return of old tokens"
        )
        parser.add_argument(
            "--ack-triggers",
            action="store_true",
            help="the table's triggers keep no copies of tokens, or those are dealt with",
        )
        parser.add_argument(
            "--allow-fk",
            action="store_true",
            help="what foreign keys to the token do on UPDATE (see --dry-run) is wanted",
        )

    def handle(self, *args: Any, **given: Any) -> None:
        with cli.one_line_errors():
            options = Options(
                window=given["window"],
                window_seconds=given["window_seconds"],
                lock_timeout_ms=given["lock_timeout"],
                lock_patience=given["lock_patience"],
                guard=not given["no_guard"],
                verify=not given["no_verify"],
                ack_triggers=given["ack_triggers"],
                allow_fk=given["allow_fk"],
            )
            alias = cli.checked_database(given)
            name = cli.target_from(given)
            cli.require_text("--reason", given["reason"])
            with cli.leaked_list(given["leaked"]) as leaked:
                if given["dry_run"]:
                    reporter = Reporter(self.stdout, "lines", given["verbosity"])
                    everything = given["verbosity"] > 1
                    plan_rotation(alias, name, options, reporter, given["new"], everything, leaked)
                else:
                    reporter = Reporter(self.stdout, given["progress"], given["verbosity"])
                    run_rotation(alias, name, options, reporter, given["new"], given["reason"], leaked)
