-- Purpose: lift the role's own timeouts from this connection, for a statement that can't be in a
--          transaction, and let it send its warnings and nothing else. Not behind a connection pooler:
--          there others would get the settings.
-- Parameters: pid (of the backend, as it told the client; a pooler tells a number of its own).
SELECT
    pg_catalog.set_config('statement_timeout', '0', false),
    pg_catalog.set_config('lock_timeout', '0', false),
    pg_catalog.set_config('client_min_messages', 'warning', false)
FROM (SELECT) AS always
WHERE pg_catalog.pg_backend_pid() = %(pid)s;
