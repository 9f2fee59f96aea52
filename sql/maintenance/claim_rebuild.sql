-- Purpose: let one process at a time rebuild indexes for a rotation, until this transaction ends: two
--          that rebuild the same one wait for each other, which PostgreSQL ends as a deadlock. The lock
--          is that of the snapshot, which no other role can take. Between its statements the
--          transaction holds no snapshot of the database, so a rebuild does not wait for it.
-- Parameters: rotation, worker (shown as application_name).
-- Columns: alone (no other process holds the claim).
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT
    {rotation_claim_snapshot}(%(rotation)s::bigint) AS alone,
    pg_catalog.set_config('application_name', %(worker)s, true),
    pg_catalog.set_config('statement_timeout', '0', true),
    -- A process that freezes loses its claim (see keep_claim.sql).
    pg_catalog.set_config('idle_in_transaction_session_timeout', '5s', true),
    CASE
        WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', true)
    END;
