"""What a person, a file or a database can get wrong: cases as data; test_bad_input.py runs each.

Every case: a documented exit code but 0, one clear line, no traceback, no token, nothing changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.rotation.schema import GRANTED

RUN = "rotate_tokens_sql"
LONG = "9" * 40


@dataclass(frozen=True)
class Case:
    """One mistake. `{tmp}` in the arguments is a directory with FILES in it."""

    name: str
    arguments: tuple[str, ...]
    code: int
    says: str  #: what the one line holds
    before: str = ""  #: SQL that puts the database into the state
    as_role: bool = False  #: as a role that has every right but those that `before` takes away
    env: tuple[tuple[str, str], ...] = ()  #: in a process of its own, with these variables


#: Files that a list of leaked tokens might be.
FILES = {
    "empty": b"",
    "blank": b"\n \n\t\n",
    "header": b"token\n",
    "words": b"11111111-2222-4333-8444-555555555555\nsecret\n",
    "binary": bytes(range(256)),
    "utf16": "11111111-2222-4333-8444-555555555555\n".encode("utf-16"),
    "short": b"11111111-2222-4333-8444-55555555555\n\n\nx\n",
    "columns": b"id;name\n1;x\n",
    "several": b"11111111-2222-4333-8444-555555555555,11111111-2222-4333-8444-555555555556\n",
    "endless": b"x" * 300_000,
    "sql": b"'; DROP TABLE ticket; --\nx\n",
    "nul": b"token\n1111\x00111\n",
}


def numbers() -> Iterator[Case]:
    """Numbers that are none, or out of range, for every flag that takes one."""
    whole = ("--window", "--workers", "--lanes", "--lock-timeout", "--stop-after")
    broken = ("--window-seconds", "--lock-patience", "--max-rate", "--nice")
    off = ("--max-lag", "--critical-lag", "--vacuum", "--max-waiting")
    sizes = ("--max-lag-bytes", "--max-wal", "--critical-wal", "--min-free", "--max-wal-rate")
    for flag in whole:
        for text in ("", "many", "1.5", "0x10", "0", "-3", LONG):
            yield Case(f"{flag} {text[:9]!r}", (RUN, f"{flag}={text}"), 2, flag)
    for flag in broken:
        for text in ("", "much", "nan", "-1", "1e400", "1,5"):
            yield Case(f"{flag} {text!r}", (RUN, f"{flag}={text}"), 2, flag)
    for flag in off:
        for text in ("", "on", "-1", "nan", LONG):
            yield Case(f"{flag} {text[:9]!r}", (RUN, f"{flag}={text}"), 2, flag)
    for flag in sizes:
        for text in ("", "big", "-1", "5 parsecs", "1e9", "999999TB"):
            yield Case(f"{flag} {text!r}", (RUN, f"{flag}={text}"), 2, flag)
    for text in ("", "ten", "-1", "1.5", LONG):
        yield Case(f"--size {text[:9]!r}", ("ticket", "--init", f"--size={text}"), 2, "--size")


def flags() -> Iterator[Case]:
    """Flags that there are not, values that are missing, flags that do not go together."""
    for arguments, says in (
        ((RUN, "--windw", "5"), "--windw"),
        ((RUN, "--dry"), "--dry"),
        ((RUN, "-x"), "-x"),
        ((RUN, "ticket"), "ticket"),
        ((RUN, "--window"), "--window"),
        ((RUN, "--progress", "loud"), "loud"),
        ((RUN, "--progress", ""), "--progress"),
        ((RUN, "--throttle-sql", "SELEC 1"), "--throttle-sql"),
        ((RUN, "--throttle-sql", "SELECT 1, 2 WHERE false"), "--throttle-sql"),
        ((RUN, "--throttle-sql", "SELECT 'x'"), "--throttle-sql"),
        ((RUN, "--throttle-sql", "UPDATE ticket SET title = 'y' RETURNING 1"), "--throttle-sql"),
        ((RUN, "--throttle-sql", "DROP TABLE ticket"), "--throttle-sql"),
        ((RUN, "--notify", ""), "--notify"),
        ((RUN, "--notify", "x" * 64), "--notify"),
        ((RUN, "--serve", "--dry-run"), "--dry-run"),
        ((RUN, "--serve", "--reason", "x"), "--reason"),
        ((RUN, "--database", "nosuch"), "nosuch"),
        ((RUN, "--database", ""), "--database"),
        ((RUN, "--database", "default", "--database", "default"), "twice"),
        (("rotation",), "ACTION"),
        (("rotation", "stop"), "stop"),
        (("rotation", "status", "--jsn"), "--jsn"),
        (("rotation", "tune"), "NAME=VALUE"),
        (("rotation", "tune", "speed=9"), "speed=9"),
        (("rotation", "tune", "window"), "window"),
        (("rotation", "tune", "window=0"), "--window"),
        (("rotation", "tune", "workers=off"), "workers"),
        (("rotation", "tune", "max_wal=heaps"), "max_wal"),
        (("rotation", "guard"), "status|drop"),
        (("rotation", "guard", "off"), "off"),
        (("rotation", "report"), "--html"),
        (("rotation", "report", "--html", "x", "--json"), "--json"),
        (("rotation", "report", "--json", "--id", "one"), "--id"),
        (("ticket",), "--init"),
        (("ticket", "--init", "--process-token"), "--process-token"),
        (("ticket", "--process-token", "--size", "5"), "--size"),
    ):
        yield Case(" ".join(arguments), arguments, 2, says)


def names() -> Iterator[Case]:
    """Tables, columns and keys that are not there, or are something else."""
    for text in ("", ".", "a.", ".b", "a.b.c", 'a"b', '"', '""', "a..b", "\x01.\x02."):
        yield Case(f"--table {text!r}", (RUN, f"--table={text}"), 2, "--table")
    for text in (
        *(
            "tickets",
            "TICKET",
            "public.Ticket",
            "x" * 70,
            "ticket;",
            "%s",
            "{target}",
            "a b",
            "ticket--",
        ),
        *("nosuch.ticket", "pg_class", "ticket_pkey", "ticket_id_seq", "Ünïcode"),
    ):
        yield Case(f"--table {text[:20]!r}", (RUN, f"--table={text}"), 1, "Refused: ")
    for text in ("tokn", "TOKEN", "id", "title ", "", "%s", "x" * 70, "created_at", "status", "token;"):
        yield Case(
            f"--column {text[:20]!r}", (RUN, "--table", "ticket", f"--column={text}"), 1, "public.tick"
        )
    for text in ("title", "ID", "", "token", "id, title", "%(pk)s"):
        yield Case(f"--pk {text!r}", (RUN, f"--pk={text}"), 1, "--pk")


def files() -> Iterator[Case]:
    """Lists that can't be read, and reports that can't be written."""
    for name in FILES:
        yield Case(f"--leaked {name}", (RUN, "--leaked", f"{{tmp}}/{name}"), 2, "--leaked")
    for path in ("/nosuch/file", "/tmp", "{tmp}", "", "x" * 300, "{tmp}/empty/below"):
        yield Case(f"--leaked path {path[:12]!r}", (RUN, f"--leaked={path}"), 2, "--leaked")
    for path in ("/nosuch/report.html", "{tmp}", "/proc/version", ""):
        yield Case(
            f"--html {path!r}", ("rotation", "report", f"--html={path}"), 2, "--html", before=A_ROTATION
        )
    yield Case("report of none", ("rotation", "report", "--json"), 1, "no rotation yet")
    yield Case("report of another", ("rotation", "report", "--json", "--id", "77"), 1, "77", A_ROTATION)


#: A rotation that was started and abandoned.
A_ROTATION = (
    "INSERT INTO rotation (table_schema, table_name, table_oid, pk_column, pk_type, pk_collation,"
    " token_column, token_attnum, status, rows_total_exact, options, reason, operator, host)"
    " SELECT 'public', 'ticket', 'ticket'::regclass::oid::bigint, 'id', 'bigint', '', 'token', attnum,"
    " 'pending', false, '{}', '', 'somebody', 'a host' FROM pg_attribute"
    " WHERE attrelid = 'ticket'::regclass AND attname = 'token';"
)
#: It has lanes, of which nothing is done.
ITS_LANES = (
    "UPDATE rotation SET floor = '1', ceiling = '20', status = 'running';"
    "INSERT INTO batchprogress (rotation_id, lane, pk_type, pk_collation, lower, upper, rows, windows,"
    " worker) SELECT id, 0, 'bigint', '', '1', '20', 0, 0, '' FROM rotation;"
    "SELECT rotation_create_set(id) FROM rotation; SET CONSTRAINTS ALL IMMEDIATE;"
)


def actions() -> Iterator[Case]:
    """Steering what is not there, or is not in that state."""
    for action in (("pause",), ("resume",), ("cancel",), ("tune", "nice=1"), ("verify",)):
        yield Case(f"{action[0]} without a rotation", ("rotation", *action), 1, "no rotation yet")
    for action in (("pause",), ("resume",)):
        yield Case(
            f"{action[0]} of one that is recorded", ("rotation", *action), 1, "pending", A_ROTATION
        )
    begun = A_ROTATION + ITS_LANES
    yield Case("resume of one that runs", ("rotation", "resume"), 1, "not paused", begun)
    yield Case("verify without a snapshot", ("rotation", "verify"), 1, "no complete snapshot", begun)
    yield Case("--new while one is unfinished", (RUN, "--new"), 1, "without --new", begun)
    yield Case("another column meanwhile", (RUN, "--column", "other"), 1, "--column token",
               "ALTER TABLE ticket ADD other uuid;" + begun)  # fmt: skip
    yield Case("status of a strange table", ("rotation", "status", "--table", "a.b.c"), 2, "--table")
    yield Case("drop of a model's guard", ("rotation", "guard", "drop"), 1, "belongs to a model")
    plain = "CREATE TABLE plain (id int PRIMARY KEY, token uuid);"
    yield Case(
        "drop of no guard", ("rotation", "guard", "drop", "--table", "plain"), 1, "no guard", plain
    )


def tables() -> Iterator[Case]:
    """Tables that can't be rotated."""
    for name, before, says in (
        ("no key", "CREATE TABLE odd (id int, token uuid)", "no primary key"),
        ("two keys", "CREATE TABLE odd (id int, b int, token uuid, PRIMARY KEY (id, b))", "several col"),
        ("float key", "CREATE TABLE odd (id float8 PRIMARY KEY, token uuid)", "double precision"),
        ("date key", "CREATE TABLE odd (id date PRIMARY KEY, token uuid)", "date"),
        ("token is key", "CREATE TABLE odd (token uuid PRIMARY KEY)", "primary key itself"),
        ("number", "CREATE TABLE odd (id int PRIMARY KEY, token int)", "integer"),
        ("bytes", "CREATE TABLE odd (id int PRIMARY KEY, token bytea)", "bytea"),
        ("json", "CREATE TABLE odd (id int PRIMARY KEY, token jsonb)", "jsonb"),
        ("array", "CREATE TABLE odd (id int PRIMARY KEY, token uuid[])", "uuid[]"),
        ("short text", "CREATE TABLE odd (id int PRIMARY KEY, token varchar(20))", "20 characters"),
        ("padded text", "CREATE TABLE odd (id int PRIMARY KEY, token char(40))", "40 characters"),
        ("no UUID", "CREATE TABLE odd (id int PRIMARY KEY, token text);"
         "INSERT INTO odd VALUES (7, 'hello')", "7"),
        ("generated", "CREATE TABLE odd (id int PRIMARY KEY, token uuid GENERATED ALWAYS AS"
         " ('11111111-2222-4333-8444-555555555555'::uuid) STORED)", "generated"),
        ("view", "CREATE VIEW odd AS SELECT * FROM ticket", "a view"),
        ("materialized", "CREATE MATERIALIZED VIEW odd AS SELECT * FROM ticket", "materialized"),
        ("inherited", "CREATE TABLE odd (id int PRIMARY KEY, token uuid);"
         "CREATE TABLE below () INHERITS (odd)", "inheritance"),
        ("partition key", "CREATE TABLE odd (id int, token uuid, PRIMARY KEY (token))"
         " PARTITION BY HASH (token)", "primary key itself"),
        ("rule", "CREATE TABLE odd (id int PRIMARY KEY, token uuid);"
         "CREATE RULE no AS ON UPDATE TO odd DO INSTEAD NOTHING", "rule no"),
        ("referenced", "CREATE TABLE odd (id int PRIMARY KEY, token uuid UNIQUE);"
         "CREATE TABLE below (token uuid REFERENCES odd (token))", "NO ACTION"),
        ("cascade", "CREATE TABLE odd (id int PRIMARY KEY, token uuid UNIQUE);"
         "CREATE TABLE below (token uuid REFERENCES odd (token) ON UPDATE CASCADE)", "--allow-fk"),
        ("refers", "CREATE TABLE above (token uuid PRIMARY KEY);"
         "CREATE TABLE odd (id int PRIMARY KEY, token uuid REFERENCES above (token))", "refers to"),
        ("copies", "CREATE TABLE odd (id int PRIMARY KEY, token uuid); CREATE TABLE audit (t uuid);"
         "CREATE FUNCTION copy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES"
         " (OLD.token); RETURN NEW; END'; CREATE TRIGGER copy BEFORE UPDATE ON odd FOR EACH ROW"
         " EXECUTE FUNCTION copy()", "--ack-triggers"),
        ("no identity", "CREATE TABLE odd (id int PRIMARY KEY, token uuid);"
         "ALTER TABLE odd REPLICA IDENTITY NOTHING; CREATE PUBLICATION p FOR TABLE odd", "IDENTITY"),
    ):  # fmt: skip
        yield Case(f"table: {name}", (RUN, "--table", "odd"), 1, says, before)


def rights() -> Iterator[Case]:
    """A role that lacks one of the rights that it needs."""
    for right, says in (
        ("UPDATE ON ticket", "GRANT SELECT, UPDATE"),
        ("SELECT ON ticket", "GRANT SELECT"),
        ("UPDATE ON batchprogress", "GRANT"),
        ("INSERT ON batchprogress", "GRANT"),
        ("SELECT ON rotation", "GRANT"),
        ("INSERT ON rotation", "GRANT"),
        ("INSERT ON rotation_window", "GRANT"),
        ("UPDATE ON rotation_leftover", "GRANT"),
        ("SELECT ON rotation_revoked", "GRANT"),
        ("INSERT ON rotation_revoked", "GRANT"),
        *((f"EXECUTE ON FUNCTION {one}", "EXECUTE") for one in GRANTED),
    ):
        yield Case(f"without {right}", (RUN,), 1, says, f"REVOKE {right} FROM {{role}}", as_role=True)
    yield Case("hidden rows", (RUN,), 1, "row-level security", as_role=True,
               before="ALTER TABLE ticket ENABLE ROW LEVEL SECURITY")  # fmt: skip
    yield Case("guard of another's table", (RUN, "--table", "odd"), 1, "--no-guard", as_role=True,
               before="CREATE TABLE odd (id int PRIMARY KEY, token uuid);"
               "GRANT ALL ON odd TO {role}")  # fmt: skip
    yield Case("read only", (RUN,), 1, "read-only", as_role=True,
               before="ALTER ROLE {role} SET default_transaction_read_only = on")  # fmt: skip


def tampering() -> Iterator[Case]:
    """State that somebody changed by hand, past the triggers that keep it."""
    begun = A_ROTATION + ITS_LANES
    past = "SET session_replication_role = replica;"
    for table in ("rotation", "batchprogress", "rotation_window", "rotation_leftover"):
        off = f"ALTER TABLE {table} DISABLE TRIGGER ALL;"
        past += off
    for name, change, says in (
        ("another table's number", "UPDATE rotation SET table_oid = 1", "another table has taken"),
        ("another key", "UPDATE rotation SET pk_column = 'title'", "primary key has changed"),
        ("another key type", "UPDATE rotation SET pk_type = 'text'", "primary key has changed"),
        ("another column", "UPDATE rotation SET token_attnum = 2", "--column"),
        ("lane that ends in words", "UPDATE batchprogress SET upper = 'end'", "SQLSTATE 22P02"),
        ("lane that begins in words", "UPDATE batchprogress SET lower = ''", "SQLSTATE 22P02"),
        ("checkpoint in words", "UPDATE batchprogress SET last_id = 'x'", "22P02"),
        (
            "checkpoint beyond bigint",
            f"UPDATE batchprogress SET last_id = '{LONG}'",
            "SQLSTATE 22003",
        ),
        ("tuned to nothing", "UPDATE rotation SET tuned = '{\"window\": 0}'", "--window 0"),
        ("tuned to words", 'UPDATE rotation SET tuned = \'{"max_rate": "x"}\'', "NAME=default"),
        ("tuned to a list", "UPDATE rotation SET tuned = '[1]'", "NAME=default"),
    ):
        yield Case(f"state: {name}", (RUN,), 1, says, begun + past + change)
    for name, change in (
        ("no state", "DROP TABLE rotation_window, batchprogress, rotation CASCADE"),
        ("no set", "DROP TABLE rotation_revoked CASCADE"),
        ("no leftovers", "DROP TABLE rotation_leftover CASCADE"),
    ):
        yield Case(f"state: {name}", (RUN,), 1, "migrate rotation", change)


def all_cases() -> list[Case]:
    """Every case."""
    families = (numbers, flags, names, files, actions, tables, rights, tampering)
    return [case for family in families for case in family()]
