"""The progress of rotations, for Prometheus: on the site, or from a run without it (--metrics-port)."""

import http.server
import socket
import socketserver
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.models import Max
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from ..engine.db.driver import own_connection
from ..engine.db.session import Row, Session
from ..engine.db.threads import Thread
from ..engine.errors import RotationError, UsageError
from ..engine.state.rotations import rotations
from ..engine.state.status import read_state
from ..engine.throttle.probes import is_blind
from ..engine.throttle.standbys import look
from ..models import Rotation, Status
from .inputs import open_session

FRESH_SECONDS = 1.0  # for which an answer is given again
LABELS = ("database", "rotation", "table", "column")
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


class Metrics:
    """The latest rotation of every column, and how far behind standbys are."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._figures = {name: self._gauge(name, text, *LABELS) for name, text in FIGURES.items()}
        self._states = self._gauge("status", "1 for the state it is in", *LABELS, "status")
        self._lag = self._gauge("standby_lag_bytes", "WAL not replayed", "database", "standby")
        self._up = self._gauge("database_up", "1 if its state could be read", "database")

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"rotation_{name}", text, labels, registry=self._registry)

    def add(self, alias: str) -> None:
        """Read those of one database; one that can't be read, or has no state, is down."""
        try:
            session = open_session(alias)
            latest = rotations(session).values("table_oid", "token_attnum").annotate(pk=Max("pk"))
            with session.looking("reading the rotations"):
                found = list(rotations(session).filter(pk__in=latest.values("pk")))
            for rotation in found:
                self._add_rotation(session, rotation)
            # Several standbys may have the same name: the one furthest behind counts.
            for row in sorted(_seen(session), key=lambda row: row["replayed"], reverse=True):
                self._lag.labels(alias, row["name"]).set(row["written"] - row["replayed"])
        except RotationError:
            self._up.labels(alias).set(0)
        else:
            self._up.labels(alias).set(1)

    def _add_rotation(self, session: Session, rotation: Rotation) -> None:
        progress = read_state(session, rotation.pk).progress
        table = f"{rotation.table_schema}.{rotation.table_name}"
        labels = (session.alias, str(rotation.pk), table, rotation.token_column)
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
                self._figures[name].labels(*labels).set(value)
        for status in Status.values:
            self._states.labels(*labels, status).set(status == progress.status)

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)


def _seen(session: Session) -> list[Row]:
    """The standbys that this role may see."""
    try:
        return look(session)
    except RotationError as error:
        if not is_blind(error):
            raise
        return []


def with_state() -> list[str]:
    """The databases of the project that may hold rotations: those on PostgreSQL."""
    return [alias for alias in connections if connections[alias].vendor == "postgresql"]


def collect(aliases: Iterable[str]) -> bytes:
    """The metrics of these databases now."""
    metrics = Metrics()
    for alias in aliases:
        metrics.add(alias)
    return metrics.text()


class Latest:
    """The metrics as they were a second ago at most: many readers cost no more than one."""

    def __init__(self, aliases: list[str]) -> None:
        self._aliases = aliases
        self._lock = threading.Lock()
        self._until = 0.0
        self._answer: bytes | None = None

    def read(self) -> bytes | None:
        """One reader at a time asks the databases; None if that fails."""
        with self._lock:
            if time.monotonic() > self._until:
                reading = Thread(Session(self._aliases[0]), self._collect)
                reading.start()
                reading.join()
                self._answer = reading.result
                self._until = time.monotonic() + FRESH_SECONDS
            return self._answer

    def _collect(self) -> bytes:
        """On connections that end with the thread."""
        for alias in self._aliases:
            own_connection(alias)
        return collect(self._aliases)


class Server(http.server.ThreadingHTTPServer):
    """On all addresses of the machine, IPv4 and IPv6; a client that goes away is no news."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        """Bind both families; without asking any name server who this machine is."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, *_: Any) -> None:
        """Say nothing: the run's own lines are on the same terminal."""


@contextmanager
def served(aliases: list[str], port: int) -> Iterator[None]:
    """Within the block, answer /metrics on a port of this machine.

    Raises UsageError if the port can't be had.
    """
    latest = Latest(aliases)

    class Answer(http.server.BaseHTTPRequestHandler):
        timeout = 10.0  # seconds, for a client that asks nothing, or does not read the answer

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            answer = latest.read()
            if answer is None:
                self.send_error(500)
                return
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(answer)

        do_HEAD = do_GET

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing, as above."""

    try:
        server = Server(("", port), Answer)
    except (OSError, OverflowError) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"--metrics-port {port}: {why}") from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
