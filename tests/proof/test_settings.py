"""What a role or a database sets changes nothing about what is rotated, proven and guarded."""

import psycopg2
import pytest

from tests.conftest import Database
from tests.proof.account import ACCOUNT, is_refused, make, old

#: How SQL is read, and how names are printed.
READ_OTHERWISE = (
    "quote_all_identifiers = on",
    "standard_conforming_strings = off",
    "backslash_quote = on",
    "transform_null_equals = on",
    "array_nulls = off",
)
#: What values look like, who may do what, and how statements are planned and run.
DONE_OTHERWISE = (
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "restrict_nonsystem_relation_kind = 'view'",
    "plan_cache_mode = force_generic_plan",
    "plpgsql.extra_errors = 'all'",
    "plpgsql.variable_conflict = use_column",
    "plpgsql.print_strict_params = on",
    "IntervalStyle = 'sql_standard'",
    "DateStyle = 'German'",
    "bytea_output = escape",
    "extra_float_digits = -15",
    "TimeZone = 'Pacific/Apia'",
    "xmloption = document",
    "client_encoding = 'LATIN1'",
    "check_function_bodies = off",
    "row_security = off",
    "session_replication_role = replica",
    "default_tablespace = 'pg_default'",
    "synchronize_seqscans = off",
    "debug_parallel_query = regress",
    "geqo_threshold = 2",
    "jit_above_cost = 0",
    "enable_hashjoin = off",
    "enable_indexscan = off",
    "work_mem = '64kB'",
    "statement_timeout = '1min'",
    "lock_timeout = '30s'",
    "transaction_timeout = '30s'",
    "idle_in_transaction_session_timeout = '1s'",
    "idle_session_timeout = '30s'",
    "vacuum_truncate = off",
    "default_toast_compression = 'pglz'",
    "default_table_access_method = 'heap'",
)


@pytest.mark.parametrize(
    "settings",
    [*([one] for one in READ_OTHERWISE), DONE_OTHERWISE],
    ids=[*READ_OTHERWISE, "the rest"],
)
@pytest.mark.parametrize("type_", ["text", "uuid"])
def test_settings(db: Database, type_: str, settings: list[str]) -> None:
    make(db, type_)
    for setting in settings:
        try:
            db.sql(f"ALTER DATABASE {db.name} SET {setting}")
        except psycopg2.errors.UndefinedObject:
            print(f"not known to this server: {setting}")  # noqa: T201
    done = db.run("rotate_tokens_sql", *ACCOUNT)
    assert done.code == 0, done.err
    verified = db.run("rotation", "verify", *ACCOUNT, "--search-copies")
    assert verified.code == 4, verified.err
    assert "public.before.token hold a revoked token" in verified.err
    assert db.run("rotation", "guard", "status", *ACCOUNT).code == 0
    db.sql("UPDATE account SET api_key = %s WHERE id = 3", old(db))
    assert db.unchanged("account", "api_key") == 0
    is_refused(db, "INSERT INTO account VALUES (901, %s)", old(db))
    db.sql("INSERT INTO account VALUES (902, gen_random_uuid())")
