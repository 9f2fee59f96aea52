#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from app import start

if __name__ == "__main__":
    start.begin("manage.py")

MODULE = "DJANGO_SETTINGS_MODULE"
OURS = "app.settings"


def main() -> None:
    """Run a command of Django's or ours."""
    try:
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import ManagementUtility, get_commands
    except ImportError:
        start.end("manage.py: this Python has no Django: use python3 run.py manage ARGS...")
    from typing import Any

    from app.rotation.engine.errors import in_a_line

    class Utility(ManagementUtility):
        """Django's, which says in one line what keeps it from loading a command."""

        def fetch_command(self, subcommand: str) -> Any:
            if isinstance(self.settings_exception, ImproperlyConfigured):
                raise self.settings_exception
            if self.settings_exception:
                why = in_a_line(self.settings_exception)
                start.end(f"manage.py: {MODULE}={os.environ[MODULE]} can't be imported: {why}")
            if subcommand not in get_commands():
                theirs = os.environ[MODULE]
                where = "" if theirs == OURS else f" ({MODULE}={theirs})"
                start.end(
                    f"manage.py: unknown command {subcommand!r}{where}; manage.py help lists them", 2
                )
            command = super().fetch_command(subcommand)
            start.begun()
            return command

    utility = Utility(sys.argv)
    try:
        settings.INSTALLED_APPS  # noqa: B018
    except (ImproperlyConfigured, ImportError):
        pass  # told by whatever needs them
    except Exception as error:
        if "--traceback" in sys.argv:
            raise
        start.end(f"manage.py: {MODULE}={os.environ[MODULE]} can't be imported: {in_a_line(error)}")
    utility.execute()


if __name__ == "__main__":
    os.environ[MODULE] = os.environ.get(MODULE) or OURS
    if os.environ[MODULE].startswith("."):
        start.end(
            f"manage.py: {MODULE}={os.environ[MODULE]}: name the module in full, e.g. app.settings"
        )
    start.run("manage.py", main)
