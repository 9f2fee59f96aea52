"""Look at rotations from another shell, verify or end one, check or drop the guard."""

import json
import math
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from ...engine.db.identity import here
from ...engine.db.session import Session
from ...engine.db.stop import StopSwitch
from ...engine.errors import Refused, Stopped, Unproven
from ...engine.options import TUNABLE, read_tuning
from ...engine.state.commands import action_on
from ...engine.state.status import describe, read_state
from ...models import HALTED, UNFINISHED, Rotation, Status
from ...operations import guard, inputs, steer
from ...operations.attending import attended
from ...operations.discover import conclusion, discover
from ...operations.evidence import collect
from ...operations.inputs import chosen, entry, none_found, open_session
from ...operations.keys import export_keys, private_file
from ...operations.verify import verify_rotation
from ...operations.watch import ABANDONED_SECONDS, watch
from ...web.report import as_json, render
from .. import base
from ..board import Board
from ..overview import headline, history_line, overview
from ..streams import Printed

NUMBER = "the rotation's number (default: the unfinished one's, else the latest's)"


class Command(base.RotationCommand):
    help = "Look at the rotations of a database, verify or end one, check or drop the guard."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, text in (
            ("status", "the unfinished rotation, else the latest"),
            ("watch", "follow a rotation, live, until it is over"),
            ("history", "every rotation, the latest first"),
            ("verify", "compare every token with the revoked ones, by value, now"),
            ("pause", "make the workers wait after their current windows; their processes keep running"),
            ("resume", "continue a paused rotation"),
            ("tune", "change options of the unfinished rotation while it runs"),
            ("cancel", "end the unfinished rotation; what it did stays done"),
            ("discover", "what here is a secret, and the command that rotates it"),
            ("keys", "whose token was replaced, as CSV; never a token"),
            ("report", "the evidence: what was rotated, why, by whom, when, and how it was proven"),
        ):
            action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
            action.__class__ = base.OneLineParser
            base.add_database_flag(action)
            if name != "discover":
                action.add_argument(
                    "--table", metavar="[SCHEMA.]TABLE", help="only the rotations of this table"
                )
                action.add_argument("--column", help="only the rotations of this column")
            if name not in ("discover", "tune"):
                self.add_name(action)
            if name in ("status", "history", "discover"):
                action.add_argument("--json", action="store_true", help="for machines")
            if name == "report":
                kind = action.add_mutually_exclusive_group(required=True)
                kind.add_argument("--html", metavar="FILE", help="a page that only its owner may read")
                kind.add_argument("--json", action="store_true", help="for machines")
                action.add_argument("--id", type=int, metavar="N", help=NUMBER)
            if name == "keys":
                self.add_keys(action)
            if name == "tune":
                action.add_argument(
                    "assignments",
                    nargs="+",
                    metavar="NAME=VALUE",
                    help=f"names: {', '.join(TUNABLE)}; 'default' resets one",
                )
            if name == "verify":
                base.add_leaked_flag(
                    action, "tokens known to have leaked, one per line or CSV (-: standard input)"
                )
                action.add_argument(
                    "--search-copies",
                    action="store_true",
                    help="then search every other column of the database for revoked tokens",
                )
        self.add_guard(actions)

    def add_name(self, action: CommandParser) -> None:
        """Add the name of a target, in place of --table and --column."""
        text = "a name of ROTATION['TARGETS'] of the settings, in place of --table and --column"
        action.add_argument("target", nargs="?", metavar="TARGET", help=text)

    def add_keys(self, action: CommandParser) -> None:
        """Add the flags of `keys`."""
        text = "columns to list (default: the primary key)"
        action.add_argument("--columns", metavar="NAME,...", help=text)
        text = "a file that only its owner may read (default: standard output)"
        action.add_argument("--output", metavar="FILE", help=text)
        action.add_argument("--id", type=int, metavar="N", help=NUMBER)

    def add_guard(self, actions: Any) -> None:
        """Add `guard status` and `guard drop`."""
        text = "the trigger that keeps revoked tokens from being written back"
        action = actions.add_parser("guard", help=text, description=text, allow_abbrev=False)
        action.__class__ = base.OneLineParser
        text = "does it keep revoked tokens out (exit code 1 if not)? or drop one that a run installed"
        choices = ("status", "drop")
        action.add_argument("guard_action", choices=choices, metavar="status|drop", help=text)
        self.add_name(action)
        base.add_target_flags(action)

    def shows(self, options: dict[str, Any]) -> bool:
        """Whether it is nothing without its output."""
        return options["action"] in ("status", "history", "report", "guard", "keys", "discover")

    def handle(self, *args: Any, **options: Any) -> None:
        with base.one_line_errors():
            options = inputs.by_name(options)
            (alias,) = self.databases(options)
            self.board = Board(self.stdout, "auto", 1, self.colours())
            watches = options["action"] == "watch"
            reporter = self.board if watches else self.console("lines")
            try:
                with attended([alias], reporter, patient=watches) as stop:
                    self.act(alias, stop, options)
            finally:
                self.board.close()

    def act(self, alias: str, stop: StopSwitch, options: dict[str, Any]) -> None:
        """Do what was asked, on one database."""
        if options["action"] in ("verify", "guard", "watch"):
            getattr(self, options["action"])(alias, stop, options)
            return
        session = open_session(alias, stop)
        if options["action"] == "discover":
            self.discover(session, options["json"])
            return
        found = chosen(session, options)
        self.none = none_found(options)
        self.named = options["table"] is not None or options["column"] is not None
        if options["action"] in ("report", "keys"):
            getattr(self, options["action"])(session, self.numbered(session, found, options), options)
            return
        if options["action"] == "tune":
            self.tune(session, found, read_tuning(options["assignments"]))
            return
        getattr(self, options["action"])(session, found, options.get("json", False))

    def discover(self, session: Session, as_json: bool) -> None:
        """What here is a secret."""
        found = discover(session)
        if as_json:
            self.say(json.dumps([one.as_data() for one in found]))
            return
        for one in found:
            for line in one.lines():
                self.say(line)
        self.say(conclusion(found))

    def say_none(self) -> None:
        """Say that there is no rotation. Raises Refused if one was named: its name may be mistyped."""
        if self.named:
            raise Refused(self.none)
        self.say(self.none)

    def status(self, session: Session, found: "QuerySet[Rotation]", as_json: bool) -> None:
        with session.looking("reading the rotations"):
            rotation = found.first()
        if as_json:
            self.say(json.dumps(describe(session, rotation) if rotation else None))
        elif rotation is None:
            self.say_none()
        else:
            for line in overview(session, rotation, read_state(session, rotation.pk)):
                self.say(line)
            with session.looking("reading the rotations"):
                several = found.filter(status__in=UNFINISHED).count() > 1
            if several:
                self.say(
                    "other rotations are unfinished too: python manage.py rotation history lists them"
                )

    def watch(self, alias: str, stop: StopSwitch, options: dict[str, Any]) -> None:
        """Follow a rotation; the exit code is that of a run that ends so."""
        session = open_session(alias, stop)
        session.emit = self.board
        with session.looking("reading the rotations"):
            found = chosen(session, options).first()
        if found is None:
            raise Refused(none_found(options))
        # A script that waits for its end must not wait forever; a person sees what is to be done.
        patience = math.inf if self.board.drawn else ABANDONED_SECONDS
        seen = watch(session, found.pk, lambda seen: self.board.show(session, seen), stop, patience)
        self.board.close()
        rotation = seen.rotation
        told = overview(session, rotation, read_state(session, rotation.pk))
        if rotation.status == Status.FAILED:
            raise Unproven(told[0])
        if seen.state.deserted:
            raise Stopped(headline(session, rotation, seen.state))
        if rotation.status in UNFINISHED:
            raise Stopped(f"watching, by {stop.reason}; the rotation goes on")
        for line in told[self.board.heading == told[0] :]:  # once
            self.say(line)
        if rotation.status == Status.CANCELLED:
            raise Stopped(f"{rotation} was cancelled")

    def history(self, session: Session, found: "QuerySet[Rotation]", as_json: bool) -> None:
        with session.looking("reading the rotations"):
            rotations = list(found.order_by("-pk"))
        entries = [entry(session, rotation) for rotation in rotations]
        if as_json:
            self.say(json.dumps(entries))
            return
        if not entries:
            self.say_none()
        for one in entries:
            self.say(history_line(one))

    def the_unfinished(self, session: Session, found: "QuerySet[Rotation]", what: str) -> Rotation:
        """The one unfinished rotation. Raises Refused if there is none, or more than one."""
        with session.looking("reading the rotations"):
            unfinished = list(found.filter(status__in=UNFINISHED))
            none = not unfinished and not found.exists()
        if not unfinished:
            raise Refused(self.none if none else f"there is no unfinished rotation to {what}")
        if len(unfinished) > 1:
            tables = ", ".join(f"{one.table_schema}.{one.table_name}" for one in unfinished)
            raise Refused(f"several rotations are unfinished: name one with --table ({tables})")
        return unfinished[0]

    def pause(self, session: Session, found: "QuerySet[Rotation]", as_json: bool) -> None:
        rotation = self.the_unfinished(session, found, "pause")
        paused = rotation.status in HALTED
        said = f"{rotation} is already paused" if paused else steer.pause(session, rotation, here())
        self.say(f"{said}; run {action_on(rotation, 'resume')} to continue")

    def resume(self, session: Session, found: "QuerySet[Rotation]", as_json: bool) -> None:
        rotation = self.the_unfinished(session, found, "resume")
        self.say(steer.resume(session, rotation, here()))

    def tune(self, session: Session, found: "QuerySet[Rotation]", tuned: dict[str, Any]) -> None:
        rotation = self.the_unfinished(session, found, "tune")
        self.say(steer.tune(session, rotation, tuned, here()))

    def cancel(self, session: Session, found: "QuerySet[Rotation]", as_json: bool) -> None:
        rotation = self.the_unfinished(session, found, "cancel")
        self.say(steer.cancel(session, rotation, here()))

    def numbered(
        self, session: Session, found: "QuerySet[Rotation]", options: dict[str, Any]
    ) -> Rotation:
        """The rotation that --id names, else the first found. Raises Refused without one."""
        if options["id"] is not None:
            found = found.filter(pk=options["id"])
        with session.looking("reading the rotations"):
            rotation = found.first()
        if rotation is None:
            raise Refused(
                self.none if options["id"] is None else f"there is no rotation {options['id']}"
            )
        return rotation

    def keys(self, session: Session, rotation: Rotation, options: dict[str, Any]) -> None:
        """List the rotated rows, on the output or in a file."""
        if options["output"] is None:
            self.stderr.write(export_keys(session, rotation, options["columns"], Printed(self.stdout)))
            return
        with private_file(options["output"]) as file:
            said = export_keys(session, rotation, options["columns"], file)
        self.say(f"{options['output']}: {said}")

    def report(self, session: Session, rotation: Rotation, options: dict[str, Any]) -> None:
        """Write the evidence of a rotation to a file, or as JSON to the output."""
        evidence = collect(session, rotation)
        if options["json"]:
            self.say(json.dumps(evidence, default=as_json))
            return
        page = render(evidence).encode()
        with private_file(options["html"], "--html") as file:
            file.write(page)
        self.say(f"{options['html']}: the evidence of {rotation}")

    def verify(self, alias: str, stop: StopSwitch, options: dict[str, Any]) -> None:
        """Prove the latest rotation again; exit code 4 if the proof fails."""
        with inputs.leaked_list(options["leaked"]) as leaked:
            session = open_session(alias, stop)
            rotation = inputs.require_latest(session, options)
            verify_rotation(session, rotation, leaked, self.say, options["search_copies"])

    def guard(self, alias: str, stop: StopSwitch, options: dict[str, Any]) -> None:
        """Tell whether a column has a guard, or drop the one that a run installed."""
        name = inputs.target_from(options)
        session = open_session(alias, stop)
        asked = options["table"] is not None or options["column"] is not None
        act = guard.drop if options["guard_action"] == "drop" else guard.status
        for line in act(session, name, asked):
            self.say(line)
