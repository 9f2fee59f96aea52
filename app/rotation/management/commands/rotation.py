"""Look at rotations from another shell, verify or end one, check or drop the guard."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from ...engine.db.identity import here
from ...engine.db.session import Session
from ...engine.db.stop import StopSwitch, stop_on_signals
from ...engine.errors import Refused, UsageError
from ...engine.options import TUNABLE, Options, read_tuning
from ...engine.proof.guard import drop_guard, find_guard
from ...engine.state import transitions
from ...engine.state.progress import read_progress
from ...engine.state.rotations import find_revoking
from ...engine.state.status import command_of, describe, read_state
from ...engine.table.target import resolve
from ...engine.text import one_line
from ...models import HALTED, UNFINISHED, Rotation, Status
from ...operations import inputs
from ...operations.evidence import collect
from ...operations.inputs import chosen, entry, none_found, open_session
from ...operations.verify import verify_rotation
from ...web.report import as_json, render
from .. import base
from ..console import progress_line


class Command(base.RotationCommand):
    help = "Look at the rotations of a database, verify or end one, check or drop the guard."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, text in (
            ("status", "the unfinished rotation, else the latest"),
            ("history", "every rotation, the latest first"),
            ("verify", "compare every token with the revoked ones, by value, now"),
            ("pause", "make the workers wait after their current windows; their processes keep running"),
            ("resume", "continue a paused rotation"),
            ("tune", "change options of the unfinished rotation while it runs"),
            ("cancel", "end the unfinished rotation; what it did stays done"),
            ("report", "the evidence: what was rotated, why, by whom, when, and how it was proven"),
        ):
            action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
            action.__class__ = base.OneLineParser
            base.add_database_flag(action)
            action.add_argument(
                "--table", metavar="[SCHEMA.]TABLE", help="only the rotations of this table"
            )
            action.add_argument("--column", help="only the rotations of this column")
            if name in ("status", "history"):
                action.add_argument("--json", action="store_true", help="for machines")
            if name == "report":
                kind = action.add_mutually_exclusive_group(required=True)
                kind.add_argument("--html", metavar="FILE", help="one page, to read or print")
                kind.add_argument("--json", action="store_true", help="for machines")
                action.add_argument("--id", type=int, metavar="N", help="the rotation's number")
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

    def add_guard(self, actions: Any) -> None:
        """Add `guard status` and `guard drop`."""
        text = "the trigger that keeps revoked tokens from being written back"
        action = actions.add_parser("guard", help=text, description=text, allow_abbrev=False)
        action.__class__ = base.OneLineParser
        action.add_argument("guard_action", choices=("status", "drop"), metavar="status|drop")
        base.add_target_flags(action)

    def handle(self, *args: Any, **options: Any) -> None:
        with base.one_line_errors():
            if options["action"] in ("verify", "guard"):
                getattr(self, options["action"])(options)
                return
            session = open_session(inputs.checked_database(options))
            found = chosen(session, options)
            self.none = none_found(options)
            if options["action"] == "report":
                self.report(session, found, options)
                return
            if options["action"] == "tune":
                self.tune(session, found, read_tuning(options["assignments"]))
                return
            getattr(self, options["action"])(session, found, options.get("json", False))

    def status(self, session: Session, found: "QuerySet[Rotation]", as_json: bool) -> None:
        with session.looking("reading the rotations"):
            rotation = found.first()
        if as_json:
            self.stdout.write(json.dumps(describe(session, rotation) if rotation else None))
        elif rotation is None:
            self.stdout.write(self.none)
        else:
            state = read_state(session, rotation.pk)
            its = command_of(rotation)
            stalled = (
                f", but no process is working on it: run {its} again to continue"
                if state.stalled
                else ""
            )
            self.stdout.write(f"{rotation}: {state.progress.status}{stalled}")
            self.stdout.write(progress_line(state.progress))
            with session.looking("reading the rotations"):
                several = found.filter(status__in=UNFINISHED).count() > 1
            if several:
                self.stdout.write("other rotations are unfinished too: rotation history lists them")

    def history(self, session: Session, found: "QuerySet[Rotation]", as_json: bool) -> None:
        with session.looking("reading the rotations"):
            rotations = list(found.order_by("-pk"))
        entries = [entry(session, rotation) for rotation in rotations]
        if as_json:
            self.stdout.write(json.dumps(entries))
            return
        if not entries:
            self.stdout.write(self.none)
        for one in entries:
            start, end = (
                one[key][:19].replace("T", " ") if one[key] else "not yet"
                for key in ("started_at", "finished_at")
            )
            reason = f" | {one['reason']}" if one["reason"] else ""
            line = (
                f"{one['id']:>4}  {one['status']:<10} {one['table']}.{one['column']}"
                f"  {one['rows_done']} rows  {start} to {end}"
                f"  {one['operator']}@{one['host']}{reason}"
            )
            self.stdout.write(one_line(line))

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
        then = "run rotation resume to continue"
        if transitions.pause(session, rotation.pk, here()):
            self.stdout.write(f"{rotation} pauses after its current windows; {then}")
        elif rotation.status in HALTED:
            self.stdout.write(f"{rotation} is already paused; {then}")
        else:
            raise Refused(f"{rotation} is {rotation.status}: it can be paused only while windows run")

    def resume(self, session: Session, found: "QuerySet[Rotation]", as_json: bool) -> None:
        rotation = self.the_unfinished(session, found, "resume")
        if not transitions.resume(session, rotation.pk, here()):
            raise Refused(f"{rotation} is {rotation.status}, not paused")
        # A waiting process shows that it is there; it may not have started a window yet.
        left = read_state(session, rotation.pk).left
        run = f"; no process is working on it: run {command_of(rotation)} again" * left
        self.stdout.write(f"{rotation} continues{run}")

    def tune(self, session: Session, found: "QuerySet[Rotation]", tuned: dict[str, Any]) -> None:
        rotation = self.the_unfinished(session, found, "tune")
        now = transitions.tune(session, rotation.pk, tuned, here())
        said = ", ".join(f"{name}={'off' if one is None else one}" for name, one in now.items())
        self.stdout.write(f"{rotation}, from the next window on: {said or 'as each run was started'}")

    def cancel(self, session: Session, found: "QuerySet[Rotation]", as_json: bool) -> None:
        rotation = self.the_unfinished(session, found, "cancel")
        cancelled = transitions.cancel(session, rotation.pk, here())
        progress = read_progress(session, rotation.pk)
        if not cancelled:
            raise Refused(
                f"{rotation} is now {progress.status}, so it was not cancelled: check rotation status"
            )
        total = "an unknown number of" if progress.rows_total is None else progress.rows_total
        self.stdout.write(
            f"{rotation} is cancelled: {progress.rows_done} of {total} tokens were replaced; every other"
            " row keeps its old token, and replaced ones can be written back until another rotation runs"
        )

    def report(self, session: Session, found: "QuerySet[Rotation]", options: dict[str, Any]) -> None:
        """Write the evidence of a rotation to a file, or as JSON to the output."""
        if options["id"] is not None:
            found = found.filter(pk=options["id"])
        with session.looking("reading the rotations"):
            rotation = found.first()
        if rotation is None:
            raise Refused(
                self.none if options["id"] is None else f"there is no rotation {options['id']}"
            )
        evidence = collect(session, rotation)
        if options["json"]:
            self.stdout.write(json.dumps(evidence, default=as_json))
            return
        try:
            Path(options["html"]).write_text(render(evidence), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--html {options['html']}: {error.strerror}") from error
        self.stdout.write(f"{options['html']}: the evidence of {rotation}")

    def verify(self, options: dict[str, Any]) -> None:
        """Prove the latest rotation again; exit code 4 if the proof fails."""
        stop = StopSwitch(patient=False)
        with inputs.leaked_list(options["leaked"]) as leaked, stop_on_signals(stop):
            session = open_session(inputs.checked_database(options))
            session.stop = stop
            with session.looking("reading the rotations"):
                rotation = chosen(session, options).first()
            if rotation is None:
                raise Refused(none_found(options))
            verify_rotation(session, rotation, leaked, self.stdout.write, options["search_copies"])

    def guard(self, options: dict[str, Any]) -> None:
        """Tell whether a column has a guard, or drop the one that a run installed."""
        name = inputs.target_from(options)
        session = open_session(inputs.checked_database(options))
        target = resolve(session, name, inheritance=True)
        if options["guard_action"] == "drop":
            dropped = drop_guard(session, target, Options())
            self.stdout.write(
                f"{dropped} dropped: revoked tokens can be written to {target.label} again"
            )
            return
        guard = find_guard(session, target)
        latest = find_revoking(session, target)
        if guard and guard.problem:
            raise Refused(
                f"the guard {guard.name} of {target.label} can't be relied on: {guard.problem};"
                " run rotate_tokens_sql, which reinstalls it or says why it can't"
            )
        if guard and latest and latest.status == Status.CANCELLED:
            raise Refused(
                f"{target.label} is guarded by {guard.name}, but {latest} was cancelled: what it revoked"
                " can be written back; run rotate_tokens_sql over all rows"
            )
        if not guard and latest:
            raise Refused(
                f"{target.label} has no guard: {latest.revoked} revoked tokens can be written to it;"
                " rotate_tokens_sql installs one"
            )
        if not guard:
            self.stdout.write(f"{target.label} has no guard; rotate_tokens_sql installs one")
            return
        self.stdout.write(f"{target.label} is guarded by {guard.name}")
        if target.partitioned and latest and latest.verifying_at is None:
            self.stdout.write(
                f"note: until {latest} is verified again, rows with revoked tokens can be inserted"
                " into its partitions, because rows move that way"
            )
