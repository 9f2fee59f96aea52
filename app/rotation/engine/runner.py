"""Starts or resumes a rotation, watches the thread that works on it, and says how it ended."""

import contextlib
import dataclasses
import queue
import time
from collections.abc import Collection, Generator
from typing import Any

from ..models import UNFINISHED, Rotation, Status
from .db.identity import operator, worker_name
from .db.session import Row, Session
from .db.stop import StopSwitch
from .db.threads import Thread
from .errors import DatabaseFailure, LockConflict, Refused, RotationError, Stopped, UsageError, in_a_line
from .events import GUARD, NOTE, REFUSE, WARN, WINDOWS, Emit, Found, RotationStarted, without_names
from .kept import as_kept, is_ours, kept_lastingly, to_store
from .options import BINDING, LASTING, REPEATED, Options, as_flags, given_lastingly
from .phases import Phases
from .preflight import indexes
from .preflight.own_sql import require_sound
from .preflight.server import check_server, connected
from .preflight.table import find_all
from .proof.guard import find_guard, stands, wanted
from .proof.leaked import LeakedList
from .state import transitions
from .state.commands import action_on, command_of
from .state.forecast import Forecast, forecast
from .state.heartbeat import Sampler, note_process
from .state.progress import Outcome, Progress, read_progress
from .state.rotations import busy_lanes, find_finished, find_unfinished, find_walk, lanes_of, rotations
from .table import citus
from .table.owners import code_of_others
from .table.plan import Plan, make_plan
from .table.shape import read_shape
from .table.slices import cut_slices
from .table.target import Target, TargetName, aim, by_recipe, resolve
from .table.windows import Window
from .text import count
from .throttle.probes import ask


class RotationDriver:
    """Rotates one column, and reports through `emit` from the calling thread."""

    def __init__(
        self, alias: str, name: TargetName, options: Options, stop: StopSwitch, emit: Emit
    ) -> None:
        self.options = options
        self._stop = stop
        self._emit = emit
        self._new = self._tried = False
        self.names_others = True  #: in what the preflight finds
        self.amcheck_seconds = indexes.AMCHECK_SECONDS  #: given by the preflight
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._session = Session(alias, stop=stop, emit=emit, outage_seconds=options.outage_seconds)
        # The same connection, for what no signal should cancel: the end of a run.
        self._closing = dataclasses.replace(self._session, stop=StopSwitch())
        self.server = check_server(self._session)
        self.where = connected(self._session, self.server)
        walk = options.walk or self._session.through_outages(lambda: find_walk(self._session, name))
        found = resolve(self._session, dataclasses.replace(name, walk=walk))
        self._command = found.command
        self.options = self._as_begun(found, walk)
        found = by_recipe(self._session, found, self.options.recipe)
        self.target: Target = citus.place(self._session, found, self.server["citus"])
        if options.local_tokens:
            its = (self.target.oid, self.target.column, self.target.recipe.form)
            slices = cut_slices(self._session, *its)
            self.target = dataclasses.replace(self.target, slices=slices)
        aim(self._session, self.target)
        with self._at_the_start():
            self._session.through_outages(lambda: require_sound(self._session, self.target))
        self._shape: Row = {}  #: what the target was before anything was judged
        self._told: list[Found] | None = None  #: what the preflight has found, once that was reported
        self.next_ones: Collection[str] = ()  #: full names of targets that come next anyway

    def _as_begun(self, target: Target, walk: str | None) -> Options:
        """The options, with what the target's unfinished rotation writes, and where."""
        rotation = self._session.through_outages(lambda: find_unfinished(self._session, target))
        if rotation is None:
            return dataclasses.replace(self.options, walk=walk)
        kept = kept_lastingly(rotation.options)
        if given_lastingly(self.options):
            self._require_same(rotation, self.options)
        elif not is_ours(rotation.options, rotation.target):
            raise Refused(
                f"{rotation} was started with SQL that this site's SECRET_KEY did not sign: give it"
                f" again, if it is yours:{as_flags(kept, LASTING)}"
            )
        return dataclasses.replace(self.options, **kept)

    def _require_same(self, rotation: Rotation, options: Options) -> None:
        """Raise Refused if a rotation writes something else, or elsewhere, than these options say."""
        kept = kept_lastingly(rotation.options)
        given = given_lastingly(options)
        if given == kept:
            return
        began = as_flags(kept, LASTING)
        if not is_ours(rotation.options, rotation.target):
            raise Refused(
                f"{rotation} is unfinished, and was started with other SQL or another format; give it as"
                f" then, if it is yours:{began}; or end it with {action_on(rotation, 'cancel')}"
            )
        differing = [f"--{name}" for name in LASTING if given.get(name) != kept.get(name)]
        how = f"with{began}" if began else f"without {' and '.join(differing)}"
        raise Refused(
            f"{rotation} is unfinished, and was started {how}, which is kept:"
            f" {self._command} continues it; or end it with {action_on(rotation, 'cancel')}"
        )

    def unfinished(self, new: bool = False) -> Rotation | None:
        """The rotation that `run` would resume now; None: it would start one.

        Raises Refused if `new` is asked for while a rotation is unfinished.
        """
        rotation = find_unfinished(self._session, self.target)
        if rotation and new:
            raise Refused(
                f"rotation {rotation.pk} of {rotation.target} is unfinished: run without --new to"
                f" finish it, or end it with {action_on(rotation, 'cancel')}"
            )
        return rotation

    def plan(self, rotation: Rotation | None, count: bool = False) -> Plan:
        """Plan what `run` would do now for a rotation, or for a new one; see plan.make_plan."""
        lanes = lanes_of(self._session, rotation) if rotation else ()
        with self._at_the_start():
            return make_plan(self._session, self.target, self.options, lanes or None, count)

    def forecast(self, rotation: Rotation | None, rows: int | None) -> Forecast | None:
        """How long a run would take, if that is known; see state.forecast."""
        return forecast(self._session, self.target, rotation, rows, self.options.max_rate)

    def code_of_others(self) -> str:
        """What of others would run with this role's rights, for people; or nothing."""
        oid = self.target.oid
        return code_of_others(self._session, [oid], self._session.state_schema).get(oid, "")

    def findings(self) -> list[Found]:
        """What the preflight finds; writes nothing."""
        query = self.options.throttle_sql
        with self._at_the_start():
            if query is not None:
                try:
                    ask(self._session, query)
                except RotationError as error:
                    raise UsageError(f"--throttle-sql: {error}") from error
            found = find_all(self._session, self.target, self.options, self.amcheck_seconds)
        return found if self.names_others else without_names(found)

    def walk(self, plan: Plan) -> Generator[Window, None, None]:
        """Yield the plan's windows from one snapshot of the table; writes nothing."""
        with self._session.reading():
            self._session.change("prefer_indexes")
            yield from plan.windows(self._session)

    def finished(self) -> Rotation | None:
        """The rotation that has already replaced all tokens, if there is one."""
        rotation = find_finished(self._session, self.target)
        if rotation is None or self.options.if_finished == "new":
            return None
        its = kept_lastingly(rotation.options).get("where")
        if its != self.options.where:
            of = f"of rows{as_flags({'where': its}, ['where'])} only" if its else "of all rows"
            raise Refused(f"{rotation} is finished, and was {of}: to rotate these now, add --new")
        if self.options.if_finished == "fail":
            raise Refused(f"{rotation} is finished: nothing was replaced now; --new starts another")
        return rotation

    def run(self, new: bool = False, reason: str = "", leaked: LeakedList | None = None) -> Outcome:
        """Start a rotation or resume the unfinished one, and work until every token is replaced.

        Raises Refused if nothing could be started, Stopped if the same call can continue later,
        Unproven if rows are left that hold a revoked token.
        """
        began = time.monotonic()
        self._new = new
        rotation, resumed = self._session.through_outages(lambda: self._open(reason, leaked))
        try:
            return self._work(rotation, resumed, leaked is not None, began)
        except RotationError as error:
            error.once_begun = " without --new" * self._new
            raise

    def _work(self, rotation: Rotation, resumed: bool, more_revoked: bool, began: float) -> Outcome:
        """Take a rotation to its end."""
        progress = self._read(rotation.pk)
        already = rotation.status == Status.SUCCEEDED
        if already and not self.options.reindex and self._guarded(rotation):
            self._tell_others()
            return Outcome(rotation.pk, rotation.target, progress, 0, 0.0, already)
        if not already:
            self._session.through_outages(lambda: note_process(self._session, rotation.pk, self.server))
            phase = GUARD if progress.revoked is None else WINDOWS
            done = progress.rows_done
            self._emit(RotationStarted(rotation.pk, rotation.target, resumed, done, phase))
        phases, thread = self._start(rotation.pk, more_revoked)
        self._watch(thread, rotation.pk)
        if thread.failure is not None:
            raise self._last_words(thread.failure, rotation.pk, phases.workers) from thread.failure
        progress = self._read(rotation.pk)
        self._emit(progress)
        seconds = time.monotonic() - began
        return Outcome(rotation.pk, rotation.target, progress, phases.rows, seconds, already)

    def _tell_others(self) -> None:
        """Warn of rotations of other columns that are not finished: 'finished' does not mean those."""
        with self._closing.looking("reading the rotations"):
            others = list(rotations(self._closing).filter(status__in=UNFINISHED).order_by("pk"))
        for one in others:
            if one.target in self.next_ones:
                continue
            self._emit(Found(WARN, f"{one} is unfinished: run {command_of(one)} to continue it"))

    def _guarded(self, rotation: Rotation) -> bool:
        """Whether the guard stands, or is not wanted."""
        if not wanted(rotation, self.target, self.options):
            return True
        return self._session.through_outages(lambda: stands(find_guard(self._session, self.target)))

    def record(self, reason: str, by: str) -> Rotation:
        """Record a new rotation, asked for by `by`, for a serving process to pick up.

        Raises Refused if one is unfinished, or if the preflight forbids it.
        """
        self._new = True
        rotation, resumed = self._open(reason, None, by)
        if resumed:
            raise Refused(f"{rotation} was started a moment ago")
        return rotation

    def _read(self, rotation: int) -> Progress:
        return self._session.through_outages(lambda: read_progress(self._closing, rotation))

    @contextlib.contextmanager
    def _at_the_start(self) -> Generator[None, None, None]:
        """Say what a conflict means before the work has started."""
        try:
            yield
        except LockConflict as conflict:
            if self._stop.requested:
                raise Stopped(f"by {self._stop.reason}, before the work started") from conflict
            raise Refused(
                f"another session holds a lock on {self.target.schema}.{self.target.table}"
                f" (a migration?; {conflict}): run the command again when that session is done"
            ) from conflict

    def _open(self, reason: str, leaked: LeakedList | None, by: str = "") -> tuple[Rotation, bool]:
        """Resume the unfinished rotation, or start one, or return one that is already finished."""
        self._look()
        while True:
            rotation = self.unfinished(self._new and not self._tried)
            finished = None if rotation or self._new else self.finished()
            if finished and leaked:
                raise Refused(
                    f"rotation {finished.pk} is finished: check the list with"
                    f" {self.target.action('verify --leaked FILE')}, or start another with --new"
                )
            if finished:
                return finished, True
            told = self.tell_findings()
            self.target.placement.prepare(self._session, self.target.oid)
            plan = self.plan(rotation)
            if rotation:
                self._require_same(rotation, self.options)
                transitions.take_up(self._session, rotation, self.target, self.options, leaked)
                self._tell_lanes(rotation, len(plan.lanes))
                self._tell_limits(rotation)
                return rotation, True
            # From here on an unfinished rotation is one that we started (if the answer to our COMMIT
            # was lost) or that another process started between our look and our insert: join it.
            self._tried = True
            asked = transitions.RotationRequest(
                options=to_store(self.options, self.target.full_name),
                findings=[dataclasses.asdict(finding) for finding in told],
                reason=reason,
                operator=by or operator(),
            )
            rotation = transitions.begin(self._session, self.target, plan.size, asked, leaked)
            if rotation:
                return rotation, False

    def _tell_lanes(self, rotation: Rotation, lanes: int) -> None:
        asked = self.options.lanes
        if asked is not None and asked != lanes and rotation.status != Status.PENDING:
            text = f"{rotation} already has {count(lanes, 'lane')}"
            self._emit(Found(NOTE, f"{text}; --lanes {asked} is for a new rotation"))

    def _tell_limits(self, rotation: Rotation) -> None:
        """Warn of limits with which the rotation was started, and that this run was not given."""
        kept = as_kept(rotation.options)
        gone = [
            name
            for name in REPEATED
            if name in BINDING - as_kept(rotation.tuned).keys()
            and getattr(self.options, name) == getattr(Options, name)
        ]
        if flags := as_flags(kept, gone):
            text = f"{rotation} was started with{flags}, and this run goes without"
            tune = f", or use {action_on(rotation, 'tune')}" if flags != " --local-tokens" else ""
            self._emit(Found(WARN, f"{text}: stop it and add that{tune}"))

    def _look(self) -> None:
        """Note what the target is, before anything is judged: what changes later ends the run."""
        if not self._shape:
            with self._at_the_start():
                self._shape = read_shape(self._session, self.target.oid, self.target.attnum) or {}

    def tell_findings(self) -> list[Found]:
        """Report what the preflight finds, once. Raises Refused for the first that forbids the run."""
        self._look()
        if self._told is None:
            found = self.findings()
            for finding in found:
                if finding.level == REFUSE:
                    raise Refused(finding.text)
                self._emit(finding)
            self._told = found
        return self._told

    def _start(self, rotation: int, more_revoked: bool) -> tuple[Phases, Thread]:
        """Start the thread that takes the rotation through its phases."""
        session = self._own(0)
        phases = Phases(session, rotation, self.target, self.options, self._shape, more_revoked)
        thread = Thread(session, phases.run)
        thread.start()
        return phases, thread

    def _own(self, name: int | str) -> Session:
        """A session for a thread, which reports through the calling thread."""
        return dataclasses.replace(
            self._session,
            worker=worker_name(name),
            emit=self._events.put,
            outage_seconds=self.options.outage_seconds,
        )

    def _watch(self, thread: Thread, rotation: int) -> None:
        """Report events and progress until the phases have ended."""
        self._session.close()  # until then the sampler's connection does
        sampler = Sampler(self._own("sampler"), rotation)
        sampler.start()
        try:
            while thread.is_alive() or not self._events.empty():
                with contextlib.suppress(queue.Empty):
                    event = self._events.get(timeout=0.1 if thread.is_alive() else 0)
                    if not isinstance(event, Progress):
                        sampler.note(event)
                    self._emit(event)
        except BaseException as error:  # whoever is told has failed: nothing goes on that nobody sees
            self._stop.request(type(error).__name__)
            thread.join()
            raise
        finally:
            sampler.end()

    def _last_words(self, failure: Exception, rotation: int, workers: set[str]) -> Exception:
        """The error to raise for what ended the work; makes durable what was done."""
        progress = None
        others = False
        with contextlib.suppress(RotationError):
            # Without a database, only this is known: what was committed stays.
            progress = read_progress(self._closing, rotation)
            transitions.leave(self._closing, rotation, workers)
            others = progress.status == Status.RUNNING and bool(busy_lanes(self._closing, rotation))
        if not isinstance(failure, RotationError):
            then = "what was committed stays: run the same command again"
            return RotationError(f"{in_a_line(failure)}; {then}")
        if isinstance(failure, DatabaseFailure):
            failure.done_before = "what was committed stays"
            if progress:
                are = "is" if progress.rows_done == 1 else "are"
                failure.done_before = f"{count(progress.rows_done, 'row')} {are} rotated"
        over = progress and progress.status == Status.SUCCEEDED
        if over or not (isinstance(failure, Stopped) and self._stop.requested):
            return failure
        where = count(progress.rows_done, "row") if progress else "the last committed window"
        again = "run the same command again"
        then = "another process continues" if others else f"{again} to continue"
        if progress and progress.in_snapshot:
            return Stopped(
                f"in the snapshot (phase 2 of 4), by {self._stop.reason}; it starts again: {again}"
            )
        return Stopped(f"after {where}, by {self._stop.reason}; {then}")
