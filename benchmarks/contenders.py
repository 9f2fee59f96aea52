"""Other ways to do the same job, as a user would write each: `python -m benchmarks.contenders NAME`."""

import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.settings")
django.setup()

import pgbulk  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from app.tickets.models import Ticket  # noqa: E402
from benchmarks.measuring import bench_server  # noqa: E402

SAVES = 4000
#: Passes the guard as the rotation's own windows do.
PASS_GUARD = """
    SELECT set_config('rotation.active', concat(attrelid, '.', attnum), false)
    FROM pg_attribute WHERE attrelid = 'ticket'::regclass AND attname = 'token';
"""


def single_update() -> None:
    """One UPDATE of the whole table: nothing can be faster with one connection."""
    with connection.cursor() as cursor:
        cursor.execute(PASS_GUARD)
        cursor.execute("UPDATE ticket SET token = gen_random_uuid()")


def drop_index() -> None:
    """The fastest that one connection can: nobody else reads or writes until all is done."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE ticket")
        cursor.execute("ALTER TABLE ticket DROP CONSTRAINT ticket_token_key")
        single_update()
        cursor.execute("ALTER TABLE ticket ADD CONSTRAINT ticket_token_key UNIQUE (token)")


def psql_loop() -> None:
    """Windows of 10,000 keys, as psql does them one after the other: no checkpoint, no proof."""
    windows = """
        SELECT
            format(
                'UPDATE ticket SET token = gen_random_uuid() WHERE id BETWEEN %s AND %s',
                lo, lo + 9999
            )
        FROM generate_series(1, (SELECT max(id) FROM ticket), 10000) AS lo
        \\gexec
    """
    psql = bench_server().binaries / "psql"
    subprocess.run(
        [psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", os.environ["DATABASE_URL"]],
        input=PASS_GUARD + windows, text=True, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def brief() -> None:
    """The brief's own design: 50 objects at a time, bulk_update, a checkpoint for each chunk."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bench_checkpoint (last_id bigint NOT NULL)")
        cursor.execute("TRUNCATE bench_checkpoint; INSERT INTO bench_checkpoint VALUES (0)")
        for chunk in chunks(50):
            with transaction.atomic():
                Ticket.objects.bulk_update(chunk, ["token"])
                cursor.execute("UPDATE bench_checkpoint SET last_id = %s", [chunk[-1].pk])


def bulk_update() -> None:
    """Django's bulk_update, 1000 objects at a time."""
    for chunk in chunks(1000):
        Ticket.objects.bulk_update(chunk, ["token"])


def django_pgbulk() -> None:
    """django-pgbulk's UPDATE ... FROM (VALUES ...), 1000 objects at a time."""
    for chunk in chunks(1000):
        pgbulk.update(Ticket.objects.all(), chunk, ["token"])


def save() -> None:
    """Print how many milliseconds an ordinary save of a loaded ticket takes, as a median."""
    taken = []
    for ticket in Ticket.objects.order_by("pk")[:SAVES]:
        began = time.perf_counter()
        ticket.save()
        taken.append(1000 * (time.perf_counter() - began))
    sys.stdout.write(f"{statistics.median(taken)}\n")


def save_new() -> None:
    """Print how many milliseconds a save of a new ticket takes, as a median; rolled back."""
    taken = []
    with transaction.atomic():
        for _ in range(SAVES):
            began = time.perf_counter()
            Ticket(title="x").save()
            taken.append(1000 * (time.perf_counter() - began))
        transaction.set_rollback(True)
    sys.stdout.write(f"{statistics.median(taken)}\n")


def bulk_create() -> None:
    """Print how many milliseconds bulk_create takes for each of its new tickets; rolled back."""
    with transaction.atomic():
        tickets = [Ticket(title="x") for _ in range(SAVES)]
        began = time.perf_counter()
        Ticket.objects.bulk_create(tickets)
        taken = time.perf_counter() - began
        transaction.set_rollback(True)
    sys.stdout.write(f"{1000 * taken / SAVES}\n")


def chunks(size: int) -> Iterator[list[Ticket]]:
    """All tickets in the order of their ids, so many at a time, each with a new token."""
    last = 0
    while chunk := list(Ticket.objects.filter(pk__gt=last).order_by("pk")[:size]):
        for ticket in chunk:
            ticket.token = uuid.uuid4()
        yield chunk
        last = chunk[-1].pk


CONTENDERS: dict[str, Callable[[], None]] = {
    contender.__name__: contender
    for contender in (
        *(single_update, drop_index, psql_loop, brief, bulk_update, django_pgbulk),
        *(save, save_new, bulk_create),
    )
}

if __name__ == "__main__":
    CONTENDERS[sys.argv[1]]()
