"""`python -m app.localpg stop`: stop the embedded server of this checkout."""

import sys

from app import start


def main() -> None:
    """Stop it, and say whether there was one."""
    from app.localpg.server import project_server

    if sys.argv[1:] != ["stop"]:
        start.end("run.py stop: takes no arguments", 2)
    server = project_server()
    stopped = "stopped" if server.stop() else "no embedded server was running"
    print(f"{stopped}; its data is in {server.home}")


if __name__ == "__main__":
    start.begin("run.py stop")
    start.run("run.py stop", main)
