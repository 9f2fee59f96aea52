-- Purpose: let this transaction's COMMIT wait for the disk, and so for all earlier windows, even if the
--          role's default is not to wait. Locks on our own state are brief: one that is not available
--          within ten seconds is a mistake, and an error.
-- Parameters: worker (shown as application_name), standbys (whether COMMIT waits for the synchronous
--          standbys too, if the role's default does: only the end of a rotation must, which comes after
--          all else in the WAL).
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

SELECT
    pg_catalog.set_config('application_name', %(worker)s, true),
    pg_catalog.set_config('lock_timeout', '10s', true),
    pg_catalog.set_config('statement_timeout', '0', true),
    -- A process that freezes here is ended before the lock_timeout of others.
    pg_catalog.set_config('idle_in_transaction_session_timeout', '5s', true),
    CASE
        WHEN NOT %(standbys)s OR pg_catalog.current_setting('synchronous_commit') = 'off'
            THEN pg_catalog.set_config(
                'synchronous_commit', CASE WHEN %(standbys)s THEN 'on' ELSE 'local' END, true
            )
    END,
    -- Foreign keys and triggers must do their part; only a superuser can be here with another value.
    CASE
        WHEN pg_catalog.current_setting('session_replication_role') = 'replica'
            THEN pg_catalog.set_config('session_replication_role', 'origin', true)
    END,
    -- As in open_reading.sql.
    CASE
        WHEN pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL
            THEN pg_catalog.set_config('restrict_nonsystem_relation_kind', 'view, foreign-table', true)
    END,
    CASE
        WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', true)
    END;
