"""What a role or a database sets changes nothing about what is rotated, proven and guarded.

docs/servers.md lists every setting that a role may have; those that matter are set here to what
would do the most harm.
"""

import contextlib
import re
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from django.db import connection

from app.rotation.engine.db.session import Session
from app.rotation.schema import DIRECTORY
from tests.conftest import PROJECT, SERVER, Database, databases, migrated, read_until, until
from tests.proof.account import ACCOUNT, is_refused, make, old
from tests.servers import DEBIAN_BINARIES, make_server, running
from tests.work.pooler import PGBOUNCER, pooler

#: Each by itself: how SQL is read, how names are printed, who else runs, what an error ends.
ALONE = {
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "exit_on_error": "on",
    "session_replication_role": "replica",
    "client_min_messages": "debug5",
}
#: How statements are planned: without this an index or a hash would not be used.
PLANNED = {
    "enable_seqscan": "off",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_nestloop": "off",
    "enable_hashagg": "off",
    "enable_sort": "off",
    "enable_material": "off",
    "enable_partition_pruning": "off",
    "seq_page_cost": "0",
    "random_page_cost": "1e10",
    "cpu_tuple_cost": "0",
    "cpu_index_tuple_cost": "1e10",
    "cpu_operator_cost": "0",
    "jit": "on",
    "work_mem": "'64kB'",
}
#: When a transaction, a session or a wait ends, who may see what, what values look like.
TOGETHER = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "synchronous_commit": "off",
    "row_security": "on",
    "restrict_nonsystem_relation_kind": "'view, foreign-table'",
    "statement_timeout": "'2s'",
    "lock_timeout": "'5ms'",
    "transaction_timeout": "'2s'",
    "idle_in_transaction_session_timeout": "'50ms'",
    "client_connection_check_interval": "'100s'",
    "tcp_keepalives_idle": "1",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "1",
    "tcp_user_timeout": "'100s'",
    "application_name": "'rotate_tokens of somebody else'",
    "extra_float_digits": "-15",
    "idle_session_timeout": "'5s'",
    "escape_string_warning": "on",
    "plan_cache_mode": "force_generic_plan",
    "IntervalStyle": "'sql_standard'",
    "DateStyle": "'German'",
    "TimeZone": "'Pacific/Apia'",
    "bytea_output": "escape",
    "xmloption": "document",
    "xmlbinary": "hex",
    "client_encoding": "'LATIN1'",
    "check_function_bodies": "off",
    "track_activities": "off",
    "debug_parallel_query": "regress",
    "force_parallel_mode": "regress",
    "constraint_exclusion": "off",
    "from_collapse_limit": "1",
    "join_collapse_limit": "1",
    "geqo_threshold": "2",
}
#: Of PL/pgSQL, which pg_settings shows only in a session that has used it.
PLPGSQL = {
    "plpgsql.extra_errors": "'all'",
    "plpgsql.extra_warnings": "'all'",
    "plpgsql.variable_conflict": "use_column",
    "plpgsql.print_strict_params": "on",
    "plpgsql.check_asserts": "off",
}
TIMES = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
NASTY = ALONE | PLANNED | TOGETHER
PAGE = (PROJECT / "docs" / "servers.md").read_text().partition("<!-- settings -->")[2]
PAGE = PAGE.partition("<!-- end settings -->")[0]
#: The lists of the page: pinned, any value will do, the operator's choice, no matter.
LISTS = [re.findall(r"`(\w+)`", part) for part in re.split(r"^- \*\*", PAGE, flags=re.M)[1:]]


@pytest.fixture(scope="module")
def fifteen() -> Iterator[Database]:
    if not DEBIAN_BINARIES.exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    with running(make_server(DEBIAN_BINARIES)) as server:
        yield migrated(server)


def put(db: Database, settings: dict[str, str]) -> None:
    """As the database's own; those that this server does not know are left out."""
    for name, value in settings.items():
        with closing(db.connect(options="-c exit_on_error=off")) as admin:
            try:
                admin.cursor().execute(f"ALTER DATABASE {db.name} SET {name} = {value}")
            except psycopg2.errors.UndefinedObject:
                print(f"not known to this server: {name}")  # noqa: T201


def stays_as_it_is(db: Database, type_: str, settings: dict[str, str]) -> None:
    """A whole run, its proof, its guard and its report are as ever."""
    make(db, type_)
    put(db, settings)
    done = db.run("rotate_tokens_sql", *ACCOUNT, "--window", "7")
    assert done.code == 0, done.err
    assert "vacuum skipped" not in done.out
    verified = db.run("rotation", "verify", *ACCOUNT, "--search-copies")
    assert verified.code == 4, verified.err
    assert "public.before.token hold a revoked token" in verified.err
    assert db.run("rotation", "guard", "status", *ACCOUNT).code == 0
    assert '"survivors": 0' in db.run("rotation", "report", "--json").out
    put(db, {"jit": "off"})  # how long the application's own statements take is its affair
    with closing(db.connect(options="-c exit_on_error=off")) as writer:
        writer.cursor().execute("UPDATE public.account SET api_key = %s WHERE id = 3", [old_of(db)])
    assert db.value("SELECT count(*) FROM public.account WHERE api_key::text = %s", old_of(db)) == 0
    if "exit_on_error" not in settings:
        is_refused(db, "INSERT INTO account VALUES (901, %s)", old(db))
    db.sql("INSERT INTO public.account VALUES (902, gen_random_uuid())")


def old_of(db: Database) -> str:
    return str(db.value("SELECT token FROM public.before WHERE id = '3'"))


@pytest.mark.parametrize("type_", ["text", "uuid"])
@pytest.mark.parametrize(
    "settings",
    [*({name: value} for name, value in ALONE.items()), PLANNED | TOGETHER | PLPGSQL],
    ids=[*ALONE, "the rest"],
)
def test_settings(db: Database, type_: str, settings: dict[str, str]) -> None:
    stays_as_it_is(db, type_, settings)


@pytest.mark.long
def test_settings_on_postgresql_15(fifteen: Database) -> None:
    for db in databases(fifteen.server):
        stays_as_it_is(db, "text", ALONE | TOGETHER | PLPGSQL | PLANNED)


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_settings_behind_a_pooler(db: Database, mode: str) -> None:
    """Which answers some of them itself, and keeps sessions for several clients."""
    if not PGBOUNCER:
        pytest.skip("pgbouncer is not installed")
    with pooler(db, mode, default_pool_size=10) as one:
        db.url = one.url
        stays_as_it_is(db, "text", ALONE | TOGETHER | PLPGSQL | PLANNED)


def test_a_pool_that_is_too_small_is_named(db: Database) -> None:
    """In session mode, where each of a run's connections keeps one of the pool's."""
    if not PGBOUNCER:
        pytest.skip("pgbouncer is not installed")
    db.tickets(3000)
    with pooler(db, "session", default_pool_size=2) as one:
        db.url = one.url
        child = db.start("rotate_tokens_sql", "--window", "100")
        assert "a run of K workers needs K + 3" in read_until(child, "a pooler has no connection left")


@pytest.mark.parametrize("opened", ["reading", "looking", "durable", "open_install", "open_window"])
def test_each_transaction_pins_what_it_needs(db: Database, opened: str) -> None:
    """Of whichever kind it is; as a whole run may do well without."""
    put(db, NASTY)
    connection.close()
    session = Session("default")
    kinds = {"reading": session.reading, "durable": session.durable}
    with contextlib.ExitStack() as stack:
        if opened in kinds:
            stack.enter_context(kinds[opened]())
        elif opened == "looking":
            stack.enter_context(session.looking("looking"))
        else:
            stack.enter_context(session.transaction())
            more = {"active": "", "bounded": True} if opened == "open_window" else {}
            session.rows(opened, worker="w", lock_timeout="200ms", **more)
        pinned = {*PLANNED, *TIMES, "exit_on_error"} - {"work_mem"}
        if opened in ("reading", "looking"):
            pinned |= {"extra_float_digits"}
        if opened in ("durable", "open_install", "open_window"):
            pinned |= {"session_replication_role"}
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, setting FROM pg_settings")
            within = dict(cursor.fetchall())
    session.close()
    outside = dict(db.sql("SELECT name, setting FROM pg_settings"))
    off = ["enable_seqscan"] * (opened == "open_window")  # of purpose
    assert within["plan_cache_mode"] == outside["plan_cache_mode"] == "force_generic_plan"
    assert [name for name in sorted(pinned) if within[name] == outside[name]] == off
    assert within.get("transaction_timeout", "0") == "0"


@pytest.mark.parametrize("server", ["embedded", "fifteen"])
def test_every_setting_was_looked_at(request: pytest.FixtureRequest, server: str) -> None:
    """A setting that a version of PostgreSQL brings must be put into one of the page's lists."""
    db = Database(SERVER, "postgres") if server == "embedded" else request.getfixturevalue(server)
    settings = "SELECT name FROM pg_settings WHERE context IN ('user', 'superuser') AND name !~ '[.]'"
    known = {name for (name,) in db.sql(settings)}
    listed = [name for part in LISTS for name in part]
    assert len(listed) == len(set(listed))
    assert known - set(listed) == set()


def test_each_that_matters_is_tried() -> None:
    pinned, any_value = LISTS[:2]
    # The search path has tests of its own (test_privileges.py): by it the state is found.
    assert {*NASTY, "search_path"} == {*pinned, *any_value}
    sql = "".join(path.read_text() for path in DIRECTORY.rglob("*.sql"))
    sql += (PROJECT / "app" / "rotation" / "engine" / "db" / "session.py").read_text()
    for name in pinned:
        words = name.removeprefix("default_").upper().replace("_", " ")  # SET TRANSACTION ...
        assert re.search(rf"set_config\(\s*'{name}'|SET LOCAL {name} |SET {words}", sql), name


def test_plans(db: Database) -> None:
    """No window reads the table as a whole, and the proof compares no row with each."""
    db.insert("SELECT generate_series(1, %s)", 30_000)
    db.sql("ANALYZE ticket")
    put(db, PLANNED)
    assert db.run("rotate_tokens_sql", "--window", "300", "--vacuum", "off", timeout=60).code == 0
    scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'ticket'"
    assert db.value(scans) < 20
    assert db.value("SELECT count(*) FROM rotation_window") >= 100


def test_foreign_keys_do_their_part(db: Database) -> None:
    """As the role of a replica they would leave the old token where it is referred to."""
    make(db)
    db.sql("ALTER TABLE account ADD UNIQUE (api_key);"
           "CREATE TABLE use (of uuid PRIMARY KEY REFERENCES account (api_key) ON UPDATE CASCADE);"
           "INSERT INTO use SELECT api_key FROM account")  # fmt: skip
    put(db, {"session_replication_role": "replica"})
    assert db.run("rotate_tokens_sql", *ACCOUNT, "--allow-fk").code == 0
    assert db.value("SELECT count(*) FROM use JOIN account ON api_key = of") == 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session_replication_role", "replica"),
        ("zero_damaged_pages", "on"),
        ("ignore_checksum_failure", "on"),
    ],
)
def test_what_a_role_may_not_undo_is_refused(db: Database, name: str, value: str) -> None:
    make(db)
    role = f"plain_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; ALTER ROLE {role} SET {name} = {value}")
    try:
        env = db.environment(DATABASE_URL=db.url.replace("postgres@", f"{role}@"))
        done = db.run("rotate_tokens_sql", *ACCOUNT, env=env)
        assert done.code == 1
        assert f"with {name} as it is set for role {role}" in done.err
        assert f"ALTER ROLE {role} RESET it" in done.err
        assert len(done.err.splitlines()) == 1
    finally:
        db.sql(f"DROP ROLE {role}")


def test_what_hangs_is_named_where_sessions_are_not_tracked(db: Database) -> None:
    make(db)
    put(db, {"track_activities": "off"})
    with closing(db.connect(autocommit=False)) as holder:
        holder.cursor().execute("LOCK TABLE rotation IN SHARE MODE")
        child = db.start("rotate_tokens_sql", *ACCOUNT)
        assert child.stdout is not None
        said = until(lambda: next((line for line in child.stdout or [] if "no answer" in line), ""))
        assert "waits for" in said, said
    assert child.wait(60) == 0


def test_a_vacuum_that_is_skipped_is_told_to_whoever_hears_nothing(db: Database) -> None:
    make(db)
    put(db, {"client_min_messages": "error"})
    with closing(db.connect(autocommit=False)) as holder:
        holder.cursor().execute("LOCK TABLE account IN SHARE UPDATE EXCLUSIVE MODE")
        lasting = ("--window", "1", "--max-rate", "10")  # it looks five times a second
        done = db.run("rotate_tokens_sql", *ACCOUNT, *lasting, "--no-guard")
    assert done.code == 0, done.err
    assert "vacuum skipped: another vacuum" in done.out
