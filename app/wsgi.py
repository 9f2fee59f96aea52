"""The entry point for gunicorn."""

import os

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
for name in ("SECRET_KEY", "ALLOWED_HOSTS"):
    if settings.PRODUCTION and not os.environ.get(name):
        raise ImproperlyConfigured(f"{name} is not set: the site needs it from the environment")
application = get_wsgi_application()
