-- Purpose: the settings of a transaction of models' queries, whose numbers are shown to people.
-- Parameters: worker (shown as application_name).
SELECT
    pg_catalog.set_config('application_name', %(worker)s, true),
    pg_catalog.set_config('extra_float_digits', '1', true),
    pg_catalog.set_config('statement_timeout', '0', true),
    pg_catalog.set_config('lock_timeout', '10s', true),
    pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true),
    CASE
        WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', true)
    END;
