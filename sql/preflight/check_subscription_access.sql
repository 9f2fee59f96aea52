-- Purpose: whether this role may read which subscriptions fill a table, as everyone may by default.
-- Columns: may_read.
SELECT
    pg_catalog.has_table_privilege('pg_catalog.pg_subscription_rel', 'SELECT')
    AND pg_catalog.has_column_privilege('pg_catalog.pg_subscription', 'oid', 'SELECT')
    AND pg_catalog.has_column_privilege('pg_catalog.pg_subscription', 'subname', 'SELECT')
    AND pg_catalog.has_column_privilege('pg_catalog.pg_subscription', 'subenabled', 'SELECT')
        AS may_read;
