#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

try:
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
except ImportError:
    sys.exit("manage.py: this Python has no Django: use python3 run.py manage ARGS...")

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
    try:
        settings.DATABASES  # noqa: B018 (reads the settings now, to tell of a mistake in one line)
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")
    except ImportError as error:
        module = os.environ["DJANGO_SETTINGS_MODULE"]
        sys.exit(f"manage.py: DJANGO_SETTINGS_MODULE={module} can't be imported: {error}")
    execute_from_command_line(sys.argv)
