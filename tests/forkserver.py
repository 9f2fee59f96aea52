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
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
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
LENGTH = struct.Struct("=I")
STATUS = struct.Struct("=i")


def serve(control: socket.socket) -> None:
    """Fork a child for each request, and tell its exit status, until the tests' end."""
    for name in IMPORTED:
        __import__(name)
    gc.freeze()  # else the first collection of each child copies all of this
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    told: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control, awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with contextlib.suppress(OSError):
                    os.write(told[ended[0]], STATUS.pack(ended[1]))
                os.close(told.pop(ended[0]))
        if control not in ready:
            continue
        head, handles, _, _ = socket.recv_fds(control, LENGTH.size, 4)
        if not head:
            return
        asked = json.loads(control.recv(LENGTH.unpack(head)[0], socket.MSG_WAITALL))
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            for other in (control.fileno(), awake, wake, *told.values()):
                os.close(other)
            become(asked, handles)
        control.sendall(STATUS.pack(pid))
        for handle in handles[:3]:
            os.close(handle)
        told[pid] = handles[3]


def become(asked: dict[str, Any], handles: list[int]) -> None:
    """Be manage.py, to the end of this process."""
    for place, handle in enumerate(handles[:3]):
        os.dup2(handle, place)
    for handle in handles:
        os.close(handle)
    # What Python found out about the server's own streams is not true here: they may be pipes.
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = like(sys.stdout, 1)
    sys.stderr = sys.__stderr__ = like(sys.stderr, 2)
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
    sys.argv = [MANAGE, *asked["arguments"]]
    sys.path[0] = str(Path(MANAGE).parent)
    code, interrupted = 1, False
    try:
        runpy.run_path(MANAGE, run_name="__main__")
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
        self.environment = dict(os.environ)
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=self.environment | {"PYTHONUNBUFFERED": "1"},
            )
        atexit.register(self.close)

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._process.wait()

    def fits(self, environment: dict[str, str]) -> bool:
        """Whether a process with that environment can be forked: all that is read once is the same."""
        ours = self.environment | {"PYTHONUNBUFFERED": "1"}
        names = {name for name in (*ours, *environment) if name.startswith(READ_ONCE)}
        return all(ours.get(name) == environment.get(name) for name in names)

    def fork(self, asked: dict[str, Any], handles: list[int]) -> int:
        """Fork a child; its pid."""
        data = json.dumps(asked).encode()
        with self._lock:
            socket.send_fds(self._control, [LENGTH.pack(len(data))], handles)
            self._control.sendall(data)
            return int(STATUS.unpack(self._control.recv(STATUS.size, socket.MSG_WAITALL))[0])


class Forked(subprocess.Popen):  # type: ignore[type-arg]
    """A manage.py like that of Popen, but forked."""

    def __init__(self, server: ForkServer, *arguments: str, **settings: Any) -> None:
        self._server = server
        self._arguments = arguments
        super().__init__([sys.executable, MANAGE, *arguments], **settings)

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
            "arguments": self._arguments,
            "env": dict(os.environ if env is None else env),
            "cwd": os.fspath(cwd or Path.cwd()),
            "ignored": [
                int(number)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
                if signal.getsignal(number) == signal.SIG_IGN
            ],
        }
        given = (p2cread, c2pwrite, errwrite)
        handles = [place if handle == -1 else handle for place, handle in enumerate(given)]
        self.pid = self._server.fork(asked, [*handles, told])
        os.close(told)
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
    serve(socket.socket(fileno=int(sys.argv[1])))
