"""The state of rotations: what to rotate, how far it is, and the journal of every window.

It lives in the database that holds the tokens, because a checkpoint must commit with its rows.
Its invariants are triggers in that database (django-pgtrigger), so that neither another version of this
program nor someone in psql can break them. No token is ever stored here: only a salted 64-bit hash of
each revoked one, in `rotation_revoked`, which has no model because it is partitioned; it is created by
`sql/schema/revoked_set.sql`.
"""

from datetime import datetime, timezone
from typing import Any

import pgtrigger
from django.db import models
from django.db.models import Func, Q
from django.db.models.functions import Now

from .invariants import (
    CHECKPOINT_MOVES_FORWARD,
    SAME_TARGET,
    STEERING_IS_APPENDED,
    Kept,
    Transitions,
    kept_from_truncate,
    same_bounds,
)

#: A day from Python's limits, so that no time zone leads beyond them.
EARLIEST = datetime(1, 1, 2, tzinfo=timezone.utc)
LATEST = datetime(9999, 12, 30, tzinfo=timezone.utc)


class KeptJSONField(models.JSONField):
    """JSON that others may write to: what is too large or deep for Python comes as its text."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the value, or its text."""
        try:
            return super().from_db_value(value, expression, connection)
        except (ValueError, RecursionError):
            return value

    def deconstruct(self) -> Any:
        """Migrations need not know about it."""
        name, _, arguments, named = super().deconstruct()
        return name, "django.db.models.JSONField", arguments, named


class Moment(models.DateTimeField):
    """A time that others may write to: a year that Python does not know comes as the limit."""

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """Read it within the limits; see engine.db.driver for other queries."""
        early, late = (f"timestamp with time zone '{limit.isoformat()}'" for limit in (EARLIEST, LATEST))
        read = f"CASE WHEN {sql} IS NOT NULL THEN least(greatest({sql}, {early}), {late}) END"
        return read, (*params, *params)

    def deconstruct(self) -> Any:
        """Migrations need not know about it."""
        name, _, arguments, named = super().deconstruct()
        return name, "django.db.models.DateTimeField", arguments, named


class Status(models.TextChoices):
    """What a rotation does. A word in -ing is a request, a word in -ed its acknowledgement."""

    PENDING = "pending"  #: recorded, not yet started by any process
    RUNNING = "running"  #: workers may claim its lanes
    PAUSING = "pausing"  #: asked to pause; current windows finish
    PAUSED = "paused"  #: workers wait
    VERIFYING = "verifying"  #: every lane is at its end; the proof is running
    CANCELLING = "cancelling"  #: asked to stop for good
    CANCELLED = "cancelled"  #: stopped for good; rows not reached still hold their old tokens
    SUCCEEDED = "succeeded"  #: every token is rotated, and no revoked one was found
    FAILED = "failed"  #: rotated, but survivors or holes remain; a rerun continues


#: The legal arrows between statuses, and when each is taken. The database enforces them.
ARROWS: dict[tuple[str, str], str] = {
    (Status.PENDING, Status.RUNNING): "The guard stands, the snapshot is complete: lanes are drawn.",
    (Status.PENDING, Status.CANCELLED): "It is given up before it started.",
    (Status.RUNNING, Status.PAUSING): "Someone asks for a pause.",
    (Status.PAUSING, Status.PAUSED): "A worker has seen the request.",
    (Status.PAUSING, Status.RUNNING): "The request is withdrawn before a worker saw it.",
    (Status.PAUSED, Status.RUNNING): "Someone resumes it.",
    (Status.RUNNING, Status.CANCELLING): "Someone asks to end it.",
    (Status.PAUSING, Status.CANCELLING): "Someone asks to end it instead.",
    (Status.PAUSED, Status.CANCELLING): "Someone asks to end it instead.",
    (Status.CANCELLING, Status.CANCELLED): "No window of it is running any more.",
    (Status.RUNNING, Status.VERIFYING): "Every lane has reached its end.",
    (Status.VERIFYING, Status.RUNNING): "Rows are left to rotate after all.",
    (Status.VERIFYING, Status.SUCCEEDED): "Nothing is left to do.",
    (Status.VERIFYING, Status.FAILED): "Something remains that this run could not rotate.",
    (Status.FAILED, Status.RUNNING): "A rerun resumes what remained.",
    (Status.FAILED, Status.CANCELLED): "What remained is given up.",
    (Status.SUCCEEDED, Status.FAILED): "A later verification found survivors.",
}

# Sets of statuses, each for one question about a rotation.

#: No other rotation may have its table.
UNFINISHED = [
    Status.PENDING,
    Status.RUNNING,
    Status.PAUSING,
    Status.PAUSED,
    Status.VERIFYING,
    Status.CANCELLING,
    Status.FAILED,
]
#: Workers may claim its lanes, and it can be paused.
CLAIMABLE = [Status.RUNNING]
#: Windows that were claimed may commit, and tuning takes effect.
WRITABLE = [Status.RUNNING, Status.PAUSING, Status.PAUSED]
#: Windows may be running.
ROTATING = {Status.RUNNING, Status.PAUSING}
#: A process should be at work on it.
WORKING = {*ROTATING, Status.VERIFYING, Status.CANCELLING}
#: A serving process picks it up.
TAKEN_UP = {Status.PENDING, *WORKING}
#: What is shown of it changes every second.
MOVING = {Status.PENDING, *ROTATING, Status.VERIFYING}
#: Workers wait, or are about to.
HALTED = (Status.PAUSING, Status.PAUSED)
#: It can be ended.
CANCELLABLE = {Status.PENDING, *WRITABLE, Status.FAILED}
#: Nothing of it is running that must end before it is cancelled.
CANCELLED_AT_ONCE = (Status.CANCELLING, Status.PENDING, Status.FAILED)
#: It was given up, or is about to be.
ENDED = (Status.CANCELLING, Status.CANCELLED)
#: No window follows.
ROTATED = {Status.VERIFYING, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}
#: Every row is rotated.
COMPLETE = {Status.VERIFYING, Status.SUCCEEDED}
#: Rows may be left to rotate after all, and workers claim its lanes again.
REOPENABLE = (Status.VERIFYING, Status.FAILED)
#: A verification may have ended it.
PROVEN = {Status.SUCCEEDED, Status.FAILED}
#: From the most left to do to the least.
AHEAD = [
    Status.PENDING,
    Status.RUNNING,
    Status.PAUSING,
    Status.PAUSED,
    Status.VERIFYING,
    Status.SUCCEEDED,
]


class Rotation(models.Model):
    """One campaign: every token of one column replaced once."""

    table_schema = models.TextField()
    table_name = models.TextField()
    table_oid = models.BigIntegerField(help_text="pg_class.oid: tells a table from its successor")
    pk_column = models.TextField()
    pk_type = models.TextField(help_text="type of the primary key, as regtype prints it")
    pk_collation = models.TextField(blank=True, help_text="as regcollation prints it, or empty")
    token_column = models.TextField()
    token_attnum = models.SmallIntegerField(help_text="pg_attribute.attnum of the token column")
    token_type = models.TextField(
        blank=True,
        db_default="",
        help_text="type of the token column at the start, as regtype prints it",
    )

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    floor = models.TextField(null=True, help_text="lowest primary key at the start")
    ceiling = models.TextField(null=True, help_text="highest primary key at the start")
    rows_total = models.BigIntegerField(null=True, help_text="tokens at the start, if known")
    rows_total_exact = models.BooleanField(default=False, help_text="counted, not estimated")

    set_id = models.IntegerField(null=True, help_text="its column's set: the id of the first rotation")
    salt = models.BigIntegerField(null=True, help_text="of the hashes in that set")
    leaked = models.BigIntegerField(db_default=0, help_text="hashes added to the snapshot from lists")
    revoked = models.BigIntegerField(
        null=True,
        help_text="hashes that the set must hold, with earlier ones; NULL until the snapshot is there",
    )
    partitions = KeptJSONField(
        db_default={}, default=dict, help_text="by oid: its name, number of its column, at the snapshot"
    )
    survivors = models.BigIntegerField(
        null=True, help_text="rows that held a revoked token when last verified"
    )
    verified_at = Moment(null=True)
    findings = KeptJSONField(null=True, help_text="what the preflight of the first run found")

    options = KeptJSONField(default=dict, help_text="what the first run was asked to do")
    tuned = KeptJSONField(db_default={}, default=dict, help_text="options changed since")
    limits_at = Moment(null=True, help_text="since when its limits are what they are now")
    max_rate = models.FloatField(null=True, help_text="rows a second, the limit now; NULL: none")
    throttle = models.TextField(db_default="", blank=True, help_text="why windows wait now")
    vacuumed = models.BigIntegerField(db_default=0, help_text="rows done at the latest vacuum")
    index_bytes = KeptJSONField(db_default={}, default=dict, help_text="at the start, by oid")
    rebuilt = KeptJSONField(db_default=[], default=list, help_text="oids of the indexes rebuilt")
    reason = models.TextField(blank=True)
    operator = models.TextField()
    host = models.TextField()
    created_at = Moment(db_default=Now())
    begun_at = Moment(null=True, help_text="when a process first took it up")
    started_at = Moment(null=True, help_text="when its lanes were drawn")
    touched_at = Moment(null=True, help_text="last sign of life; NULL: left by all")
    verifying_at = Moment(null=True, help_text="when its latest verification began")
    finished_at = Moment(null=True)
    steered = KeptJSONField(db_default=[], default=list, help_text="who steered it, when, and how")
    versions = KeptJSONField(
        db_default={}, default=dict, help_text="of server and tools, when a process last took it up"
    )
    retired_at = Moment(
        null=True, help_text="when its rows were replaced: says nothing about the present ones"
    )

    class Meta:
        required_db_vendor = "postgresql"
        db_table = "rotation"
        constraints = [
            models.UniqueConstraint(
                fields=["table_oid"],
                condition=Q(status__in=UNFINISHED),
                name="one_active_rotation_per_table",
            ),
            # What a set must hold is known if its rotations are completed in their order.
            models.UniqueConstraint(
                fields=["set_id"],
                condition=Q(status__in=UNFINISHED),
                name="one_active_rotation_per_set",
            ),
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="status_is_one_that_we_know"
            ),
        ]
        triggers = [
            Transitions(name="legal_arrows", field="status", transitions=list(ARROWS)),
            SAME_TARGET,
            same_bounds(until=Status.PENDING),
            STEERING_IS_APPENDED,
            Kept(name="kept_for_ever", operation=pgtrigger.Delete),
            kept_from_truncate(),
        ]

    def __str__(self) -> str:
        return f"rotation {self.pk} of {self.target}"

    @property
    def target(self) -> str:
        """The column that it rotates, for people."""
        return f"{self.table_schema}.{self.table_name}.{self.token_column}"


class BatchProgress(models.Model):
    """One lane: a contiguous range of primary keys, with its checkpoint.

    Keys are stored as text, whatever their type; `pk_type` and `pk_collation` say how the database
    compares them. The lane is done when `last_id` equals `upper`.
    """

    rotation = models.ForeignKey(Rotation, models.PROTECT, related_name="lanes")
    lane = models.SmallIntegerField()
    pk_type = models.TextField()
    pk_collation = models.TextField(blank=True)
    lower = models.TextField()
    upper = models.TextField()
    last_id = models.TextField(null=True, help_text="every row up to this key is rotated")
    rows = models.BigIntegerField(default=0)
    windows = models.BigIntegerField(default=0)
    worker = models.TextField(blank=True, help_text="who did the last window")
    updated_at = Moment(db_default=Now())

    class Meta:
        required_db_vendor = "postgresql"
        db_table = "batchprogress"
        verbose_name = "lane"
        constraints = [
            models.UniqueConstraint(fields=["rotation", "lane"], name="one_checkpoint_per_lane")
        ]
        triggers = [
            CHECKPOINT_MOVES_FORWARD,
            Kept(name="kept_for_ever", operation=pgtrigger.Delete),
            kept_from_truncate(),
        ]

    def __str__(self) -> str:
        return f"lane {self.lane} of rotation {self.rotation_id}"

    @property
    def done(self) -> bool:
        """Whether every row of the lane is rotated."""
        return self.last_id == self.upper


class RotationWindow(models.Model):
    """The journal: one row for every committed window, written in the window's own transaction."""

    # The lane's foreign key implies the rotation's; another would lock its row in every window.
    rotation = models.ForeignKey(
        Rotation, models.PROTECT, related_name="windows", db_constraint=False, db_index=False
    )
    lane = models.ForeignKey(BatchProgress, models.PROTECT, related_name="journal", db_index=False)
    lo = models.TextField()
    hi = models.TextField()
    rows = models.BigIntegerField(help_text="tokens replaced, as the server counted them")
    milliseconds = models.FloatField(help_text="from the end of the worker's last window or wait")
    throttled = models.FloatField(db_default=0, help_text="milliseconds that it was held back before")
    throttle = models.TextField(db_default="", blank=True, help_text="why")
    transaction_id = models.BigIntegerField(help_text="pg_current_xact_id() of the window")
    worker = models.TextField()
    finished_at = Moment(db_default=Now())

    class Meta:
        required_db_vendor = "postgresql"
        db_table = "rotation_window"
        verbose_name = "window"
        indexes = [models.Index(fields=["rotation", "id"], name="rotation_window_latest")]
        triggers = [
            Kept(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            kept_from_truncate(),
        ]

    def __str__(self) -> str:
        return f"window {self.lo}..{self.hi} of lane {self.lane_id}"


class Leftover(models.Model):
    """A row to be rotated after all windows: a hole, skipped because its lock was held too long, or
    because it or a row near it can't be updated; or a survivor, which a verification found with a
    revoked token.
    """

    lane = models.ForeignKey(BatchProgress, models.PROTECT, related_name="leftovers", db_index=False)
    key = models.TextField(help_text="primary key of the row")
    survivor = models.BooleanField(db_default=False, help_text="found by a verification, not skipped")
    held_by = models.TextField(blank=True, help_text="who held the row's lock, if known")
    failure = models.TextField(
        blank=True, db_default="", help_text="why its token could not be replaced, in the latest run"
    )
    found_at = Moment(db_default=Now())
    rotated_at = Moment(null=True)

    class Meta:
        required_db_vendor = "postgresql"
        db_table = "rotation_leftover"
        constraints = [
            # Not the key itself: what fits into the primary key's index need not fit into another.
            models.UniqueConstraint(
                "lane",
                Func("key", template='hashtextextended(%(expressions)s COLLATE "C", 0)'),
                condition=Q(rotated_at=None),
                name="one_open_leftover_per_row",
            )
        ]
        triggers = [
            Kept(name="kept_for_ever", operation=pgtrigger.Delete),
            kept_from_truncate(),
        ]

    def __str__(self) -> str:
        return f"row {self.key} of lane {self.lane_id}"
