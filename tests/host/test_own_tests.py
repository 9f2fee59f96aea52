"""A host's own tests pass unchanged, and its database can be flushed, dumped and loaded."""

import pytest

from tests.host.project import Host

TESTS = """
import uuid

from django.core.management import call_command
from django.db import connection
from django.test import TestCase, TransactionTestCase

from app.accounts.models import Account


class Plain(TestCase):
    def test_row(self):
        Account.objects.create()
        self.assertEqual(Account.objects.count(), 1)


class Flushed(TransactionTestCase):
    def test_first(self):
        Account.objects.create()

    def test_second(self):
        self.assertEqual(Account.objects.count(), 0)


class Rotated(TransactionTestCase):
    reset_sequences = True

    def rotate(self):
        old = uuid.uuid4()
        row = Account.objects.create(api_key=old)
        call_command("rotate_tokens_sql", verbosity=0)
        row.refresh_from_db()
        self.assertNotEqual(row.api_key, old)
        Account.objects.filter(pk=row.pk).update(api_key=old)  # the guard keeps the new one
        row.refresh_from_db()
        self.assertNotEqual(row.api_key, old)

    def test_once(self):
        self.rotate()

    def test_again_after_a_flush(self):
        self.rotate()
        Account.objects.create()


class AfterThem(TransactionTestCase):
    serialized_rollback = True

    def test_tables(self):
        from rotate_tokens.models import Rotation

        self.assertEqual(Rotation.objects.count(), 0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^rotation_revoked_[0-9]+$'")
            self.assertEqual(cursor.fetchone(), (0,))
"""
NAMED = "DATABASES['default']['TEST'] = {'NAME': 'test_' + DATABASES['default']['NAME']}"


@pytest.mark.long
def test_its_tests_pass(host: Host) -> None:
    host.manage("makemigrations", "accounts")
    host.write("app/accounts/tests.py", TESTS)
    done = host.try_to("test", "--noinput", MORE=NAMED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 6 tests" in done.stderr


def test_its_tests_pass_without_migrations(host: Host) -> None:
    """As some projects run them, for speed: the state's tables are there, and nothing that guards."""
    host.write("app/accounts/tests.py", TESTS)
    none = f"{NAMED}; MIGRATION_MODULES = {{'accounts': None, 'rotation': None}}"
    tests = [f"app.accounts.tests.{name}" for name in ("Plain", "Flushed")]
    done = host.try_to("test", "--noinput", *tests, MORE=none)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 3 tests" in done.stderr


def test_flush(host: Host) -> None:
    """Of what holds nothing; and of what holds evidence, only where a database is a test's."""
    host.set_up()
    host.manage("flush", "--noinput")
    host.fill()
    host.rotate()
    done = host.try_to("flush", "--noinput", "--traceback")  # without it, Django tells no reason
    assert done.returncode == 1
    assert "TRUNCATE not allowed on" in done.stderr
    assert "migrate rotation zero" in done.stderr
    assert host.is_rotated()


def test_dump_and_load(host: Host) -> None:
    host.set_up()
    host.fill()
    host.rotate()
    dumped = host.manage("dumpdata", "accounts")
    host.write("rows.json", dumped)
    host.db.sql("TRUNCATE accounts_account")
    host.manage("loaddata", "rows.json")
    assert host.is_rotated()
    assert host.manage("rotation", "verify")


@pytest.mark.long
def test_dump_with_the_state(host: Host) -> None:
    """The state's rows go into another database; the hashes, which no model has, don't."""
    host.set_up()
    host.fill()
    host.rotate()
    host.write("all.json", host.manage("dumpdata", "accounts", "rotation"))
    host.manage("migrate", "rotation", "zero", "-v", "0")
    host.manage("migrate", "-v", "0")
    host.db.sql("TRUNCATE accounts_account")
    host.manage("loaddata", "all.json")
    assert host.is_rotated()
