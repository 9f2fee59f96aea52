"""A command on a terminal, and a person before it."""

import os
import pty
import select
import signal
import subprocess
import sys
import time

from tests.conftest import PROJECT, Database


def on_a_terminal(
    db: Database, answer: str | signal.Signals, *command: str, **also: str
) -> tuple[int, str]:
    """The exit code and output of a command whose user types an answer to its question, if it asks.

    `also`: variables of its environment.
    """
    mine, its = pty.openpty()
    environment = db.environment(**{"TERM": "xterm", **also})
    child = subprocess.Popen(
        [sys.executable, str(PROJECT / "manage.py"), *command],
        stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    said = ""
    answered = False
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([mine], [], [], 0.1)[0]:
            try:
                said += os.read(mine, 4096).decode()
            except OSError:  # its end of the terminal is closed
                break
        if "[y/N]" in said and not answered:
            answered = True
            if isinstance(answer, signal.Signals):
                child.send_signal(answer)
            else:
                os.write(mine, f"{answer}\n".encode())
    os.close(mine)
    return child.wait(30), said
