"""The files of a stranger's Django project; benchmarks make one, too."""

#: What a host has of its own; `MORE` is what a test adds.
SETTINGS = """
import os

SECRET_KEY = "of a test"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "pgtrigger",
    "rotate_tokens",
    "app.accounts",
]
from app.database import DATABASE
DATABASES = {"default": DATABASE}
ROTATION = {"TARGET": "accounts.Account.api_key"}
exec(os.environ.get("MORE", ""))
"""
#: It reads the database's address as the tests give it.
DATABASE = """
import os
from urllib.parse import parse_qs, unquote, urlsplit

url = urlsplit(os.environ["DATABASE_URL"])
HOST = parse_qs(url.query).get("host", [unquote(url.netloc.rpartition("@")[2].partition(":")[0])])[0]
DATABASE = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": url.path.lstrip("/"),
    "USER": url.username,
    "PASSWORD": url.password or "",
    "HOST": HOST,
    "PORT": url.port or "",
}
"""
MODELS = """
import uuid

from django.db import models
from rotate_tokens.triggers import TokenGuard


class Account(models.Model):
    api_key = models.UUIDField(default=uuid.uuid4, unique=True)

    class Meta:
        triggers = [TokenGuard("api_key")]
"""
MANAGE = """
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "app.settings"
from django.core.management import execute_from_command_line

execute_from_command_line(sys.argv)
"""
FILES = {
    "manage.py": MANAGE,
    "app/__init__.py": "",
    "app/settings.py": SETTINGS,
    "app/database.py": DATABASE,
    "app/accounts/__init__.py": "",
    "app/accounts/models.py": MODELS,
    "app/accounts/migrations/__init__.py": "",
}
