"""Whatever a host's settings are, check, makemigrations --check, migrate and a rotation are clean."""

import re

import pytest

from tests.host.files import MODELS
from tests.host.project import Host

ROUTER = """
class Router:
    def db_for_read(self, model, **hints):
        return "default"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_migrate(self, db, app_label, **hints):
        return db == "default"
"""
BARE = """
from django.db import models


class Account(models.Model):
    pass
"""
USER = """
from django.contrib.auth.models import AbstractUser


class Person(AbstractUser):
    pass
"""
VARIANTS = {
    "as it is": "",
    "AutoField, no time zones, connections that stay": (
        "DEFAULT_AUTO_FIELD = 'django.db.models.AutoField';"
        "USE_TZ = False; TIME_ZONE = 'Asia/Kathmandu';"
        "DATABASES['default'] |= {'CONN_MAX_AGE': None, 'CONN_HEALTH_CHECKS': True}"
    ),
    "BigAutoField, ATOMIC_REQUESTS, ours before pgtrigger": (
        "DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField';"
        "DATABASES['default']['ATOMIC_REQUESTS'] = True; INSTALLED_APPS.insert(0, INSTALLED_APPS.pop(3))"
    ),
    "a router, several databases": (
        "DATABASE_ROUTERS = ['app.router.Router']; DATABASES['other'] = DATABASE"
    ),
    "a database that is not PostgreSQL's, without a router": (
        "DATABASES['legacy'] = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'legacy.sqlite3'}"
    ),
    "another user model, MIGRATION_MODULES": (
        "INSTALLED_APPS.append('app.people'); AUTH_USER_MODEL = 'people.Person';"
        "MIGRATION_MODULES = {'accounts': 'app.moved'}"
    ),
    "a schema of its own, today's names": (
        "DATABASES['default']['OPTIONS'] = {'options': '-c search_path=tenant'};"
        "del ROTATION; ROTATION_TARGET = 'accounts.Account.api_key'"
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants(host: Host, name: str) -> None:
    host.more["MORE"] = VARIANTS[name]
    host.write("app/router.py", ROUTER)
    host.write("app/people/__init__.py", "")
    host.write("app/people/models.py", USER)
    host.write("app/moved/__init__.py", "")
    schema = "public"
    if "tenant" in VARIANTS[name]:
        schema = "tenant"
        host.db.sql("CREATE SCHEMA tenant")
    if "people" in VARIANTS[name]:
        host.manage("makemigrations", "people")
    host.set_up()
    if "legacy" in VARIANTS[name]:
        host.manage("migrate", "--database", "legacy", "-v", "0")
        host.manage("migrate", "rotation", "zero", "--database", "legacy", "-v", "0")
    host.fill(f"{schema}.accounts_account")
    host.rotate() if schema == "public" else host.manage("rotate_tokens_sql")
    assert host.is_rotated(f"{schema}.accounts_account")


def test_the_guard_of_a_model_without_the_state(host: Host) -> None:
    """Its migration may come first, alone, and be reversed."""
    host.manage("makemigrations", "accounts")
    host.manage("migrate", "accounts", "-v", "0")
    host.fill()
    host.manage("migrate", "rotation", "-v", "0")
    assert "is guarded by" in host.manage("rotation", "guard", "status")
    host.manage("migrate", "accounts", "zero", "-v", "0")
    host.manage("migrate", "rotation", "zero", "-v", "0")
    host.manage("migrate", "-v", "0")
    host.fill()
    host.rotate()


def test_the_guard_is_added_later(host: Host) -> None:
    host.write("app/accounts/models.py", MODELS.replace('triggers = [TokenGuard("api_key")]', "pass"))
    host.set_up()
    host.write("app/accounts/models.py", MODELS)
    host.manage("makemigrations", "accounts")
    host.manage("migrate", "-v", "0")
    host.fill()
    host.rotate()


def test_a_guard_that_is_reversed_stays_away(host: Host) -> None:
    """And one that has not come yet does not come early, nor on a column that is not there."""
    host.write("app/accounts/models.py", BARE)
    host.set_up(MORE="ROTATION = {}")
    guarded = MODELS.replace("default=uuid.uuid4, unique=True", "null=True")
    for then in (guarded.replace('triggers = [TokenGuard("api_key")]', "pass"), guarded):
        host.write("app/accounts/models.py", then)
        host.manage("makemigrations", "accounts")
    for asked, expected in (("auth", 0), ("accounts 0002", 0), ("accounts", 2), ("accounts 0002", 0)):
        host.manage("migrate", *asked.split(), "-v", "0")
        assert guards(host) == expected, asked


def guards(host: Host) -> int:
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'accounts_account'::regclass"
    return int(host.db.value(f"{triggers} AND NOT tgisinternal"))


def test_it_is_removed(host: Host) -> None:
    """By the steps of docs/upgrade.md, after which nothing of it is imported."""
    host.set_up()
    host.fill()
    host.rotate()
    host.write("app/accounts/models.py", MODELS.replace('triggers = [TokenGuard("api_key")]', "pass"))
    host.manage("makemigrations", "accounts")
    host.manage("migrate", "accounts", "-v", "0")
    host.manage("migrate", "rotation", "zero", "-v", "0")
    for migration in (host.folder / "app/accounts/migrations").glob("0*.py"):
        text = re.sub("^import (pgtrigger|rotate_tokens).*\n", "", migration.read_text(), flags=re.M)
        operation = r"^        pgtrigger\.migrations\.\w+\(\n(            .*\n)*        \),\n"
        migration.write_text(re.sub(operation, "", text, flags=re.M))
    without = MODELS.replace('triggers = [TokenGuard("api_key")]', "pass")
    host.write(
        "app/accounts/models.py", without.replace("from rotate_tokens.triggers import TokenGuard", "")
    )
    host.path = str(host.folder)
    gone = {"MORE": "del ROTATION; INSTALLED_APPS[2:4] = []"}
    host.manage("makemigrations", "--check", "--dry-run", **gone)
    host.manage("migrate", "-v", "0", **gone)
    left = "SELECT relname FROM pg_class WHERE relname ~ 'rotation|batchprogress'"
    assert host.db.sql(f"{left} AND relnamespace = 'public'::regnamespace") == []
    functions = "SELECT proname FROM pg_proc WHERE proname ~ 'rotation|pgtrigger'"
    assert host.db.sql(f"{functions} AND pronamespace = 'public'::regnamespace") == []
    assert guards(host) == 0


def test_pgtrigger_says_the_truth_of_a_guard(host: Host) -> None:
    """Its trigger always fires, which django-pgtrigger alone takes for disabled, and would undo."""
    host.set_up()
    assert "INSTALLED" in (said := host.manage("pgtrigger", "ls")) and "ENABLED" in said
    host.manage("pgtrigger", "disable")
    assert "DISABLED" in host.manage("pgtrigger", "ls")
    assert "W003" in host.try_to("check", "--database", "default").stderr
    host.manage("pgtrigger", "enable")
    assert "DISABLED" not in host.manage("pgtrigger", "ls")
    states = "SELECT DISTINCT tgenabled FROM pg_trigger WHERE tgrelid = 'accounts_account'::regclass"
    assert host.db.sql(f"{states} AND NOT tgisinternal") == [("A",)]
    assert "rotat" not in host.try_to("check", "--database", "default").stderr


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'x'}}",
            "(rotate_tokens.E001) rotate_tokens needs PostgreSQL, and",
        ),
        ("ROTATION = {'TARGET': 'accounts.Account.token'}", "(rotate_tokens.E003)"),
        ("ROTATION = {'TARGET': 'Account'}", "expected app label, model and field, joined by dots"),
        ("ROTATION = {'TARGET': 'project.accounts.Account.api_key'}", "(rotate_tokens.E003)"),
        ("ROTATION = {'TARGETS': {}, 'TARGE': ''}", "(rotate_tokens.E002)"),
        ("ROTATION = ['accounts.Account.api_key']", "settings.ROTATION is no dictionary"),
        ("ROTATION = {1: 'accounts.Account.api_key'}", "does not know: 1"),
        ("ROTATION = {'METRICS': '0'}", "METRICS '0', which is not True or False"),
        ("ROTATION = {'TARGET': 'auth.User.groups'}", "it is no column of a table"),
    ],
)
def test_check_says_what_is_wrong_with_settings(host: Host, more: str, says: str) -> None:
    done = host.try_to("check", MORE=more)
    assert done.returncode == 1
    assert says in done.stderr
    assert "HINT: " in done.stderr
    assert "Traceback" not in done.stderr


def test_check_says_what_is_missing_in_a_database(host: Host) -> None:
    assert "rotate_tokens.W001" in host.try_to("check", "--database", "default").stderr
    host.set_up()
    assert "rotat" not in host.try_to("check", "--database", "default").stderr
    host.manage("pgtrigger", "uninstall")
    said = host.try_to("check", "--database", "default").stderr
    assert "rotate_tokens.W002" in said
    away = host.try_to("check", "--database", "default", MORE="DATABASES['default']['NAME'] = 'nosuch'")
    assert "rotate_tokens.W004" in away.stderr
    assert "database default could not be checked: " in away.stderr
    mute = host.try_to("check", MORE="ROTATION['HOOK'] = '/no/such https://secret'")
    assert "rotate_tokens.W005" in mute.stderr
    assert "secret" not in mute.stderr
    assert "python manage.py migrate" in said


def test_without_pgtrigger(host: Host) -> None:
    done = host.try_to("check", MORE="INSTALLED_APPS.remove('pgtrigger')")
    assert 'add "pgtrigger" to INSTALLED_APPS' in done.stderr


def test_a_model_in_another_app_named_like_ours(host: Host) -> None:
    """A host's own package `app` is untouched: its modules are found, and none of ours."""
    host.set_up()
    code = "import app, rotate_tokens; print(app.__file__, rotate_tokens.__file__)"
    own, ours = host.manage("shell", "-c", code).split()[-2:]
    assert own == str(host.folder / "app" / "__init__.py")
    assert ours.startswith(host.path)
