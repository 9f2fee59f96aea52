"""The progress of rotations, for Prometheus; on if settings.ROTATION_METRICS is."""

from django.db.models import Max
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from ..engine.state.rotations import rotations
from ..engine.state.status import read_state
from ..engine.throttle.standbys import look
from ..models import Status
from ..operations.inputs import open_session

LABELS = ("rotation", "table", "column")
#: Each figure of a rotation: name, help.
FIGURES = {
    "rows_done": "rows rotated",
    "rows_total": "rows at the start, where that is known",
    "rows_remaining": "rows that still hold their old token, where that is known",
    "rows_per_second": "pace of the latest windows, waits included",
    "eta_seconds": "seconds until all rows are rotated, including waits",
    "throttled": "1 while windows wait for one of their limits",
    "throttled_share": "share of the time around the latest windows spent waiting",
    "survivors": "rows with a revoked token when last verified",
    "holes": "rows left for the end, locked by others or not to be updated",
}


@non_atomic_requests  # the engine uses its own transactions
def metrics(request: HttpRequest) -> HttpResponse:
    """The latest rotation of every column, and how far behind standbys are."""
    registry = CollectorRegistry()
    figures = {
        name: Gauge(f"rotation_{name}", text, LABELS, registry=registry)
        for name, text in FIGURES.items()
    }
    states = Gauge("rotation_status", "1 for the state it is in", (*LABELS, "status"), registry=registry)
    lag = Gauge("rotation_standby_lag_bytes", "WAL not replayed", ("standby",), registry=registry)
    session = open_session("default")
    latest = rotations(session).values("table_oid", "token_attnum").annotate(pk=Max("pk"))
    for rotation in rotations(session).filter(pk__in=latest.values("pk")):
        progress = read_state(session, rotation.pk).progress
        labels = (
            str(rotation.pk),
            f"{rotation.table_schema}.{rotation.table_name}",
            rotation.token_column,
        )
        total = progress.rows_total
        known = {
            "rows_done": progress.rows_done,
            "rows_total": total,
            "rows_remaining": None if total is None else max(0, total - progress.rows_done),
            "rows_per_second": progress.rows_per_second,
            "eta_seconds": progress.eta_seconds,
            "throttled": float(bool(progress.throttle)),
            "throttled_share": progress.throttled_share if progress.rows_per_second else None,
            "survivors": progress.survivors,
            "holes": progress.holes,
        }
        for name, value in known.items():
            if value is not None:
                figures[name].labels(*labels).set(value)
        for status in Status.values:
            states.labels(*labels, status).set(status == progress.status)
    standbys = look(session)
    # Several standbys may have the same name: the one furthest behind counts.
    for row in sorted(standbys, key=lambda row: row["replayed"], reverse=True):
        lag.labels(row["name"]).set(row["written"] - row["replayed"])
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
