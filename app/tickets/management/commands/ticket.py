"""The brief's own command: make sample tickets, and replace the token of every ticket."""

from typing import Any

from django.core.management.base import CommandParser

from app.rotation.engine.errors import UsageError
from app.rotation.engine.options import Options
from app.rotation.engine.table.target import TargetName
from app.rotation.management import base
from app.rotation.management.console import Console
from app.rotation.operations.attending import attended
from app.rotation.operations.run import run_rotation
from app.tickets.models import Ticket
from app.tickets.samples import regenerate

TARGET = TargetName(table=Ticket._meta.db_table, column="token")


class Command(base.RotationCommand):
    help = "Make sample tickets (--init), or replace the token of every ticket (--process-token)."

    def add_arguments(self, parser: CommandParser) -> None:
        action = parser.add_mutually_exclusive_group(required=True)
        action.add_argument(
            "--init", action="store_true", help="remove all tickets and make new sample ones"
        )
        action.add_argument(
            "--process-token",
            action="store_true",
            help="replace every token; run it again to resume after an interruption",
        )
        parser.add_argument(
            "--size", type=int, metavar="N", help="how many tickets --init makes (default: 1000)"
        )
        parser.add_argument(
            "--force", action="store_true", help="let --init remove tickets that it has not made, too"
        )
        base.add_database_flag(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with base.one_line_errors():
            (alias,) = self.databases(options)
            reporter = Console(self.stdout, "lines", options["verbosity"])
            if options["init"]:
                size = 1000 if options["size"] is None else options["size"]
                with attended([alias], reporter, patient=False) as stop:
                    regenerate(alias, TARGET, size, stop, options["force"])
                self.say(f"{size} tickets made; --process-token replaces their tokens")
                return
            for flag in ("size", "force"):
                if options[flag]:
                    raise UsageError(f"--{flag}: only with --init")
            run_rotation(alias, TARGET, Options(), reporter)
