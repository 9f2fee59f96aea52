-- Purpose: the settings of a transaction that only reads: the dry run, the plan, the counts,
--          the verification and the probes.
-- Parameters: worker (shown as application_name), statement_timeout.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

SELECT
    pg_catalog.set_config('application_name', %(worker)s, true),
    pg_catalog.set_config('statement_timeout', %(statement_timeout)s, true),
    -- Longer than a process frozen while installing a guard is tolerated (open_install.sql).
    pg_catalog.set_config('lock_timeout', '6s', true),
    pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true),
    pg_catalog.set_config('row_security', 'off', true),
    -- Lags and loads are compared with limits.
    pg_catalog.set_config('extra_float_digits', '1', true),
    -- A table that becomes a view in the meantime would run its owner's code with this role's rights.
    CASE
        WHEN pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL
            THEN pg_catalog.set_config('restrict_nonsystem_relation_kind', 'view, foreign-table', true)
    END,
    CASE
        WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', true)
    END;
