"""A command for shells that is manage.py, forked by the server of a test process: forkserver.py.

Run by a Python that imports next to nothing: its streams, open or not, become those of the child.
"""

import fcntl
import json
import os
import signal
import socket
import struct
import sys

# As forkserver.py has them, whose imports take longer than all of this.
LENGTH = struct.Struct("=I")
STATUS = struct.Struct("=i")


def main(address: str, manage: str, *arguments: str) -> None:
    """Ask for a child, wait for it, and end as it does."""
    streams = [place for place in range(3) if is_open(place)]
    with socket.socket(socket.AF_UNIX) as first:
        control = socket.socket(fileno=fcntl.fcntl(first.fileno(), fcntl.F_DUPFD_CLOEXEC, 10))
    control.connect(address)
    asked = {
        "arguments": arguments,
        "env": dict(os.environ),
        "cwd": os.getcwd(),  # noqa: PTH109
        "ignored": [],
        "streams": streams,
    }
    data = json.dumps(asked).encode()
    socket.send_fds(control, [LENGTH.pack(len(data))], streams)
    control.sendall(data)
    if not control.recv(STATUS.size):  # a variable needs a Python of its own
        os.execv(sys.executable, [sys.executable, manage, *arguments])
    for place in streams:
        os.close(place)
    code = os.waitstatus_to_exitcode(STATUS.unpack(control.recv(STATUS.size, socket.MSG_WAITALL))[0])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def is_open(place: int) -> bool:
    try:
        os.fstat(place)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
