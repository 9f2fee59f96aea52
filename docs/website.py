"""`python3 run.py docs`: writes docs/ as a site into site/, and says how to read it."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BUILD = ("build", "--strict", "--quiet", "-f", "docs/theme/mkdocs.yml")


def main() -> None:
    """Build it; further arguments are mkdocs's own, such as --site-dir."""
    # mkdocs-material prints a notice about the project's future at each start.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", *BUILD, *sys.argv[1:]]
    code = subprocess.run(command, cwd=PROJECT, env=environment).returncode
    if code:
        sys.exit(code)
    if len(sys.argv) == 1:
        sys.stdout.write(
            "The site is in site/: open site/index.html in a browser. Its search needs a server:\n"
            "python3 -m http.server -d site 8000, then http://127.0.0.1:8000/\n"
        )


if __name__ == "__main__":
    main()
