-- Purpose: the settings of one window's transaction. They all end with it, so a connection
--          pooler in transaction mode passes none of them on to other clients.
-- Parameters: lock_timeout, worker (shown as application_name), bounded (the UPDATE and a wait for a
--          lock together must stay below deadlock_timeout: a session that waits for us longer looks for
--          deadlocks, and becomes the victim of one that we are part of), active (see pass_guard.sql).
-- Columns: one row, of what was set.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT
    pg_catalog.set_config('application_name', %(worker)s, true),
    pg_catalog.set_config('lock_timeout', wait.milliseconds || 'ms', true),
    -- A role's own timeouts must not end a window.
    pg_catalog.set_config(
        'statement_timeout',
        CASE
            WHEN %(bounded)s
                THEN greatest(
                    50, extract(epoch FROM deadlock.timeout) * 1000 - wait.milliseconds
                )::int
            ELSE 0
        END || 'ms',
        true
    ),
    -- A client that froze or vanished without a word holds its locks for ten seconds at most.
    pg_catalog.set_config('idle_in_transaction_session_timeout', '8s', true),
    pg_catalog.set_config('tcp_keepalives_idle', '4', true),
    pg_catalog.set_config('tcp_keepalives_interval', '2', true),
    pg_catalog.set_config('tcp_keepalives_count', '2', true),
    pg_catalog.set_config('tcp_user_timeout', '8000', true),
    -- A crash loses rows and checkpoint together, so a window need not wait for the disk.
    pg_catalog.set_config('synchronous_commit', 'off', true),
    -- The guard lets the rotation's own UPDATE pass without looking in the revoked set.
    pg_catalog.set_config('rotation.active', %(active)s, true),
    -- Rows hidden by a policy become an error instead of being skipped silently.
    pg_catalog.set_config('row_security', 'off', true),
    -- Stale statistics must not turn a window into a scan of the whole table.
    pg_catalog.set_config('enable_seqscan', 'off', true),
    -- Foreign keys and triggers must do their part; only a superuser can be here with another value.
    CASE
        WHEN pg_catalog.current_setting('session_replication_role') = 'replica'
            THEN pg_catalog.set_config('session_replication_role', 'origin', true)
    END,
    -- The server notices within half a second that a killed client is gone (since PostgreSQL 14).
    CASE
        WHEN pg_catalog.current_setting('client_connection_check_interval', true) IS NOT NULL
            THEN pg_catalog.set_config('client_connection_check_interval', '500ms', true)
    END,
    CASE
        WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', true)
    END
FROM (
    SELECT pg_catalog.current_setting('deadlock_timeout')::interval AS timeout
) AS deadlock
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN %(bounded)s
                THEN least(asked.milliseconds, extract(epoch FROM deadlock.timeout) * 500)
            ELSE asked.milliseconds
        END::int AS milliseconds
    FROM (
        SELECT extract(epoch FROM %(lock_timeout)s::interval) * 1000 AS milliseconds
    ) AS asked
) AS wait;
