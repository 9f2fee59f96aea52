"""A proxy before PostgreSQL that loses the answers to COMMITs of writing transactions, which happen."""

import contextlib
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import Database


class Cutter:
    """Passes bytes on; COMMITs with these numbers reach the server, and the connection then breaks."""

    def __init__(self, db: Database, numbers: set[int]) -> None:
        self.cut = 0
        self._seen = 0
        self._sockets: list[socket.socket] = []
        self._numbers = numbers
        self._home = Path(tempfile.mkdtemp(prefix="cut-"))
        self._upstream = str(db.server.sockets / ".s.PGSQL.5432")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._home / ".s.PGSQL.5432"))
        self._listener.listen()
        self.url = db.url.replace(
            str(db.server.sockets).replace("/", "%2F"), str(self._home).replace("/", "%2F")
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.socket(socket.AF_UNIX)
                self._sockets += [client, server]
                server.connect(self._upstream)
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(
                        target=self._pump, args=(source, sink, source is client), daemon=True
                    ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        reading = False
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                reading = reading or b"READ ONLY" in data
                if from_client and data.startswith(b"Q") and b"COMMIT" in data[:16]:
                    self._seen += not reading
                    reading, read = False, reading
                    if read:
                        sink.sendall(data)
                        continue
                    if self._seen in self._numbers:
                        source.shutdown(socket.SHUT_RDWR)  # the answer can't come back
                        sink.sendall(data)
                        self.cut += 1
                        time.sleep(0.1)
                        break
                sink.sendall(data)
        self.shut(source, sink)

    def shut(self, source: socket.socket, sink: socket.socket) -> None:
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for one in self._sockets:
            one.close()
        self._listener.close()
        shutil.rmtree(self._home)


class Unreliable(Cutter):
    """Cuts each connection after some bytes, in the middle of a message, or passes them on late."""

    def __init__(
        self, db: Database, most_bytes: Callable[[], float], seconds: Callable[[], float]
    ) -> None:
        super().__init__(db, set())
        self._most_bytes = most_bytes
        self._seconds = seconds

    def _pump(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        left = self._most_bytes()
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self._seconds())
                sink.sendall(data[: int(min(left, len(data)))])
                left -= len(data)
                if left < 0:
                    self.cut += 1
                    break
        self.shut(source, sink)


@contextlib.contextmanager
def unreliable(
    db: Database, most_bytes: Callable[[], float], seconds: Callable[[], float]
) -> Iterator[Unreliable]:
    proxy = Unreliable(db, most_bytes, seconds)
    try:
        yield proxy
    finally:
        proxy.close()


@contextlib.contextmanager
def cutting(db: Database, numbers: set[int]) -> Iterator[Cutter]:
    cutter = Cutter(db, numbers)
    try:
        yield cutter
    finally:
        cutter.close()
