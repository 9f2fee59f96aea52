"""A role that is not a superuser does everything, with only the rights that docs/servers.md lists."""

from contextlib import closing

import psycopg2
import pytest

from tests.conftest import Database
from tests.proof.account import ACCOUNT, TWENTY, is_refused, left, make, old, rotate, still_guards
from tests.proof.roles import as_role, grants


def test_table_of_its_own_and_a_state_of_another_role(db: Database, runner: str) -> None:
    """It installs the guard, which then belongs to the owner of the state, and needs no more of it."""
    make(db)
    db.sql(f"ALTER TABLE account OWNER TO {runner}")
    for grant in grants()[1:]:
        db.sql(grant.replace("TO runner", f"TO {runner}"))
    done = as_role(db, runner, "rotate_tokens_sql", *ACCOUNT, "--window", "5")
    assert done.code == 0, done.out + done.err
    assert "guard installed" in done.out
    assert left(db) == 0
    still_guards(db)
    for action in (("verify",), ("guard", "status"), ("report", "--json"), ("status",)):
        done = as_role(db, runner, "rotation", *action, *(ACCOUNT if action[0] != "report" else ()))
        assert done.code == 0, done.err
    # The guard does not depend on them.
    db.sql(f"REVOKE ALL ON rotation, rotation_revoked, rotation_window FROM {runner}")
    with closing(db.connect(user=runner)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute("UPDATE account SET api_key = %s, note = 'z' WHERE id = 3", [old(db)])
        with pytest.raises(psycopg2.IntegrityError):
            cursor.execute("INSERT INTO account VALUES (901, %s)", [old(db)])
    assert left(db) == 0


def test_table_of_another_role(db: Database, runner: str) -> None:
    make(db)
    for grant in grants():
        db.sql(grant.replace("TO runner", f"TO {runner}"))
    done = as_role(db, runner, "rotate_tokens_sql", *ACCOUNT)
    assert (done.code, "may not install the guard" in done.err) == (1, True)
    done = as_role(db, runner, "rotate_tokens_sql", *ACCOUNT, "--no-guard")
    assert done.code == 0, done.out + done.err
    assert left(db) == 0
    # Once its owner has installed the guard, by a run or a migration, this role needs to install none.
    assert db.run("rotate_tokens_sql", *ACCOUNT, "--new").code == 0
    done = as_role(db, runner, "rotate_tokens_sql", *ACCOUNT, "--new")
    assert (done.code, "guard in place" in done.out) == (0, True), done.out + done.err


def test_who_may_write_to_the_state_does_not_say_what_was_revoked(db: Database, runner: str) -> None:
    """By a rotation that is said to have its snapshot, or that brings another salt, all would pass."""
    make(db)
    for grant in grants():
        db.sql(grant.replace("TO runner", f"TO {runner}"))
    rotate(db)
    columns = ", ".join(
        name for (name,) in db.sql(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'rotation'::regclass AND attnum > 1"
            " AND attname NOT IN ('salt', 'set_id', 'revoked', 'partitions', 'status')"
        )
    )  # fmt: skip
    begun = f"INSERT INTO rotation (status, {columns}{{}}) SELECT 'pending', {columns}{{}} FROM rotation"
    with closing(db.connect(user=runner)) as session, session.cursor() as cursor:
        for name, value in (("salt", "salt + 1"), ("set_id", "set_id"), ("revoked", "0")):
            with pytest.raises(
                psycopg2.errors.RaiseException, match="only the owner of the rotation tables may set"
            ):
                cursor.execute(begun.format(f", {name}", f", {value}"))
        with pytest.raises(
            psycopg2.errors.RaiseException, match="only the owner of the rotation tables may set"
        ):
            cursor.execute(begun.format(", partitions", ', \'{"1": "x"}\'::jsonb'))
        cursor.execute(begun.format("", ""))
        for name in ("salt", "set_id", "revoked"):
            with pytest.raises(
                psycopg2.errors.RaiseException, match="only the owner of the rotation tables may set"
            ):
                cursor.execute(f"UPDATE rotation SET {name} = 0 WHERE status = 'pending'")


LEFT_OUT = [
    *("SELECT (id)", "SELECT (api_key)", "UPDATE (api_key)"),
    *(f"{right} ON {table}" for table in ("rotation", "batchprogress", "rotation_leftover")
      for right in ("SELECT", "INSERT", "UPDATE")),
    *(f"{right} ON {table}" for table in ("rotation_window", "rotation_revoked")
      for right in ("SELECT", "INSERT")),
    *("EXECUTE ON FUNCTION rotation_hash(uuid, bigint)", "EXECUTE ON FUNCTION rotation_create_set"),
    "EXECUTE ON FUNCTION rotation_claim_snapshot",
    *("EXECUTE ON FUNCTION rotation_complete_set", "EXECUTE ON FUNCTION rotation_note_change"),
    *("EXECUTE ON FUNCTION rotation_inspect_guard", "EXECUTE ON FUNCTION rotation_prepare_guard"),
    *("EXECUTE ON FUNCTION rotation_target_shape", "EXECUTE ON FUNCTION rotation_advance"),
]  # fmt: skip


@pytest.mark.parametrize("right", LEFT_OUT)
def test_each_right_is_needed(db: Database, runner: str, right: str) -> None:
    """Without any one of them the run refuses, in one line that says what to grant."""
    make(db)
    for grant in grants():
        db.sql(grant.replace("TO runner", f"TO {runner}"))
    on = "" if " ON " in right else " ON account"
    db.sql(f"REVOKE {right}{on} FROM {runner}")
    done = as_role(db, runner, "rotate_tokens_sql", *ACCOUNT, "--no-guard")
    assert (done.code, len(done.err.splitlines())) == (1, 1), done.out + done.err
    assert "GRANT" in done.err
    assert left(db) == 20


def test_owner_of_the_state_needs_room_for_sets(db: Database, runner: str) -> None:
    """Each new column's set is a table; that is said before anything is started."""
    make(db)
    db.sql(
        "DO $$ DECLARE one record; BEGIN FOR one IN SELECT oid::regclass AS it FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND relname ~ 'rotation|batch'"
        f" LOOP EXECUTE 'ALTER TABLE ' || one.it || ' OWNER TO {runner}'; END LOOP; END $$;"
    )
    db.sql(f"ALTER TABLE account OWNER TO {runner}")
    for grant in grants():
        db.sql(grant.replace("TO runner", f"TO {runner}"))
    for also in (("--dry-run",), ()):
        done = as_role(db, runner, "rotate_tokens_sql", *ACCOUNT, *also)
        assert (done.code, f"GRANT CREATE ON SCHEMA public TO {runner}, then" in done.err) == (1, True)
    assert db.value("SELECT count(*) FROM rotation") == 0


def test_owner_of_everything(db: Database, runner: str) -> None:
    """Tables, state and migrations are the role's own: what most projects have."""
    assert db.call("migrate", "rotation", "zero", verbosity=0).code == 0
    db.sql(f"GRANT CREATE ON DATABASE {db.name} TO {runner}; CREATE SCHEMA own AUTHORIZATION {runner}")
    db.sql(
        f"ALTER ROLE {runner} SET search_path = own, public;"
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {runner}"
    )
    assert as_role(db, runner, "migrate", "rotation", "-v", "0").code == 0
    with closing(db.connect(user=runner)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute("CREATE TABLE account (id bigint PRIMARY KEY, api_key uuid, note text)")
        cursor.execute(TWENTY)
        cursor.execute("SELECT api_key::text FROM account WHERE id = 3")
        before = cursor.fetchone()[0]
    its = ("--table", "own.account", "--column", "api_key")
    for also in ((), ("--new",)):
        done = as_role(db, runner, "rotate_tokens_sql", *its, *also)
        assert done.code == 0, done.out + done.err
    is_refused(db, "INSERT INTO own.account VALUES (901, %s)", before)
    assert as_role(db, runner, "rotation", "guard", "status", *its).code == 0
    assert as_role(db, runner, "rotation", "guard", "drop", *its).code == 0
    assert as_role(db, runner, "migrate", "rotation", "zero", "-v", "0").code == 0
    db.sql("DROP SCHEMA own CASCADE")
