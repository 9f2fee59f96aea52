-- Purpose: the settings of a transaction in which amcheck compares an index with its table. It writes
--          nothing. READ COMMITTED, because with one snapshot for the whole transaction amcheck refuses
--          an index that has just been built.
-- Parameters: worker (shown as application_name), statement_timeout.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY;

SELECT
    pg_catalog.set_config('application_name', %(worker)s, true),
    pg_catalog.set_config('statement_timeout', %(statement_timeout)s, true),
    pg_catalog.set_config('lock_timeout', '6s', true),
    pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true),
    CASE
        WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', true)
    END;
