"""Indexes of an outdated collation: refused before anything is written."""

import re

import pytest

from tests.conftest import Database
from tests.preflight.lacking import account, refused, rotated


def make_collation(db: Database) -> None:
    """One of the name "Own", with a version: PostgreSQL's own rules, or ICU's where it lacks them."""
    own = db.connect().server_version >= 170000
    rules = "builtin, locale = 'C.UTF-8'" if own else "icu, locale = 'und'"
    db.sql(f'CREATE COLLATION "Own" (provider = {rules})')


def outdate(db: Database, collation: str) -> str:
    """Make it look as if the system's libraries were replaced; the version that it has now."""
    db.sql("UPDATE pg_collation SET collversion = '0' WHERE oid = %s::regcollation", collation)
    return db.value("SELECT pg_collation_actual_version(%s::regcollation)", collation)


FULL_WIDTH = str.maketrans("0123456789abcdef", "０１２３４５６７８９ａｂｃｄｅｆ")


@pytest.mark.parametrize(
    "write",
    [
        "UPDATE account SET api_key = %s WHERE id = 3",
        "INSERT INTO account VALUES (3, %s) ON CONFLICT (id) DO UPDATE SET api_key = EXCLUDED.api_key",
    ],
    ids=["UPDATE", "upsert"],
)
def test_guard_of_tokens_that_a_collation_takes_for_equal(fifteen: Database, write: str) -> None:
    """A look-alike is written first, and then the token, which does not differ by its own collation."""
    db = fifteen
    db.sql("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2',"
           " deterministic = false);"
           "CREATE TABLE account (id bigint PRIMARY KEY, api_key varchar(40) COLLATE loose);"
           "INSERT INTO account SELECT n, gen_random_uuid() FROM generate_series(1, 9) n")  # fmt: skip
    token = db.value("SELECT api_key FROM account WHERE id = 5")
    flags = ("--table", "account", "--column", "api_key")
    done = db.run("rotate_tokens_sql", *flags)
    assert done.code == 0, done.err
    db.sql(write, token[:4].translate(FULL_WIDTH) + token[4:])
    db.sql(write, token)
    assert db.value('SELECT count(*) FROM account WHERE api_key COLLATE "C" = %s', token) == 0
    db.sql(write, "1-2-3-4-5")  # nothing of ours fails on such a column
    assert db.run("rotation", "verify", *flags).code == 0


@pytest.mark.parametrize(
    "key",
    [
        'text COLLATE "Own"',
        'varchar(40) COLLATE "Own"',
        "ordered",  # a domain with a collation
        'plain COLLATE "Own"',  # a domain without one
    ],
)
@pytest.mark.long
def test_collation_of_another_version(either: Database, key: str) -> None:
    db = either
    make_collation(db)
    db.sql('CREATE DOMAIN ordered AS text COLLATE "Own"; CREATE DOMAIN plain AS varchar')
    account(db, key)
    now = outdate(db, '"Own"')
    refused(
        db,
        "^Refused: (a run would be refused now: )?"
        r'the collation public."Own" of public.account.id was version 0'
        rf" when its index was built, and is version {re.escape(now)} now:"
        " its index may not return every row;"
        r' REINDEX TABLE public.account, then ALTER COLLATION public."Own" REFRESH VERSION,'
        " then run the same command again$",
    )
    assert db.unchanged("account") == 500
    db.sql("REINDEX TABLE public.account")
    db.sql('ALTER COLLATION public."Own" REFRESH VERSION')
    rotated(db)
    assert db.unchanged("account") == 0


def test_collation_that_is_not_deterministic(fifteen: Database) -> None:
    fifteen.sql(
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    account(fifteen, "text COLLATE loose")
    outdate(fifteen, "loose")
    refused(fifteen, "the collation public.loose of public.account.id was version 0")


def test_collation_of_the_system(fifteen: Database) -> None:
    account(fifteen, 'text COLLATE "de-x-icu"')
    outdate(fifteen, '"de-x-icu"')
    refused(fifteen, 'ALTER COLLATION pg_catalog."de-x-icu" REFRESH VERSION')


def test_collation_by_which_partitions_are_cut(either: Database) -> None:
    """REINDEX does not move a row to the partition that its key belongs to now."""
    make_collation(either)
    either.sql(
        'CREATE TABLE account (id text COLLATE "Own" PRIMARY KEY, token uuid) PARTITION BY RANGE (id);'
        "CREATE TABLE part PARTITION OF account DEFAULT"
    )
    outdate(either, '"Own"')
    refused(either, "REINDEX TABLE public.account, move rows that are in the wrong partition")


def outdate_default(db: Database) -> None:
    """A database whose default collation has a version, and was made with another one."""
    locale = "datlocprovider = 'i', daticulocale = 'und'"
    if db.connect().server_version >= 170000:
        locale = "datlocprovider = 'b', datlocale = 'C.UTF-8'"
    db.sql(f"UPDATE pg_database SET {locale}, datcollversion = '0' WHERE datname = %s", db.name)


def test_default_collation_of_another_version(either: Database) -> None:
    db = either
    if db.connect().server_version // 10000 == 16:
        pytest.skip("it has no such locale here")
    outdate_default(db)
    db.sql("CREATE DOMAIN word AS text")
    account(db, "word")
    done = refused(
        db,
        rf"the collation default \(that of database {db.name}\) of public.account.id was version 0"
        " when its index was built, and is version .* now: its index may not return every row;"
        " REINDEX TABLE public.account, then"
        f" ALTER DATABASE {db.name} REFRESH COLLATION VERSION, then run the same command again$",
    )
    assert "unknown" not in done.err
    db.sql("REINDEX TABLE public.account")
    db.sql(f"ALTER DATABASE {db.name} REFRESH COLLATION VERSION")
    rotated(db)


@pytest.mark.long
@pytest.mark.parametrize("key", ["bigint", "numeric", 'text COLLATE "C"', 'text COLLATE "POSIX"'])
def test_keys_that_no_version_orders(either: Database, key: str) -> None:
    """Numbers, and "C", in a database whose default collation is another now."""
    outdate_default(either)
    account(either, key)
    assert "collation" not in rotated(either)
    assert either.unchanged("account") == 0


def test_a_uuid_is_not_ordered_by_a_collation(db: Database) -> None:
    outdate_default(db)
    account(db, "uuid", how="gen_random_uuid()")
    rotated(db)


def test_server_that_knows_no_version_of_a_database(db: Database, monkeypatch) -> None:
    """As 13 and 14: the function is not there to be called, nor the column to be read."""
    from app.rotation.engine.db import statements

    load = statements.load
    text = load("knows_database_version").replace("actual_version(oid)", "no_version(oid)")
    monkeypatch.setattr(
        statements, "load", lambda name, *_: text if name == "knows_database_version" else load(name)
    )
    account(db, "text")
    done = db.call("rotate_tokens_sql", "--table", "account")
    assert (done.code, done.err) == (0, "")
