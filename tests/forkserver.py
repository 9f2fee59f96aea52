"""Starts manage.py in a process of its own, forked from one that has imported Django already.

Importing takes three quarters of a short command's time, and the tests start a thousand. Nothing of the
project is imported before the fork, and no settings are read: the child reads its own environment.
"""

import array
import atexit
import contextlib
import gc
import io
import json
import os
import runpy
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANAGE = str(Path(__file__).resolve().parents[1] / "manage.py")
#: What every command imports, and what can be imported without settings.
IMPORTED = (
    "django.contrib.admin.options",
    "django.contrib.staticfiles.storage",
    "django.core.handlers.wsgi",
    "django.core.management.commands.migrate",
    "django.db.backends.postgresql.base",
    "django.template.loader_tags",
    "dj_database_url",
    "pgtrigger",
    "psycopg2.errorcodes",
    "whitenoise.middleware",
)
#: What Python and libc read from the environment at their start, and never again.
READ_ONCE = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "MALLOC")
#: Of these, what a child takes up by itself.
PATH = "PYTHONPATH"
LENGTH = struct.Struct("=I")
STATUS = struct.Struct("=i")


def serve(control: socket.socket, listener: socket.socket) -> None:
    """Fork a child for each request, and tell its exit status, until the tests' end.

    Requests come from the test process, and through `listener` from forked.py.
    """
    for name in IMPORTED:
        __import__(name)
    gc.freeze()  # else the first collection of each child copies all of this
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    told: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control, listener, awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with contextlib.suppress(OSError):
                    os.write(told[ended[0]], STATUS.pack(ended[1]))
                os.close(told.pop(ended[0]))
        for asking in (control, listener):
            if asking not in ready:
                continue
            client = asking if asking is control else asking.accept()[0]
            head, handles, _, _ = socket.recv_fds(client, LENGTH.size, 4)
            if not head:
                return
            asked = json.loads(client.recv(LENGTH.unpack(head)[0], socket.MSG_WAITALL))
            if client is not control:
                handles.append(os.dup(client.fileno()))
                client.close()
            if client is control or fits(asked["env"]):
                start(asked, handles, told, (control.fileno(), listener.fileno(), awake, wake))
            else:
                os.close(handles.pop())
            for handle in handles[: len(asked["streams"])]:
                os.close(handle)


def start(
    asked: dict[str, Any], handles: list[int], told: dict[int, int], ours: tuple[int, ...]
) -> None:
    """Fork a child with such streams; the last handle is told its pid, and later how it ended."""
    *streams, status = handles
    pid = os.fork()
    if not pid:
        signal.set_wakeup_fd(-1)
        for handle in (*ours, status, *told.values()):
            os.close(handle)
        become(asked, streams)
    os.write(status, STATUS.pack(pid))
    told[pid] = status


def fits(environment: dict[str, str], ours: Mapping[str, str] = os.environ) -> bool:
    """Whether a process with that environment can be forked: all that is read once is the same."""
    names = {name for name in (*ours, *environment) if name.startswith(READ_ONCE)} - {PATH}
    return all(ours.get(name) == environment.get(name) for name in names)


def become(asked: dict[str, Any], handles: list[int]) -> None:
    """Be manage.py, to the end of this process."""
    for place in range(3):
        os.close(place)
    for place, handle in zip(asked["streams"], handles, strict=True):
        os.dup2(handle, place)
    for handle in handles:
        os.close(handle)
    # What Python found out about the server's own streams is not true here: they may be pipes.
    sys.stdin = sys.__stdin__ = open(0, closefd=False) if 0 in asked["streams"] else None  # noqa: SIM115
    sys.stdout = sys.__stdout__ = like(sys.stdout, 1) if 1 in asked["streams"] else None
    sys.stderr = sys.__stderr__ = like(sys.stderr, 2) if 2 in asked["streams"] else None
    sys.path[1:1] = filter(None, asked["env"].get(PATH, "").split(os.pathsep))
    for number in signal.Signals:
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for number in asked["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    manage = asked.get("manage", MANAGE)
    sys.argv = [manage, *asked["arguments"]]
    sys.path[0] = str(Path(manage).parent)
    code, interrupted = 1, False
    try:
        runpy.run_path(manage, run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except KeyboardInterrupt:
        traceback.print_exc()
        interrupted = True
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)


def like(stream: Any, handle: int) -> io.TextIOWrapper:
    """A stream that writes at once, as PYTHONUNBUFFERED asks for."""
    raw = io.FileIO(handle, "w", closefd=False)
    return io.TextIOWrapper(raw, stream.encoding, stream.errors, write_through=True)  # type: ignore[arg-type]


class ForkServer:
    """The server of one test process."""

    def __init__(self) -> None:
        self.environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        self._home = tempfile.mkdtemp(prefix="fork-")
        address = f"{self._home}/socket"
        #: A command for shells: manage.py, forked.
        self.command = f"{sys.executable} -S {Path(__file__).with_name('forked.py')} {address} {MANAGE}"
        with theirs, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen()
            inherited = [theirs.fileno(), listener.fileno()]
            self._process = subprocess.Popen(
                [sys.executable, __file__, *map(str, inherited)],
                pass_fds=inherited,
                env=self.environment,
            )
        atexit.register(self.close)

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    def fork(self, asked: dict[str, Any], handles: list[int]) -> None:
        """Fork a child; the last handle is told its pid, and later how it ended."""
        data = json.dumps(asked).encode()
        with self._lock:
            socket.send_fds(self._control, [LENGTH.pack(len(data))], handles)
            self._control.sendall(data)


class Forked(subprocess.Popen):  # type: ignore[type-arg]
    """A manage.py like that of Popen, but forked."""

    def __init__(
        self, server: ForkServer, *arguments: str, manage: str = MANAGE, **settings: Any
    ) -> None:
        self._server = server
        self._manage = manage
        self._arguments = arguments
        super().__init__([sys.executable, manage, *arguments], **settings)

    def _execute_child(  # type: ignore[override]
        self,
        args: Any,
        executable: Any,
        preexec_fn: Any,
        close_fds: Any,
        pass_fds: Any,
        cwd: Any,
        env: Any,
        startupinfo: Any,
        creationflags: Any,
        shell: Any,
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        *rest: Any,
    ) -> None:
        self._status, told = os.pipe()
        asked = {
            "manage": self._manage,
            "arguments": self._arguments,
            "env": dict(os.environ if env is None else env),
            "cwd": os.fspath(cwd or Path.cwd()),
            "streams": [0, 1, 2],
            "ignored": [
                int(number)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
                if signal.getsignal(number) == signal.SIG_IGN
            ],
        }
        given = (p2cread, c2pwrite, errwrite)
        handles = [place if handle == -1 else handle for place, handle in enumerate(given)]
        self._server.fork(asked, [*handles, told])
        os.close(told)
        self.pid = STATUS.unpack(os.read(self._status, STATUS.size))[0]
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if wait_flags & os.WNOHANG and not select.select([self._status], [], [], 0)[0]:
            return 0, 0
        data = os.read(self._status, STATUS.size)
        os.close(self._status)
        return self.pid, STATUS.unpack(data)[0] if data else signal.SIGKILL

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:  # type: ignore[override]
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid == self.pid:
                        self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


if __name__ == "__main__":
    array.array("i")  # recv_fds needs it loaded
    serve(*(socket.socket(fileno=int(number)) for number in sys.argv[1:]))
