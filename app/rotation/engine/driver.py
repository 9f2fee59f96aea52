"""The driver: opens or resumes a rotation and takes it through its phases."""

import contextlib
import dataclasses
import queue
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from app.rotation.engine import control, preflight
from app.rotation.engine.database import Session, worker_name
from app.rotation.engine.errors import DatabaseFailure, LockConflict, Refused, RotationError, Stopped
from app.rotation.engine.events import Began, Emit, Stopping
from app.rotation.engine.options import Options
from app.rotation.engine.plan import Plan, make_plan
from app.rotation.engine.progress import Progress, read_progress
from app.rotation.engine.stop import StopSwitch
from app.rotation.engine.target import TargetName, resolve
from app.rotation.engine.windows import Window
from app.rotation.engine.worker import Worker
from app.rotation.models import Rotation, Status

SAMPLE_SECONDS = 0.5  # how often progress is read and told


@dataclass(frozen=True)
class Outcome:
    """How a run ended well."""

    rotation: int
    target: str
    progress: Progress
    rows: int  #: rotated by this run
    seconds: float  #: that this run took
    already: bool  #: the rotation had been finished before this run began


class RotationDriver:
    """Rotates one column. It tells what happens through `emit`, always from the calling thread."""

    def __init__(
        self, alias: str, name: TargetName, options: Options, stop: StopSwitch, emit: Emit
    ) -> None:
        self._options = options
        self._stop = stop
        self._emit = emit
        self._new = self._tried = False
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._session = Session(alias, stop=stop, emit=emit, outage_seconds=options.outage_seconds)
        # The same connection for what no signal should cancel: the last words of a run.
        self._closing = dataclasses.replace(self._session, stop=StopSwitch())
        preflight.check_server(self._session)
        self._target = resolve(self._session, name)
        self._session.names.update(self._target.names)

    def plan(self, new: bool = False) -> tuple[Plan, Rotation | None]:
        """Plan what `run` would do now, and for which unfinished rotation; None: for a new one.

        Raises Refused if `new` is asked for while a rotation is unfinished.
        """
        rotation = control.find_unfinished(self._session, self._target)
        if rotation and new:
            raise Refused(
                f"rotation {rotation.pk} of {rotation.target} is unfinished: run without --new to"
                " finish it, or end it with python manage.py rotation cancel"
            )
        lanes = control.lanes_of(self._session, rotation) if rotation else None
        try:
            return make_plan(self._session, self._target, self._options, lanes), rotation
        except LockConflict as conflict:
            if self._stop.requested:
                raise Stopped(f"by {self._stop.reason}, before the work began") from conflict
            raise Refused(
                f"another session holds a lock on {self._target.schema}.{self._target.table}"
                f" (a migration?; {conflict}): run the command again when that session is done"
            ) from conflict

    def walk(self, plan: Plan) -> Generator[Window, None, None]:
        """Yield the plan's windows from one unchanging view of the table; writes nothing."""
        with self._session.reading():
            self._session.rows("prefer_indexes")
            yield from plan.windows(self._session)

    def finished(self) -> Rotation | None:
        """The rotation that has replaced all tokens already, if there is one."""
        return control.find_finished(self._session, self._target)

    def run(self, new: bool = False, reason: str = "") -> Outcome:
        """Begin a rotation or take up the unfinished one, and work until every token is replaced.

        Raises Refused if nothing could be begun, Stopped if the same call can go on later.
        """
        began = time.monotonic()
        self._new = new
        rotation, resumed = self._session.through_outages(lambda: self._open(reason))
        progress = self._read(rotation.pk)
        if rotation.status == Status.SUCCEEDED:
            return Outcome(rotation.pk, rotation.target, progress, 0, 0.0, True)
        self._emit(Began(rotation.pk, rotation.target, resumed, progress.rows_done))
        worker = self._start_worker(rotation.pk)
        self._watch(worker, rotation.pk)
        self._close(worker, rotation.pk)
        progress = self._read(rotation.pk)
        self._emit(progress)
        seconds = time.monotonic() - began
        return Outcome(rotation.pk, rotation.target, progress, worker.rows, seconds, False)

    def _read(self, rotation: int) -> Progress:
        return self._session.through_outages(lambda: read_progress(self._closing, rotation))

    def _open(self, reason: str) -> tuple[Rotation, bool]:
        """Take up the unfinished rotation or begin one, or return the one that has done all already."""
        while True:
            plan, rotation = self.plan(self._new and not self._tried)
            if rotation:
                control.take_up(self._session, rotation.pk)
                return rotation, True
            finished = None if self._new else self.finished()
            if finished:
                return finished, True
            # From here on an unfinished rotation is one that we began (if the answer to our COMMIT
            # was lost) or one that another process began between our look and our insert: join it.
            self._tried = True
            rotation = control.begin(self._session, plan, reason, dataclasses.asdict(self._options))
            if rotation:
                return rotation, False

    def _start_worker(self, rotation: int) -> Worker:
        session = Session(
            self._session.alias,
            worker=worker_name(1),
            names=self._session.names,
            stop=self._stop,
            emit=self._events.put,
            outage_seconds=self._options.outage_seconds,
        )
        worker = Worker(session, rotation, self._target, self._options)
        worker.start()
        return worker

    def _watch(self, worker: Worker, rotation: int) -> None:
        """Tell events and progress until the worker has ended."""
        sample_at = time.monotonic() + SAMPLE_SECONDS
        told_stop = False
        while worker.is_alive() or not self._events.empty():
            with contextlib.suppress(queue.Empty):
                self._emit(self._events.get(timeout=0.1 if worker.is_alive() else 0))
            if self._stop.requested and not told_stop:
                told_stop = True
                self._emit(Stopping(self._stop.reason))
            if time.monotonic() >= sample_at:
                self._sample(rotation)
                sample_at = time.monotonic() + SAMPLE_SECONDS

    def _sample(self, rotation: int) -> None:
        try:
            self._emit(read_progress(self._session, rotation))
        except RotationError:
            self._session.close()  # the worker deals with the outage, and tells of it

    def _close(self, worker: Worker, rotation: int) -> None:
        """Mark the rotation finished if it is; else make durable what was done and say why it ended.

        Raises what ended the worker, or Stopped.
        """
        if worker.failure is None and not self._stop.requested:
            self._session.through_outages(lambda: control.finish(self._closing, rotation))
            return
        progress, others = None, False
        try:
            progress = read_progress(self._closing, rotation)
            if progress.complete and worker.failure is None:  # the stop came with the last window
                control.finish(self._closing, rotation)
                return
            control.leave(self._closing, rotation, worker.name)
            others = any(lane["busy"] for lane in self._closing.rows("look_at_lanes", rotation=rotation))
        except RotationError:
            pass  # without a database, what was committed stays, and more is not known
        if isinstance(worker.failure, DatabaseFailure) and progress:
            worker.failure.rows_done = progress.rows_done
        if worker.failure is not None:
            raise worker.failure
        where = f"{progress.rows_done} rows" if progress else "the last committed window"
        again = "run the same command again" + " without --new" * self._new
        then = "another process goes on" if others else f"{again} to go on"
        raise Stopped(f"after {where}, by {self._stop.reason}; {then}")
