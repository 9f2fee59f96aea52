-- Purpose: the settings of a transaction that installs or drops a guard: it waits only briefly for
--          the table's lock, because everyone else would wait behind us.
-- Parameters: lock_timeout, worker (shown as application_name).
-- Columns: pid of this backend.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT
    pg_catalog.pg_backend_pid() AS pid,
    pg_catalog.set_config('application_name', %(worker)s, true),
    pg_catalog.set_config('lock_timeout', %(lock_timeout)s, true),
    pg_catalog.set_config('statement_timeout', '0', true),
    -- If this process freezes before its COMMIT, every writer waits for it: not for long. Nor for
    -- standbys: what follows waits for them.
    pg_catalog.set_config('idle_in_transaction_session_timeout', '5s', true),
    pg_catalog.set_config('synchronous_commit', 'local', true),
    CASE
        WHEN pg_catalog.current_setting('session_replication_role') = 'replica'
            THEN pg_catalog.set_config('session_replication_role', 'origin', true)
    END,
    CASE
        WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', true)
    END,
    -- A client that vanished without a word is noticed within ten seconds.
    pg_catalog.set_config('tcp_keepalives_idle', '4', true),
    pg_catalog.set_config('tcp_keepalives_interval', '2', true),
    pg_catalog.set_config('tcp_keepalives_count', '2', true),
    pg_catalog.set_config('tcp_user_timeout', '8000', true);
