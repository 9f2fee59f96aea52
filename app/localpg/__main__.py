"""`python -m app.localpg stop`: stop the embedded server of this checkout."""

import sys

from app.localpg.server import project_server

if sys.argv[1:] != ["stop"]:
    sys.exit("usage: python -m app.localpg stop")
print("stopped" if project_server().stop() else "no embedded server was running")
