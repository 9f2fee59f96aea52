"""Windows wait for sessions that wait, and while the server can't be looked at."""

import threading
import time

import pytest

from app.rotation.engine.db.stop import StopSwitch
from app.rotation.engine.errors import Stopped
from app.rotation.engine.kept import LiveOptions
from app.rotation.engine.options import Options
from app.rotation.engine.runner import RotationDriver
from app.rotation.engine.table.target import TargetName
from app.rotation.engine.throttle.throttle import Throttle
from tests.conftest import Database, read_until, until
from tests.throttle.small_windows import RUN, status, windows
from tests.work.gates import gate, waiting_at_gate


def test_no_database_while_windows_are_held_back(db: Database) -> None:
    """The run ends at its deadline, as it does from within a window."""
    db.tickets(100)
    options = Options(standbys=("nobody",), outage_seconds=1.0, ack_triggers=True)
    driver = RotationDriver("default", TargetName("ticket"), options, StopSwitch(), lambda _: None)

    def crash() -> None:
        held = [("standby nobody is not connected",)]
        until(lambda: db.sql("SELECT throttle FROM rotation") == held)
        db.server.stop("immediate")

    thread = threading.Thread(target=crash)
    thread.start()
    with pytest.raises(Stopped, match=r"no database for 1 s .*run the same command again"):
        driver.run()
    thread.join()
    db.server.ensure()
    assert db.run(*RUN).code == 0
    db.each_once(100)


def test_sessions_that_wait_for_our_rows(db: Database) -> None:
    db.tickets(200)
    waiting = [
        threading.Thread(target=db.sql, args=(f"UPDATE ticket SET title = 'y' WHERE id = {key}",))
        for key in (1, 2, 3)
    ]
    with gate(db, "batchprogress", "BEFORE UPDATE"):
        child = db.start(*RUN, "--max-waiting", "2", "--lock-timeout", "600000")
        until(lambda: waiting_at_gate(db))
        for thread in waiting:
            thread.start()
        until(lambda: status(db)["throttle"] ==
              "3 sessions wait for rows that windows hold (limit 2)")  # fmt: skip
    assert child.wait(60) == 0
    for thread in waiting:
        thread.join()


def test_throttle_fails_closed_until_the_first_look() -> None:
    throttle = Throttle(LiveOptions(Options(), 1))
    assert throttle.reason()
    throttle.learn("", 1.0)
    assert throttle.reason() is None


@pytest.mark.long
def test_watch_without_a_connection_lets_nobody_go(db: Database) -> None:
    """Its backend is killed, and it can't come back: windows wait, and say why."""
    db.tickets(3000)
    name = db.name
    db.sql(f"CREATE ROLE {name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name};"
           f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {name}")  # fmt: skip
    environment = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{name}@"))
    try:
        child = db.start(*RUN, "--max-rate", "200", env=environment)
        until(lambda: windows(db) > 1)
        watch = "SELECT pid FROM pg_stat_activity WHERE query ~ 'SET throttle' AND usename = %s"
        pid = until(lambda: db.sql(watch, name))[0][0]
        db.sql(f"ALTER ROLE {name} CONNECTION LIMIT 1")
        db.sql("SELECT pg_terminate_backend(%s)", pid)
        read_until(child, "throttled: the server could not be checked")
        held = windows(db)
        time.sleep(1.5)
        assert windows(db) == held
        db.sql(f"ALTER ROLE {name} CONNECTION LIMIT -1")
        assert child.wait(60) == 0
    finally:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")
    db.each_once(3000)
