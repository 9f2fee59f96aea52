"""What is told of a guard that was changed, is lost, or leaves rows out."""

from contextlib import closing

from tests.conftest import Database
from tests.proof.account import ACCOUNT, FUNCTION, make, old, parts, rotate, still_guards


def test_trigger_that_fires_on_anything_else(rotated: Database) -> None:
    """A trigger recreated with another condition: status says so, and the next run fixes it."""
    db = rotated
    name, function = db.sql(
        "SELECT tgname, tgfoid::regproc FROM pg_trigger WHERE tgrelid = 'account'::regclass"
        " AND tgname LIKE '%update'"
    )[0]
    db.sql(
        f"DROP TRIGGER {name} ON account; CREATE TRIGGER {name} BEFORE UPDATE ON account FOR EACH ROW"
        f" WHEN (NEW.api_key IS DISTINCT FROM OLD.api_key AND NEW.id < 3) EXECUTE FUNCTION {function}();"
        f"ALTER TABLE account ENABLE ALWAYS TRIGGER {name}"
    )
    done = db.call("rotation", "guard", "status", *ACCOUNT)
    assert (done.code, "its trigger was changed" in done.err) == (1, True)
    rotate(db, "--new")
    still_guards(db)


def test_plan_kept_since_the_set_was_small_does_not_scan_it(rotated: Database) -> None:
    """While a snapshot fills the set, a scan would read what is not even committed."""
    guard = rotated.value(FUNCTION)
    config = "SELECT proconfig FROM pg_proc WHERE oid = %s::regproc"
    assert "enable_seqscan=off" in rotated.value(config, guard)
    rotated.sql(f"ALTER FUNCTION {guard}() RESET enable_seqscan")
    assert rotated.call("rotation", "guard", "status", *ACCOUNT).code == 1
    rotate(rotated)
    assert "enable_seqscan=off" in rotated.value(config, guard)


def test_inheritance_child_is_told_and_compared(rotated: Database) -> None:
    rotated.sql("CREATE TABLE child () INHERITS (account);"
                "INSERT INTO child VALUES (1001, gen_random_uuid())")  # fmt: skip
    rotated.sql("UPDATE account SET api_key = %s WHERE id = 1001", old(rotated))
    status = rotated.call("rotation", "guard", "status", *ACCOUNT)
    assert (status.code, "child" in status.err) == (1, True), status.err
    verified = rotated.call("rotation", "verify", *ACCOUNT)
    assert (verified.code, "id 1001" in verified.err) == (4, True), verified.err


def test_another_sessions_temporary_child_is_passed_over(rotated: Database) -> None:
    """Nobody else can read it."""
    with closing(rotated.connect()) as other, other.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE staging () INHERITS (account)")
        verified = rotated.call("rotation", "verify", *ACCOUNT)
    assert (verified.code, verified.err) == (0, "")


def test_copy_of_the_table_in_its_place_is_told_to_have_no_guard(rotated: Database) -> None:
    rotated.sql("CREATE TABLE copy (LIKE account INCLUDING ALL); INSERT INTO copy SELECT * FROM account;"
                "DROP TABLE account; ALTER TABLE copy RENAME TO account")  # fmt: skip
    status = rotated.call("rotation", "guard", "status", *ACCOUNT)
    assert (status.code, "20 revoked tokens can be written to it" in status.err) == (1, True), status.err


def test_trigger_of_a_partition_with_another_condition_is_told(db: Database) -> None:
    parts(db)
    rotate(db)
    assert db.call("rotation", "guard", "status", *ACCOUNT).code == 0
    function = db.value(
        "SELECT tgfoid::regproc FROM pg_trigger WHERE tgrelid = 'high'::regclass LIMIT 1"
    )
    db.sql(f"ALTER TABLE high DISABLE TRIGGER {function}_update;"
           "CREATE TRIGGER never BEFORE UPDATE ON high FOR EACH ROW WHEN (false)"
           f" EXECUTE FUNCTION {function}();"
           "ALTER TABLE high ENABLE ALWAYS TRIGGER never")  # fmt: skip
    status = db.call("rotation", "guard", "status", *ACCOUNT)
    assert (status.code, "can be bypassed on public.high" in status.err) == (1, True), status.err


def test_set_that_was_detached_is_told(rotated: Database) -> None:
    rotated.sql("ALTER TABLE rotation_revoked DETACH PARTITION rotation_revoked_1")
    assert rotated.call("rotation", "guard", "status", *ACCOUNT).code == 1


def test_lost_guard_is_told_and_put_back(rotated: Database) -> None:
    assert rotated.call("rotation", "guard", "drop", *ACCOUNT).code == 0
    status = rotated.call("rotation", "guard", "status", *ACCOUNT)
    assert (status.code, "has no guard" in status.err) == (1, True), status.err
    assert "reinstalled: run python manage.py rotation verify" in rotate(rotated).out
    still_guards(rotated)


def test_finished_without_a_guard_stays_so(db: Database) -> None:
    """The role that ran it may not own the table."""
    make(db)
    rotate(db, "--no-guard")
    assert "was finished" in rotate(db).out
    assert rotate(db, "--reindex").code == 0
    assert db.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'account'::regclass") == 0


def test_without_flags_the_latest_rotation_is_named(db: Database) -> None:
    """It is about the column that a run would take; that of the latest rotation may be meant."""
    db.sql("CREATE TABLE account (id int PRIMARY KEY, api_key uuid DEFAULT gen_random_uuid());"
           "INSERT INTO account SELECT generate_series(1, 20)")  # fmt: skip
    assert db.call("rotate_tokens_sql").code == 0
    asked = ("rotation", "guard", "status")
    assert "note" not in db.call(*asked).out
    its = ("--table", "public.account", "--column", "api_key")
    assert db.call("rotate_tokens_sql", *its).code == 0
    note = (
        "note: the latest rotation is of public.account.api_key: python manage.py rotation guard status"
    )
    assert db.call(*asked).lines[0] == f"{note} {' '.join(its)} tells of that one"
    assert "note" not in db.call(*asked, *its).out
