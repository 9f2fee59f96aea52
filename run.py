#!/usr/bin/env python3
"""Everything from one command: sets up what it needs in .venv/, then does what it is asked.

    python3 run.py demo [--size N]    rotate a million sample tickets, interrupted and resumed
    python3 run.py demo --web         the site, with rotations to watch, steer and read
    python3 run.py test [ARGS]        run the tests (or pytest's arguments; --quick: some; --whole: all)
    python3 run.py matrix             the main tests on every Python, Django and PostgreSQL available
    python3 run.py bench [ARGS]       measure, side by side (see benchmarks/)
    python3 run.py chaos [--quick]    break it, hundreds of times, and count what was lost
    python3 run.py pictures           make docs/img/*.png again, from real runs (needs Chromium)
    python3 run.py docs               write the site of docs into site/
    python3 run.py manage ARGS        manage.py, in that environment
    python3 run.py stop               stop the embedded PostgreSQL

Needs Python 3.10 or later with venv and pip (Debian, Ubuntu: the package python3-venv), and nothing
else. Kept in a syntax that older ones can read, so that they can say so.
"""

import os
import sys

if sys.version_info < (3, 10):
    sys.exit(
        "run.py: Python 3.10 or later is needed; this is %d.%d (%s)"
        % (sys.version_info[0], sys.version_info[1], sys.executable)
    )

from app import start

if __name__ == "__main__":
    start.begin("run.py")

import contextlib
import fcntl
import hashlib
import shutil
import signal
import subprocess

PROJECT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(PROJECT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")

RUN = ["requirements.txt", "app/localpg/requirements.txt"]
BENCH = RUN + ["benchmarks/requirements.txt"]
TEST = RUN + ["tests/requirements.txt"]
DOCS = ["docs/requirements.txt"]

#: Exit code of a Python in .venv/ that another one has made.
OTHER_PYTHON = 9

#: verb: (what it needs, what is run in the project's environment)
VERBS = {
    "demo": (RUN, ["-m", "app.tickets.demo"]),
    "test": (TEST, ["-m", "pytest"]),
    "chaos": (TEST, ["-m", "tests.chaos"]),
    "matrix": (TEST, ["-m", "tests.matrix"]),
    "pictures": (TEST, ["-m", "docs.pictures"]),
    "bench": (BENCH, ["-m", "benchmarks"]),
    "docs": (DOCS, ["-m", "docs.website"]),
    "manage": (RUN, [os.path.join(PROJECT, "manage.py")]),
    "stop": (RUN, ["-m", "app.localpg", "stop"]),
}
#: Those whose programs call app/start.py's `begin`.
BEGIN = ("demo", "manage", "pictures", "stop")


def main(arguments):
    """Set up, then exec the program that the verb names."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        return
    verb = arguments[0]
    if verb not in VERBS:
        told = (verb, ", ".join(VERBS), " ".join(arguments))
        text = "run.py: unknown verb %r; expected one of %s (of manage.py: python3 run.py manage %s)\n"
        sys.stderr.write(text % told)
        sys.exit(2)
    needs, program = VERBS[verb]
    if missing_of(needs):  # else its directory need not even be writable
        with locked():
            set_up(needs)
    if verb != "manage":  # a path in manage's arguments is relative to where the user stands
        os.chdir(PROJECT)
    sys.stdout.flush()
    if verb in BEGIN:  # they receive these signals as soon as they can answer them
        signal.pthread_sigmask(signal.SIG_BLOCK, start.NAMES)
    os.execv(PYTHON, [PYTHON] + program + arguments[1:])


@contextlib.contextmanager
def locked():
    """Let one process at a time set up; the others wait for it."""
    try:
        handle = open(os.path.join(PROJECT, ".run.lock"), "w")
    except OSError as error:
        sys.exit("run.py: can't write to %s: %s" % (PROJECT, error.strerror))
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def set_up(requirements):
    """Install the requirements in .venv/, unless they are there already."""
    missing = missing_of(requirements)
    if not missing:  # another process has installed them meanwhile
        return
    print("Setting up .venv/ (once) ...")
    sys.stdout.flush()
    if not has_same_python():
        make_venv()
    install = ["install", "-q", "--disable-pip-version-check", "--no-input"]
    for name in missing:
        install += ["-r", os.path.join(PROJECT, name)]
    if works([PYTHON, "-m", "pip", "--version"]):
        done = subprocess.run([PYTHON, "-m", "pip"] + install)
    else:
        done = subprocess.run([sys.executable, "-m", "pip", "--python", PYTHON] + install)
    if done.returncode:
        sys.exit("run.py: pip could not install %s: see above" % ", ".join(missing))
    for name in missing:
        open(stamp(name), "w").close()


def missing_of(requirements):
    """Those requirements that are not installed in .venv/ for this Python."""
    usable = has_same_python()
    return [name for name in requirements if not (usable and os.path.exists(stamp(name)))]


def has_same_python():
    """Whether .venv/ is there, and made by this Python. Ends the program if it can't even be asked."""
    if not os.path.exists(PYTHON):
        return False
    ask = "import sys; sys.exit(%d * (sys.version != %r))" % (OTHER_PYTHON, sys.version)
    try:
        answer = subprocess.run([PYTHON, "-c", ask], stderr=subprocess.DEVNULL).returncode
    except OSError as error:
        answer = error.strerror
    if answer not in (0, OTHER_PYTHON):  # it works elsewhere, perhaps: keep it
        start.end(
            "run.py: %s does not run (%s): raise the limits of this process (ulimit -v, -n, -u), or"
            " delete .venv" % (PYTHON, answer)
        )
    return answer == 0


def stamp(name):
    """The file that marks a requirements file, in its current version, as installed."""
    with open(os.path.join(PROJECT, name), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return os.path.join(VENV, "installed-%s" % digest[:16])


def make_venv():
    """Create .venv/, with pip in it or, where Python came without ensurepip, with pip beside it."""
    shutil.rmtree(VENV, ignore_errors=True)
    if not has_pip_source() and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Python came without venv and pip; as root, installing Debian's python3-venv ...")
        sys.stdout.flush()
        quiet = {
            "stdout": subprocess.DEVNULL,
            "env": dict(os.environ, DEBIAN_FRONTEND="noninteractive"),
        }
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "python3-venv"], **quiet)
    if not has_pip_source():
        sys.exit(
            "run.py: this Python came without pip: sudo apt install python3-venv (Debian, Ubuntu;"
            " elsewhere the package that has pip), then run the same command again"
        )
    extra = [] if works([sys.executable, "-c", "import ensurepip, venv"]) else ["--without-pip"]
    if subprocess.run([sys.executable, "-m", "venv"] + extra + [VENV]).returncode:
        sys.exit("run.py: python could not create %s: see above" % VENV)


def has_pip_source():
    """Whether pip is available: from ensurepip, or as an installed module."""
    return works([sys.executable, "-c", "import ensurepip"]) or works(
        [sys.executable, "-m", "pip", "--version"]
    )


def works(command):
    """Whether a command can be started and ends well."""
    try:
        quiet = subprocess.DEVNULL
        return subprocess.run(command, stdout=quiet, stderr=quiet).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    start.run("run.py", lambda: main(sys.argv[1:]))
