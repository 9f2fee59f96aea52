"""The owner of a guarded table goes on as before: it creates partitions, and restores triggers."""

from tests.conftest import Database
from tests.proof.account import ACCOUNT, make, parts, rotate
from tests.proof.mallory import acting
from tests.proof.roles import as_role
from tests.proof.test_trespass import granted


def test_owner_of_a_partitioned_table_creates_a_partition(db: Database, runner: str) -> None:
    """A superuser rotates; the application's role, which owns the table, makes tomorrow's partition."""
    parts(db)
    db.sql(
        f"ALTER TABLE account OWNER TO {runner}; ALTER TABLE low OWNER TO {runner};"
        f"ALTER TABLE high OWNER TO {runner}; GRANT CREATE ON SCHEMA public TO {runner}"
    )
    with acting(db, runner) as (_, app):
        app.execute("CREATE TABLE before_it PARTITION OF account FOR VALUES FROM (1000) TO (2000)")
    db.sql(f"REVOKE CREATE ON SCHEMA public FROM {runner}; CREATE SCHEMA own AUTHORIZATION {runner}")
    rotate(db)
    with acting(db, runner) as (_, app):
        app.execute("CREATE TABLE own.after_it PARTITION OF account FOR VALUES FROM (2000) TO (3000)")


def test_owner_restores_what_it_dumped(db: Database, runner: str) -> None:
    """CREATE TRIGGER needs EXECUTE on the guard's function: the owner of the table has none."""
    make(db)
    db.sql(f"ALTER TABLE account OWNER TO {runner}")
    rotate(db)
    trigger = db.sql(
        "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'account'::regclass"
    )
    with acting(db, runner) as (_, app):
        for name, definition in trigger:
            app.execute(f"DROP TRIGGER {name} ON account; {definition}")


def test_member_of_the_owning_role_creates_a_partition(db: Database, runner: str) -> None:
    """The guard was installed by one member of the role that owns the table."""
    parts(db)
    alice = f"alice_{db.name}"
    group = f"group_{db.name}"
    db.sql(f"CREATE ROLE {group}; CREATE ROLE {alice} LOGIN IN ROLE {group}; GRANT {group} TO {runner};"
           f"GRANT CREATE ON SCHEMA public TO {group};"
           f"ALTER TABLE account OWNER TO {group}; ALTER TABLE low OWNER TO {group};"
           f"ALTER TABLE high OWNER TO {group}; REVOKE CREATE ON SCHEMA public FROM {group};"
           f"CREATE SCHEMA own AUTHORIZATION {group}")  # fmt: skip
    granted(db, alice)
    try:
        done = as_role(db, alice, "rotate_tokens_sql", *ACCOUNT)
        assert done.code == 0, done.err
        with acting(db, runner) as (_, app):
            app.execute("CREATE TABLE own.later PARTITION OF account FOR VALUES FROM (2000) TO (3000)")
    finally:
        db.sql(
            f"DROP SCHEMA own CASCADE; DROP OWNED BY {alice}; DROP OWNED BY {group} CASCADE;"
            f"DROP ROLE {alice}; DROP ROLE {group}"
        )


def test_new_owner_creates_a_partition(db: Database, runner: str) -> None:
    """Who owned the table when the guard was installed may call it; so may who owns it now."""
    parts(db)
    rotate(db)
    db.sql(f"ALTER TABLE account OWNER TO {runner}; CREATE SCHEMA own AUTHORIZATION {runner}")
    told = db.call("rotation", "guard", "status", *ACCOUNT)
    assert told.code == 1
    assert "the owner of the table may not call its function" in told.err
    rotate(db)
    assert db.call("rotation", "guard", "status", *ACCOUNT).code == 0
    with acting(db, runner) as (_, app):
        app.execute("CREATE TABLE own.after_it PARTITION OF account FOR VALUES FROM (2000) TO (3000)")
