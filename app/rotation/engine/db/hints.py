"""What to do about an error of PostgreSQL, for every class of SQLSTATE that can reach a person.

Sources: PostgreSQL's documentation, appendix A (error codes), and what provokes each in the tests.
"""

#: By SQLSTATE, or by its class: the first two characters.
HINTS = {
    "0A": "this server, or a pooler before it, does not support that; connect to PostgreSQL directly",
    "21": "a trigger or an expression of the table expects one row and finds several",
    "22": "a trigger, constraint or index of the table can't work with a row's values",
    "22021": "a text there is not valid UTF-8 (is the database's encoding SQL_ASCII?): correct it, or"
    " rename what has that name",
    "22P05": "a text can't be shown in UTF-8: leave client_encoding at UTF8, and correct the text",
    "23": "a row breaks that constraint: fix the row or the constraint",
    "23503": "a foreign key forbids it: see what --dry-run says about references",
    "25006": "the server accepts no writes (a failover? a standby? default_transaction_read_only?):"
    " point DATABASE_URL at the primary (or settings.DATABASES), or use a role that may write",
    "25P02": "a pooler mixes transactions of several clients: use pool_mode=transaction or session",
    "26": "a pooler mixes statements of several clients: connect to PostgreSQL directly",
    "28": "the server refuses this role: check DATABASE_URL (or settings.DATABASES) and pg_hba.conf",
    "2B": "other objects depend on it: see the server's log",
    "3B": "a pooler mixes transactions of several clients: use pool_mode=transaction or session",
    "3D": "there is no such database: check DATABASE_URL, or settings.DATABASES",
    "3F": "a schema is gone: it may have been dropped or renamed while this ran",
    "42501": "this role lacks a privilege: docs/servers.md lists the GRANTs",
    "42703": "a column is gone: it may have been dropped or renamed while this ran",
    "42883": "a function is missing or was moved: run python manage.py migrate rotation",
    "42P01": "a table is gone: it may have been dropped or renamed while this ran",
    "42": "the database's objects are not what they were: see what --dry-run says",
    "44": "a view's CHECK OPTION forbids it",
    "53100": "the server's disk, or its shared memory (/dev/shm in a container), is full: make room",
    "53200": "the server is out of memory, or of locks for so many partitions: raise"
    " max_locks_per_transaction",
    "53300": "the server has no free connection: raise max_connections, or use fewer --workers",
    "53400": "a limit of this role was reached: raise temp_file_limit for it",
    "54001": "an expression or trigger is nested too deeply: raise max_stack_depth",
    "54": "a row or an index entry would be too large",
    "55000": "the table can't be updated as it is (published without a replica identity?): see what"
    " --dry-run says",
    "55006": "other sessions use it: end them",
    "57": "an administrator or a time limit ended it: see the server's log",
    "58": "the server could not read or write a file: see its log and its disk",
    "F0": "the server's configuration is broken: see its log",
    "HV": "a foreign server does not answer as it should: see its log",
    "P0001": "a trigger, or an event trigger, of the database forbids it",
    "P0": "a function of the database failed: see the server's log",
    "XX001": "data is damaged: check the disk, and restore from a backup",
    "XX002": "an index is damaged: REINDEX it",
    "XX": "an error inside PostgreSQL: see the server's log",
}


def hint(sqlstate: str | None) -> str:
    """What to do about an error; a general answer for a class that is not listed."""
    code = sqlstate or ""
    return HINTS.get(code) or HINTS.get(code[:2]) or "see the server's log"
