"""What is wrong around a command: environment, role, database; more cases of bad_input.py."""

from collections.abc import Iterator

from tests.management.bad_input import A_ROTATION, ITS_LANES, RUN, Case

URL = "postgres://postgres@{socket}/{name}"
NEVER = "8e3d8a5f"  # a password, which no message may show


def urls() -> Iterator[Case]:
    """DATABASE_URL in every way in which it can't be used."""
    for url, says in (
        ("", "DATABASE_URL can't be used: it is empty"),
        ("   ", "it is empty"),
        ("postgres", "it is no URL"),
        ("localhost:5432/app", "is not PostgreSQL"),
        ("host=localhost dbname=app", "it is no URL"),
        (f"'postgres://u:{NEVER}@h/app'", "it is no URL"),
        (f"mysql://u:{NEVER}@h/app", "mysql:// is not PostgreSQL"),
        (f"sqlite:///{NEVER}", "sqlite:// is not PostgreSQL"),
        (f"postgis://u:{NEVER}@h/app", "postgis:// is not PostgreSQL"),
        (f"mssql://u:{NEVER}@h/app", "mssql:// is not PostgreSQL"),
        (f"jdbc:postgresql://u:{NEVER}@h/app", "is not PostgreSQL"),
        (f"postgresql+psycopg2://u:{NEVER}@h/app", "it is no URL"),
        (f"postgres://u:{NEVER}@h", "it names no database"),
        (f"postgres://u:{NEVER}@h/", "it names no database"),
        (f"postgres://u:{NEVER}@h:0/app", "its port is no number"),
        (f"postgres://u:{NEVER}@h:65536/app", "its port is no number"),
        (f"postgres://u:{NEVER}@h:port/app", "its port is no number"),
        (f"postgres://u:{NEVER}@h:-1/app", "its port is no number"),
        (f"postgres://u:{NEVER}/x@h/app", "its port is no number"),
        (f"postgres://u:{NEVER}#x@h/app", "DATABASE_URL can't be used"),
        (f"postgres://u:{NEVER}@h/app#main", "must be written %23"),
        (f"postgres://u:{NEVER}@[::1/app", "it is no URL"),
        (f"postgres://u:{NEVER}@one,two/app", "several hosts"),
        (f"postgres://u:{NEVER}@one:5432,two:5433/app", "several hosts"),
        (f"postgres://u:{NEVER}@h/app?pgbouncer=true", "no option 'pgbouncer'"),
        (f"postgres://u:{NEVER}@h/app?pool=true", "no option 'pool'"),
        (f"postgres://u:{NEVER}@h/app?schema=public", "no option 'schema'"),
        (f"postgres://u:{NEVER}@h/app?sslmod=require", "no option 'sslmod'"),
        (f"postgres://u:{NEVER}@h/app?connection_limit=5", "no option 'connection_limit'"),
    ):
        yield Case(f"DATABASE_URL={url}", (RUN,), 1, says, env=(("DATABASE_URL", url),))


def servers() -> Iterator[Case]:
    """DATABASE_URL that can be read, but leads nowhere, or to a server that refuses it."""
    for url, says in (
        (f"{URL}?sslmode=maybe", "sslmode"),
        (f"{URL}?connect_timeout=soon", "connect_timeout"),
        (f"{URL}?target_session_attrs=standby", "can't connect"),
        (f"{URL}?options=-c%20nosuch%3D1", "nosuch"),
        (f"{URL}?options=-c%20work_mem%3Dmuch", "work_mem"),
        (f"{URL}?options=-c%20default_transaction_read_only%3Don", "read-only"),
        (f"{URL}?options=-c%20statement_timeout%3D1", "statement_timeout"),
        (f"{URL}?options=-c%20zero_damaged_pages%3Don", "zero_damaged_pages"),
        (f"{URL}?options=-c%20search_path%3Dnosuch", "search_path"),
        ("postgres://postgres@{socket}/nosuch", "nosuch"),
        ("postgres://postgres@{socket}/Template1", "Template1"),
        ("postgres://nobody_here@{socket}/{name}", "nobody_here"),
        (f"postgres://u:{NEVER}@%2Fno%2Fsuch%2Fsocket/app", "can't connect"),
        (f"postgres://u:{NEVER}@127.0.0.1:1/app", "can't connect"),
        (f"postgres://u:{NEVER}@no-such-host.invalid/app", "no-such-host.invalid"),
    ):
        yield Case(f"DATABASE_URL={url}", (RUN,), 1, says, env=(("DATABASE_URL", url),))


def variables() -> Iterator[Case]:
    """Other variables, and several that contradict each other."""
    for name in ("DEBUG", "PROXY", "METRICS"):
        for value in ("yes", "2", "true", " 1"):
            yield Case(
                f"{name}={value}", (RUN,), 1, f"{name}={value}: expected 0 or 1", env=((name, value),)
            )
    for value in ("1", "no", "OFF"):
        yield Case(
            f"HTTPS={value}", (RUN,), 1, f"HTTPS={value}: expected on or off", env=(("HTTPS", value),)
        )
    for name, value, says in (
        ("DATABASE_URL_DEFAULT", URL, "unset DATABASE_URL_DEFAULT"),
        ("DATABASE_URL_", URL, "DATABASE_URL_"),
        ("DATABASE_URL_OTHER", "mysql://h/app", "DATABASE_URL_OTHER can't be used"),
        ("DATABASE_URL_OTHER", "", "DATABASE_URL_OTHER can't be used"),
        ("DJANGO_SETTINGS_MODULE", "no.such.settings", "no.such.settings"),
        ("DJANGO_SETTINGS_MODULE", "app.urls.nosuch", "app.urls.nosuch"),
    ):
        yield Case(f"{name}={value}", (RUN,), 1, says, env=((name, value),))
    for arguments in ((RUN, "--database", "two"), ("rotation", "status", "--database", "two")):
        yield Case(
            f"a second database without state {arguments[0]}", arguments, 1, "migrate rotation",
            env=(("DATABASE_URL_TWO", "postgres://postgres@{socket}/postgres"),),
        )  # fmt: skip


def unsuited_flags() -> Iterator[Case]:
    """Flags of one action given to another; values that are missing."""
    for action in ("status", "history", "pause", "resume", "cancel", "tune"):
        for flag in ("--html=x", "--id=1", "--leaked=x", "--search-copies", "--pk=id", "--force"):
            more = ("nice=1",) if action == "tune" else ()
            yield Case(f"{action} {flag}", ("rotation", action, *more, flag), 2, flag.partition("=")[0])
    for action in ("pause", "resume", "cancel", "verify"):
        yield Case(f"{action} --json", ("rotation", action, "--json"), 2, "--json")
    for action in ("status", "report", "verify", "guard"):
        for flag in ("--table", "--column", "--database"):
            yield Case(f"{action} {flag} without a value", ("rotation", action, flag), 2, flag)
    for action in ("status", "history", "pause", "verify"):
        yield Case(
            f"{action} of database nosuch", ("rotation", action, "--database=nosuch"), 2, "nosuch"
        )
    for flag in ("--leaked", "--reason", "--notify", "--standby", "--throttle-sql", "--pk", "--max-lag"):
        yield Case(f"{flag} without a value", (RUN, flag), 2, flag)
    for flag in ("--dry-run=yes", "--new=1", "--serve=now", "--reindex=most", "--no-guard=x", "--yes=y"):
        yield Case(flag, (RUN, flag), 2, flag.partition("=")[0])
    for flag in ("--init=5", "--process-token=all", "--force=yes"):
        yield Case(f"ticket {flag}", ("ticket", flag), 2, flag.partition("=")[0])
    yield Case("ticket --database=nosuch", ("ticket", "--init", "--database=nosuch"), 2, "nosuch")


def tuning() -> Iterator[Case]:
    """Values that a rotation can't be tuned to, whether there is one or not."""
    begun = A_ROTATION + ITS_LANES
    for text in (
        *("window=-1", "window=1.5", "window=many", "window=", "window=1000001"),
        *("workers=0", "workers=65", "workers=two", "workers=", "window_seconds=0", "window_seconds=61"),
        *(
            "window_seconds=nan",
            "nice=-1",
            "nice=inf",
            "nice=much",
            "vacuum=0",
            "vacuum=101",
            "vacuum=all",
        ),
        *(
            "max_lag=0",
            "max_lag=soon",
            "max_lag_bytes=0",
            "max_lag_bytes=5x",
            "max_wal=-1",
            "max_rate=0",
        ),
        *("throttle_sql=SELEC 1", "throttle_sql=SELECT 'x'", "throttle_sql=DROP TABLE ticket"),
        *("only_between=22:00", "only_between=22:00-06:00@Mars/Base"),
        *("max_wal_rate=0", "max_wal_rate=fast", "max_wal_rate=5MB/h"),
        *("max_rate=fast", "min_free=none", "max_waiting=-1", "max_waiting=few", "max_rate=1e400"),
    ):
        name = text.partition("=")[0]
        yield Case(f"tune {text}", ("rotation", "tune", text), 2, name.partition("_")[0], begun)
    for text in (
        "lanes=4",
        "standby=x",
        "stop_after=5",
        "critical_wal=1GB",
        "guard=off",
        "=5",
        "nice",
    ):
        yield Case(f"tune {text}", ("rotation", "tune", text), 2, "expected NAME=VALUE", begun)
    yield Case(
        "tune one right, one wrong", ("rotation", "tune", "nice=1", "window=0"), 2, "--window", begun
    )
    yield Case(
        "tune one name twice", ("rotation", "tune", "nice=1", "nice=2"), 2, "nice is named twice", begun
    )


def roles() -> Iterator[Case]:
    """A role that may not log in, connect, or do what the first statements do."""
    for name, before, says in (
        ("NOLOGIN", "ALTER ROLE {role} NOLOGIN", "not permitted to log in"),
        ("too many connections", "ALTER ROLE {role} CONNECTION LIMIT 0", "too many connections"),
        ("too few connections", "ALTER ROLE {role} CONNECTION LIMIT 1", "raise CONNECTION LIMIT"),
        ("no CONNECT", "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC", "permission denied"),
        ("no schema", "REVOKE USAGE ON SCHEMA public FROM PUBLIC", "GRANT USAGE ON SCHEMA public"),
        (
            "a path elsewhere",
            "CREATE SCHEMA other; ALTER ROLE {role} SET search_path = other",
            "search_path",
        ),
        ("an empty path", "ALTER ROLE {role} SET search_path = ''", "search_path"),
        (
            "replica",
            "ALTER ROLE {role} SET session_replication_role = replica",
            "session_replication_role",
        ),
        ("damaged pages", "ALTER ROLE {role} SET zero_damaged_pages = on", "zero_damaged_pages"),
        (
            "no checksums",
            "ALTER ROLE {role} SET ignore_checksum_failure = on",
            "ignore_checksum_failure",
        ),
        ("no time", "ALTER ROLE {role} SET statement_timeout = 1", "statement_timeout"),
        (
            "no function",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.gen_random_uuid() FROM PUBLIC",
            "privilege",
        ),
    ):  # fmt: skip
        yield Case(f"role: {name}", (RUN,), 1, says, before, as_role=True)


ODD = "CREATE TABLE odd (id int PRIMARY KEY, token uuid, note text);"
#: What is made of that table, and what is said of it.
DATABASES = (
    ("row filter", "CREATE PUBLICATION p FOR TABLE odd WHERE (note <> 'x')", "row filter"),
    ("column list", "CREATE PUBLICATION p FOR TABLE odd (token)", "row filter or columns"),
    ("deferrable key", "ALTER TABLE odd DROP CONSTRAINT odd_pkey, ADD PRIMARY KEY (id) DEFERRABLE;"
     "CREATE PUBLICATION p FOR ALL TABLES", "DEFERRABLE"),
    ("invalid key", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'odd_pkey'::regclass",
     "INVALID"),
    ("key not ready", "UPDATE pg_index SET indisready = false WHERE indexrelid ="
     " 'odd_pkey'::regclass",
     "not ready"),
    ("instead of a guard", "CREATE RULE r AS ON UPDATE TO odd DO ALSO SELECT 1", "rule r"),
    ("a trigger that copies", "CREATE TABLE log (r jsonb); CREATE FUNCTION f() RETURNS trigger"
     " LANGUAGE"
     " plpgsql AS 'BEGIN INSERT INTO log VALUES (to_jsonb(OLD)); RETURN NEW; END'; CREATE TRIGGER t"
     " AFTER UPDATE ON odd FOR EACH ROW EXECUTE FUNCTION f()", "--ack-triggers"),
    ("set null", "ALTER TABLE odd ADD UNIQUE (token); CREATE TABLE b (t uuid REFERENCES odd (token)"
     " ON UPDATE SET NULL)", "--allow-fk"),
    ("set default", "ALTER TABLE odd ADD UNIQUE (token); CREATE TABLE b (t uuid REFERENCES odd"
     " (token)"
     " ON UPDATE SET DEFAULT)", "--allow-fk"),
    ("restrict", "ALTER TABLE odd ADD UNIQUE (token); CREATE TABLE b (t uuid REFERENCES odd (token)"
     " ON UPDATE RESTRICT)", "RESTRICT"),
    ("refers to itself", "ALTER TABLE odd ADD UNIQUE (token), ADD FOREIGN KEY (token) REFERENCES odd"
     " (token)", "NO ACTION"),
    ("everybody may create", "GRANT CREATE ON SCHEMA public TO PUBLIC", "REVOKE CREATE ON SCHEMA"),
    ("everybody may execute", "GRANT EXECUTE ON FUNCTION rotation_note_change TO PUBLIC", "REVOKE"),
    ("a stranger's function", "CREATE ROLE stranger_{database}; CREATE FUNCTION rotation_x()"
     " RETURNS int"
     " LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION rotation_x OWNER TO"
     " stranger_{database}", "rotation_x"),
    ("a stranger's operator", "CREATE ROLE stranger_{database}; CREATE OPERATOR === (leftarg = int,"
     " rightarg = int, function = int4eq); ALTER OPERATOR === (int, int) OWNER TO"
     " stranger_{database}", "==="),
    ("key of an enum", "CREATE TYPE mood AS ENUM ('a'); ALTER TABLE odd DROP id, ADD id mood"
     " PRIMARY KEY",
     "mood"),
    ("key of an interval", "ALTER TABLE odd DROP id, ADD id interval PRIMARY KEY", "interval"),
    ("key of bytes", "ALTER TABLE odd DROP id, ADD id bytea PRIMARY KEY", "bytea"),
    ("key of an array", "ALTER TABLE odd DROP id, ADD id int[] PRIMARY KEY", "integer[]"),
    ("key of booleans", "ALTER TABLE odd DROP id, ADD id boolean PRIMARY KEY", "boolean"),
    ("a unique key only", "ALTER TABLE odd DROP CONSTRAINT odd_pkey, ADD UNIQUE (id)", "no"
     " primary key"),
    ("token of a range", "ALTER TABLE odd DROP token, ADD token int4range", "int4range"),
    ("token of bits", "ALTER TABLE odd DROP token, ADD token bit(128)", "type bit"),
    ("token of moments", "ALTER TABLE odd DROP token, ADD token timestamptz", "timestamp"),
    ("token of an address", "ALTER TABLE odd DROP token, ADD token inet", "inet"),
    ("token of XML", "ALTER TABLE odd DROP token, ADD token json", "json"),
    ("token of names", "ALTER TABLE odd DROP token, ADD token name", "name"),
    ("a short char", "ALTER TABLE odd DROP token, ADD token char(35)", "35"),
    ("a token with blanks", "ALTER TABLE odd ALTER token TYPE text; INSERT INTO odd VALUES (5,"
     " ' 11111111-2222-4333-8444-555555555555')", "of the row with id 5 is not a UUID"),
    ("a token in braces", "ALTER TABLE odd ALTER token TYPE text; INSERT INTO odd VALUES (5,"
     " '{11111111-2222-4333-8444-555555555555}')", "of the row with id 5 is not a UUID"),
    ("a token in two cases", "ALTER TABLE odd ALTER token TYPE text; INSERT INTO odd VALUES (5,"
     " 'aaaaaaaa-2222-4333-8444-55555555555A')", "of the row with id 5 is not a UUID"),
    ("a blank token", "ALTER TABLE odd ALTER token TYPE text; INSERT INTO odd VALUES (5,"
     " ' ')", "of the row with id 5 is not a UUID"),
    ("a JWT", "ALTER TABLE odd ALTER token TYPE text; INSERT INTO odd VALUES (5,"
     " 'eyJh.eyJz.SflK')", "of the row with id 5 is not a UUID"),
    ("a partition only", "CREATE TABLE whole (LIKE odd) PARTITION BY RANGE (id); ALTER TABLE"
     " whole ADD"
     " PRIMARY KEY (id); ALTER TABLE whole ATTACH PARTITION odd FOR VALUES FROM (0) TO (9)",
     "rotate the whole table"),
    ("a child only", "CREATE TABLE parent (id int, token uuid); ALTER TABLE odd ALTER id SET"
     " NOT NULL,"
     " INHERIT parent", "inherit"),
    ("a partition without key", "DROP TABLE odd; CREATE TABLE odd (id int, token uuid) PARTITION BY"
     " RANGE (id); CREATE TABLE low PARTITION OF odd FOR VALUES FROM (0) TO (9);", "no primary key"),
)  # fmt: skip
#: What is done to it, and the flags with which it is not found.
GONE = (
    ("renamed table", ("--table", "odd"), "ALTER TABLE odd RENAME TO gone", "no table 'odd'"),
    ("renamed column", ("--table", "odd"), "ALTER TABLE odd RENAME token TO secret", "token"),
    ("moved", ("--table", "odd"), "CREATE SCHEMA s; ALTER TABLE odd SET SCHEMA s", "no table 'odd'"),
    ("dropped", ("--table", "odd"), "DROP TABLE odd", "no table 'odd'"),
    ("nothing to rebuild", ("--table", "nosuch", "--reindex"), "", "nosuch"),
    (
        "not on the path",
        ("--table", "twin"),
        "CREATE SCHEMA s; CREATE TABLE s.twin (id int)",
        "twin",
    ),
)  # fmt: skip


def databases() -> Iterator[Case]:
    """States of a database in which a run can't begin."""
    for name, before, says in DATABASES:
        yield Case(f"database: {name}", (RUN, "--table", "odd"), 1, says, ODD + before)
    for name, arguments, before, says in GONE:
        yield Case(f"database: {name}", (RUN, *arguments), 1, says, ODD + before)
        yield Case(f"dry run: {name}", (RUN, *arguments, "--dry-run"), 1, says, ODD + before)


def surroundings() -> list[Case]:
    """Every case of this file."""
    families = (urls, servers, variables, unsuited_flags, tuning, roles, databases)
    return [case for family in families for case in family()]
