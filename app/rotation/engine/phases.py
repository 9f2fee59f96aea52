"""The phases of a rotation, in the order that makes its proof sound.

guard → barrier → snapshot → barrier → lanes → canary → windows → leftovers → verification → end.
docs/proof.md says why none of them can be left out.
"""

from collections.abc import Callable
from dataclasses import replace

from ..models import ENDED, Rotation, Status
from .db.identity import worker_name
from .db.retry import patiently
from .db.session import Row, Session
from .errors import DatabaseFailure, LockConflict, Refused, Stopped, Unproven
from .events import NOTE, WARN, Found, Phase, Survived
from .kept import LiveOptions
from .maintenance.reindex import Rebuilder
from .maintenance.vacuum import Vacuum
from .options import Options
from .proof import guard
from .proof.barrier import wait_for_writers
from .proof.revoked import take_snapshot
from .proof.verdict import Verdict, how_proven, why_unproven
from .proof.verify import verify
from .state import transitions
from .state.progress import read_progress
from .state.rotations import read_rotation
from .table.lanes import draw_lanes
from .table.shape import require_shape
from .table.target import Target
from .table.windows import WindowSizer
from .text import count, name_keys
from .throttle.connections import most_workers
from .throttle.monitor import Monitor
from .throttle.standbys import wait_for_standbys
from .throttle.throttle import Throttle
from .work.canary import try_one_window
from .work.leftovers import LeftoverStage
from .work.pool import WorkerPool
from .work.stages import Stage
from .work.waiting import unfinished_lanes, wait_for_lane
from .work.worker import Worker

NAMED_FAILURES = 5  # rows that can't be updated
REPAIRS = 3  # times that survivors are rotated again before the run gives up


class Phases:
    """Takes a rotation from where it is to its end."""

    def __init__(
        self,
        session: Session,
        rotation: int,
        target: Target,
        options: Options,
        shape: Row,
        more_revoked: bool,
    ) -> None:
        self.rows = 0  #: rotated by this run
        self.workers: set[str] = set()  #: names of all its workers
        self._session = session
        self._rotation = rotation
        self._target = target
        self._options = options
        self._throttle = Throttle(LiveOptions(options, rotation))
        self._more_revoked = more_revoked  # this run added to the set of revoked tokens
        self._shape = shape  #: of the target, when the preflight looked at it
        self._repairs = 0
        self._survivors = 0  # found by the latest verification
        self._rotated = False  # the end of the windows has been reported

    def run(self) -> None:
        """Do what is left of every phase.

        Raises Stopped if the same command can continue later, Unproven if something remains, Refused.
        """
        session = self._session
        target = self._target
        options = self._options
        rotation = self._read()
        if rotation.status != Status.SUCCEEDED or self._more_revoked:
            self._rotate_all()
        elif guard.wanted(rotation, target, options) and guard.require_guard(session, target, options):
            text = f"the guard was gone or changed, and was reinstalled: run {target.action('verify')}"
            session.emit(Found(WARN, text))
        if options.reindex:
            Rebuilder(session, self._rotation, target, grown=options.reindex == "all").run()

    def _rotate_all(self) -> None:
        monitor = Monitor(self._own("watch"), self._rotation, self._target.oid, self._throttle)
        vacuum = Vacuum(self._own("vacuum"), self._rotation, self._target, self._throttle.live)
        for helper in (monitor, vacuum):
            helper.start()
        try:
            self._run()
        except BaseException:
            vacuum.cancel("the end of the run")
            raise
        finally:
            for helper in (monitor, vacuum):
                helper.end()

    def _own(self, name: str) -> Session:
        """A session for a helper thread."""
        return replace(self._session, worker=worker_name(name))

    def _run(self) -> None:
        # Invalid tuning, written by hand, ends the run before it has done anything.
        self._throttle.live.learn(
            self._session.through_outages(
                lambda: self._session.row("read_steering", rotation=self._rotation, recent=1)
            )["tuned"]
        )
        self._protect()
        self._snapshot()
        self._open()
        # After the set is complete: that rewrites the guard's function.
        # What came after the preflight was not looked at.
        looked_at = {name: value for name, value in self._shape.items() if name != "guard"}
        self._shape = self._require_shape(looked_at, "no window was started")
        while True:
            self._rotate()
            # What changed within the last windows: each looks at it before it writes.
            self._require_shape(self._shape, "every window was committed")
            if self._proven():
                return
            if self._session.stop.requested:
                raise Stopped(f"by {self._session.stop.reason}")

    def _require_shape(self, shape: Row, then: str) -> Row:
        """See require_shape."""
        session = self._session
        return patiently(
            session,
            self._options.lock_patience,
            lambda: require_shape(session, self._rotation, self._target, shape, then),
        )

    def _protect(self) -> None:
        """The guard, and the wait for all earlier writers."""
        session = self._session
        options = self._options
        installed = options.guard and patiently(
            session,
            options.lock_patience,
            lambda: guard.require_guard(session, self._target, options),
        )
        if self._read().revoked is None:
            self._barrier()
            self._require_wanted()
            how = "installed" if installed else "in place"
            how = f"guard {how}" if options.guard else "no guard (--no-guard)"
            session.emit(Phase(1, f"{how}; transactions that were writing have ended"))

    def _snapshot(self) -> None:
        """Store the hashes of all tokens, then wait for writers that may have passed the guard."""
        session = self._session
        rotation = self._read()
        if rotation.revoked is None:
            options = self._options
            revoked = patiently(session, options.lock_patience, self._take_snapshot)
            self._barrier()
            # Another process may have taken it, and be far ahead.
            rotation = self._read()
            if rotation.status == Status.PENDING:
                told = f"{count(rotation.rows_total or 0, 'token')} revoked"
                if revoked != rotation.rows_total:
                    told += f" ({revoked} with lists and earlier rotations)"
                session.emit(Phase(2, f"{told}; a salted hash of each is stored"))
        elif rotation.status == Status.PENDING or self._more_revoked:
            self._barrier()

    def _take_snapshot(self) -> int:
        try:
            return take_snapshot(self._session, self._read(), self._target)
        except DatabaseFailure as failure:
            if not self._target.recipe.where or not failure.of_values:
                raise
            raise Refused(
                f"--where can't be evaluated for every row ({failure.condition}); nothing was replaced:"
                f" end this rotation with {self._target.action('cancel')}, and start another with --new"
            ) from failure

    def _open(self) -> None:
        """Draw the lanes over all rows that exist now, unless they are drawn already."""
        session = self._session
        rotation = self._read()
        if rotation.status == Status.PENDING:
            session.through_outages(
                lambda: transitions.open_lanes(
                    session, rotation, draw_lanes(session, self._target, self._options.lanes)
                )
            )
            self._require_wanted()

    def _barrier(self) -> None:
        self._session.through_outages(
            lambda: wait_for_writers(
                self._session, self._rotation, self._target, self._options, self._require_wanted
            )
        )

    def _require_wanted(self) -> None:
        """Raise Stopped if the rotation was cancelled in the meantime."""
        status = self._read().status
        if status in ENDED:
            raise Stopped(f"rotation {self._rotation} is {status}")

    def _rotate(self) -> None:
        """Every window, after a canary that is rolled back; then the holes and survivors."""
        session = self._session
        live = self._throttle.live

        def sizer() -> WindowSizer:
            return WindowSizer(live.now.window, live.now.window_seconds)

        self._work(Stage, sizer)
        try:
            self._work(LeftoverStage, sizer)
            self._require_no_failures()
        except Unproven:
            session.through_outages(lambda: transitions.fail(session, self._rotation, None))
            raise
        if not self._rotated:
            self._rotated = True
            progress = session.through_outages(lambda: read_progress(session, self._rotation))
            session.emit(Phase(3, f"{count(progress.rows_done, 'token')} replaced"))

    def _require_no_failures(self) -> None:
        """Raise Unproven, with their keys, if the tokens of some rows could not be replaced."""
        session = self._session
        failed = session.through_outages(
            lambda: session.rows("list_failures", rotation=self._rotation, most=NAMED_FAILURES)
        )
        if failed:
            total = sum(row["rows"] for row in failed)
            named = "; ".join(
                f"{name_keys(self._target.pk, row['keys'], row['rows'])}: {row['failure']}"
                for row in failed
            )
            its = "holds its" if total == 1 else "hold their"
            raise Unproven(
                f"every other row is rotated, but {count(total, 'row')} can't be updated and {its} old"
                f" token: {named}; fix that, then run the same command again"
            )

    def _proven(self) -> bool:
        """Verify by value and end the rotation; False if something must be done again."""
        session = self._session
        options = self._options
        rotation = self._read()
        if rotation.status == Status.SUCCEEDED and not self._more_revoked:  # by another process
            return True
        placement = self._target.placement
        patience = options.lock_patience
        session.through_outages(lambda: placement.settle(session, patience))
        if not session.through_outages(lambda: transitions.begin_verifying(session, self._rotation)):
            return self._overtaken()
        if self._target.partitioned:
            self._barrier()  # for open inserts into partitions, which passed until now
        rotation = self._read()
        verdict = None
        if options.verify:
            verdict = verify(session, rotation, self._target, options)
            require_distinct(session, rotation, self._target, verdict)
        if options.guard:
            patiently(session, patience, lambda: guard.require_standing(session, self._target))
        if verdict is None or verdict.clean:
            for note in verdict.notes if verdict else ():
                session.emit(Found(NOTE, note))
            replayed = (
                wait_for_standbys(session, self._throttle.live, self._require_wanted)
                if options.wait_replicas
                else []
            )
            if not session.through_outages(lambda: transitions.finish(session, rotation, verdict)):
                return self._overtaken()
            text = how_proven(verdict, self._target)
            session.emit(Phase(4, f"{text}; replayed by {', '.join(replayed)}" if replayed else text))
            return True
        if not verdict.conclusive or not verdict.survivors or self._repairs == REPAIRS:
            session.through_outages(lambda: transitions.fail(session, self._rotation, verdict))
            raise Unproven(why_unproven(verdict, self._target))
        session.emit(Survived(verdict.survivors, verdict.keys, self._target.pk))
        self._repairs += 1
        self._survivors = verdict.survivors
        session.through_outages(lambda: transitions.repair(session, rotation, verdict))
        return False

    def _overtaken(self) -> bool:
        """Whether the rotation, which another process has changed, is at its end.

        If it is, what this process has just verified holds for it.
        """
        self._require_wanted()
        status = self._read().status
        self._session.stop.wait(0.2)
        return status == Status.SUCCEEDED

    def _work(self, kind: type[Stage], sizer: Callable[[], WindowSizer]) -> None:
        """Let a pool of workers do a stage, unless it is done already."""
        session = self._session
        rotation = self._rotation
        options = self._options
        if not session.through_outages(lambda: unfinished_lanes(session, rotation, kind.name)):
            return
        session.through_outages(lambda: wait_for_lane(session, rotation, kind.name))
        if kind is Stage:
            session.through_outages(lambda: try_one_window(session, self._stage(session, kind), options))
        most = session.through_outages(lambda: most_workers(session))
        session.close()  # until the workers, which have their own connections, are done
        pool = WorkerPool(session, lambda: min(self._throttle.live.now.workers, most))
        try:
            pool.work(lambda own: Worker(own, self._stage(own, kind), sizer(), self._throttle))
        except LockConflict as conflict:
            # A second signal interrupted a worker that looked at lanes or showed that it is alive.
            raise Stopped(f"by {session.stop.reason}") from conflict
        finally:
            self.workers |= pool.names
            self.rows += pool.rows
        if session.stop.requested:
            raise Stopped(f"by {session.stop.reason}")

    def _stage(self, session: Session, kind: type[Stage]) -> Stage:
        stage = kind(session, self._rotation, self._target, self._shape)
        stage.channel = self._options.notify
        if isinstance(stage, LeftoverStage):
            # Rows that the index failed to return once are not found by it at all.
            stage.from_heap = self._repairs > 1
            if self._repairs == REPAIRS and self._target.placement.locks_by_value:
                stage.by_value = self._survivors
        return stage

    def _read(self) -> Rotation:
        return self._session.through_outages(lambda: read_rotation(self._session, self._rotation))


def require_distinct(session: Session, rotation: Rotation, target: Target, verdict: Verdict) -> None:
    """Where no unique index is possible, check by value that no two rows hold the same token.

    Raises Unproven, and marks the rotation failed, if some do.
    """
    repeated = patiently(
        session, Options.lock_patience, lambda: target.placement.count_repeated(session)
    )
    if repeated:
        session.through_outages(lambda: transitions.fail(session, rotation.pk, verdict))
        raise Unproven(
            f"{repeated} tokens of {target.label} are held by more than one row: find out what writes"
            " them; then rotate again with --new"
        )
