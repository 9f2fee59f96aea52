-- Purpose: open_window.sql for a table distributed by Citus, after citus/set_on_workers.sql. The
--          COMMIT waits for the disk: what the workers have prepared is committed only because of the
--          record here, which must not be lost in a crash.
-- Parameters: lock_timeout, worker (shown as application_name), bounded (the UPDATE and a wait for a
--          lock together must stay below deadlock_timeout: a session that waits for us longer looks for
--          deadlocks, and becomes the victim of one that we are part of).
-- Columns: one row, of what was set.
-- An empty table. Writing to it makes the COMMIT two-phase (see citus/prepare_nodes.sql).
DELETE FROM {rotation_two_phase};

SELECT
    pg_catalog.set_config('application_name', %(worker)s, true),
    -- A role's own timeouts must not end a window.
    pg_catalog.set_config(
        'statement_timeout',
        CASE
            WHEN %(bounded)s
                THEN greatest(
                    50,
                    1000 * extract(epoch FROM deadlock.timeout - %(lock_timeout)s::interval)
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
    pg_catalog.set_config('synchronous_commit', 'on', true),
    -- Rows hidden by a policy become an error instead of being skipped silently.
    pg_catalog.set_config('row_security', 'off', true),
    -- Foreign keys and triggers must do their part; only a superuser can be here with another value.
    CASE
        WHEN pg_catalog.current_setting('session_replication_role') = 'replica'
            THEN pg_catalog.set_config('session_replication_role', 'origin', true)
    END,
    pg_catalog.set_config('client_connection_check_interval', '500ms', true)
FROM (
    SELECT pg_catalog.current_setting('deadlock_timeout')::interval AS timeout
) AS deadlock;
