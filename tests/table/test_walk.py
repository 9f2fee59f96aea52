"""Windows that follow another unique column than the primary key."""

import re

import pytest

from tests.conftest import Database, until

ROWS = 60
RUN = ("rotate_tokens_sql", "--table", "authtoken", "--column", "key")
FORMAT = ("--format", "{hex:40}")


def fill(db: Database, user: str = "int NOT NULL UNIQUE", more: str = "") -> None:
    """As Django REST framework has it: the token is the primary key."""
    db.sql(
        "CREATE TABLE authtoken (key varchar(40) PRIMARY KEY, created timestamptz,"
        f" user_id {user} {more});"
        "INSERT INTO authtoken SELECT left(encode(sha256(n::text::bytea), 'hex'), 40), now(), n"
        f" FROM generate_series(1, {ROWS}) AS n"
    )
    db.watch("authtoken", "user_id", "key")


def rotate(db: Database, *flags: str, code: int = 0) -> str:
    done = db.call(*RUN, *flags)
    assert done.code == code, done.out + done.err
    return done.out + done.err


def each_once(db: Database) -> None:
    assert db.changes() == {1: ROWS}
    assert db.unchanged("authtoken", "key") == 0
    assert db.value("SELECT count(*) FROM authtoken WHERE key ~ '^[0-9a-f]{40}$'") == ROWS


@pytest.mark.parametrize("user", ["int", "bigint", "text"])
def test_token_that_is_the_primary_key(db: Database, user: str) -> None:
    fill(db, f"{user} NOT NULL UNIQUE")
    assert "key is the primary key itself" in rotate(db, *FORMAT, code=1)
    said = rotate(db, *FORMAT, "--walk", "user_id", "--window", "20")
    assert f"verified by value: 0 of {ROWS} revoked tokens survive" in said
    each_once(db)
    # All else finds the column by itself.
    assert "is guarded by" in db.call("rotation", "guard", "status", "--table", "authtoken",
                                      "--column", "key").out  # fmt: skip
    assert db.call("rotation", "verify").code == 0
    assert len(db.call("rotation", "keys").out.split()) == ROWS + 1
    assert "Nothing was replaced now" in rotate(db)
    db.sql("UPDATE authtoken SET key = before.token FROM before WHERE before.id = user_id::text")
    assert db.unchanged("authtoken", "key") == 0


def test_resumed_without_it(db: Database) -> None:
    fill(db)
    rotate(db, *FORMAT, "--walk", "user_id", "--window", "10", "--stop-after", "20", code=3)
    rotate(db)
    each_once(db)
    rotate(db, *FORMAT, "--new")
    assert db.changes() == {2: ROWS}


def test_another_walk_is_refused(db: Database) -> None:
    fill(db, more=", other int NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE")
    rotate(db, *FORMAT, "--walk", "user_id", "--window", "10", "--stop-after", "20", code=3)
    said = rotate(db, *FORMAT, "--walk", "other", code=1)
    assert "is unfinished" in said
    rotate(db, *FORMAT, "--walk", "user_id")
    each_once(db)


def test_rows_that_were_locked(db: Database) -> None:
    fill(db)
    flags = (*FORMAT, "--walk", "user_id", "--lock-timeout", "50", "--window", "20")
    with db.connect() as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT created FROM authtoken WHERE user_id = 30 FOR UPDATE")
        child = db.start(*RUN, *flags)
        until(lambda: db.value("SELECT count(*) FROM rotation_leftover"))
        cursor.execute("ROLLBACK")
    assert child.wait(60) == 0
    each_once(db)


def test_foreign_keys_to_it_follow(db: Database) -> None:
    fill(db)
    db.sql("CREATE TABLE device (id int, key varchar(40) REFERENCES authtoken ON UPDATE CASCADE);"
           "INSERT INTO device SELECT user_id, key FROM authtoken WHERE user_id < 10")  # fmt: skip
    assert "if you want that, add --allow-fk" in rotate(db, *FORMAT, "--walk", "user_id", code=1)
    rotate(db, *FORMAT, "--walk", "user_id", "--allow-fk")
    each_once(db)
    assert db.value("SELECT count(*) FROM device JOIN authtoken USING (key) WHERE id = user_id") == 9


def test_other_tables_may_walk_so_as_well(db: Database) -> None:
    db.tickets(50)
    db.sql("ALTER TABLE ticket ADD number int GENERATED ALWAYS AS IDENTITY UNIQUE")
    done = db.call("rotate_tokens_sql", "--walk", "number", "--window", "20", "--stop-after", "20")
    assert done.code == 3
    assert db.value("SELECT pk_column FROM rotation") == "number"
    assert "walked by number (integer)" in db.call("rotate_tokens_sql", "--dry-run").out
    assert db.call("rotate_tokens_sql").code == 0
    db.each_once(50)


def test_key_of_several_columns(db: Database) -> None:
    db.sql("CREATE TABLE grant_ (a int, b int, token uuid, number int NOT NULL UNIQUE,"
           " PRIMARY KEY (a, b)); INSERT INTO grant_ SELECT n / 10, n, gen_random_uuid(), n"
           " FROM generate_series(1, 50) AS n")  # fmt: skip
    run = ("rotate_tokens_sql", "--table", "grant_")
    done = db.call(*run)
    assert done.code == 1
    assert "a primary key of several columns (a, b)" in done.err
    assert "walk by another unique column: --walk number" in done.err
    done = db.call(*run, "--walk", "number")
    assert "0 of 50 revoked tokens survive" in done.out


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (
            "nothing",
            "--walk nothing: public.authtoken has no such column; walk by another unique",
        ),
        ("user_i", 'did you mean "user_id"?'),
        ("key", "--walk key: that is the token"),
        ("created", "--walk created: it is not NOT NULL with a valid unique index of its own"),
        ("half", "--walk half: it is not NOT NULL"),
        ("late", "--walk late: it is not NOT NULL"),
        ("pair", "--walk pair: it is not NOT NULL"),
        ("part", "--walk part: it is not NOT NULL"),
        ("born", "--walk born: it is of type date, and windows can walk bigint"),
    ],
)
def test_columns_that_windows_can_not_walk(db: Database, column: str, why: str) -> None:
    fill(db)
    db.sql(
        "ALTER TABLE authtoken ADD half int UNIQUE, ADD late int NOT NULL DEFAULT 1,"
        " ADD pair int NOT NULL DEFAULT 1, ADD part int NOT NULL DEFAULT 1,"
        " ADD born date NOT NULL DEFAULT now();"
        "UPDATE authtoken SET late = user_id, born = date '2000-01-01' + user_id;"
        "ALTER TABLE authtoken ADD UNIQUE (late) DEFERRABLE, ADD UNIQUE (born),"
        " ADD UNIQUE (pair, user_id);"
        "CREATE UNIQUE INDEX ON authtoken (part) WHERE user_id < 2; DELETE FROM changes"
    )
    done = db.call(*RUN, *FORMAT, "--walk", column)
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert why in done.err
    assert not db.value("SELECT count(*) FROM changes")


def test_the_column_that_a_refusal_proposes(db: Database) -> None:
    """Added as it says, the table can be walked."""
    db.sql('CREATE TABLE "key""less" AS SELECT gen_random_uuid() AS token FROM generate_series(1, 30)')
    run = ("rotate_tokens_sql", "--table", 'public."key""less"')
    done = db.call(*run)
    told = re.search(r"\((ALTER TABLE .*), which rewrites .*\), and (--walk) (\w+)$", done.err)
    assert (done.code, bool(told)) == (1, True), done
    db.sql(told[1])
    done = db.call(*run, told[2], told[3])
    assert (done.code, done.err) == (0, "")


def test_column_to_walk_by_that_is_gone(db: Database) -> None:
    fill(db)
    rotate(db, *FORMAT, "--walk", "user_id")
    db.sql(
        "ALTER TABLE authtoken DROP user_id CASCADE, ADD number int GENERATED ALWAYS AS IDENTITY UNIQUE"
    )
    its = ("--table", "authtoken", "--column", "key")
    assert "is guarded by" in db.call("rotation", "guard", "status", *its).out
    done = db.call("rotation", "verify", *its)
    assert done.code == 1
    assert "walk by another unique column: --walk number" in done.err
    assert db.call("rotation", "guard", "drop", *its).code == 0


def test_table_of_the_same_name_elsewhere(db: Database) -> None:
    db.tickets(50)
    db.sql(
        "ALTER TABLE ticket ADD slug int GENERATED ALWAYS AS IDENTITY UNIQUE; CREATE SCHEMA other;"
        "CREATE TABLE other.ticket (id int PRIMARY KEY, slug int NOT NULL UNIQUE, token uuid);"
        "INSERT INTO other.ticket SELECT n, n, gen_random_uuid() FROM generate_series(1, 30) AS n"
    )
    begun = ("--window", "10", "--stop-after", "20")
    assert db.call("rotate_tokens_sql", *begun).code == 3
    assert db.call("rotate_tokens_sql", "--table", "other.ticket", "--walk", "slug").code == 0
    assert db.call("rotate_tokens_sql", "--table", "ticket").code == 0
    assert db.changes() == {1: 50}


def test_not_null_that_is_not_yet_valid(db: Database) -> None:
    if db.value("SELECT current_setting('server_version_num')::int") < 180000:
        pytest.skip("since PostgreSQL 18")
    fill(db, "int UNIQUE")
    db.sql("ALTER TABLE authtoken ADD CONSTRAINT filled NOT NULL user_id NOT VALID")
    assert "--walk user_id: it is not NOT NULL" in rotate(db, *FORMAT, "--walk", "user_id", code=1)


def test_column_that_follows_the_token(db: Database) -> None:
    """Windows would meet rows twice or never, and keys that are made of tokens would be shown."""
    db.sql("CREATE TABLE made (token text PRIMARY KEY, other int, also text,"
           " of_token text GENERATED ALWAYS AS (md5(token)) STORED NOT NULL UNIQUE,"
           " of_also text GENERATED ALWAYS AS ('x' || also) STORED NOT NULL UNIQUE);"
           "INSERT INTO made SELECT 'old_' || n, n, n FROM generate_series(1, 30) AS n")  # fmt: skip
    run = ("rotate_tokens_sql", "--table", "made", *FORMAT, "--walk")
    done = db.call(*run, "of_token")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "made.of_token is generated from token, and would move under the windows" in done.err
    done = db.call(*run, "of_also", "--also", "also=left(new_token, 9)")
    assert "made.of_also is generated from also, and would move under the windows" in done.err
    assert db.call(*run, "of_also", "--also", "other=1").code == 0
