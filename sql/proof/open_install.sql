-- Purpose: the settings of a transaction that installs or drops a guard: whoever holds the table is
--          waited for only briefly, because everybody else would wait behind us.
-- Parameters: lock_timeout, worker (shown as application_name).
-- Columns: pid of this backend.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT
    pg_catalog.pg_backend_pid() AS pid,
    pg_catalog.set_config('application_name', %(worker)s, true),
    pg_catalog.set_config('lock_timeout', %(lock_timeout)s, true),
    pg_catalog.set_config('statement_timeout', '0', true),
    -- Every writer waits for a process that freezes before its COMMIT: not for long.
    pg_catalog.set_config('idle_in_transaction_session_timeout', '5s', true);
