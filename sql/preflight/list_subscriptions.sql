-- Purpose: the subscriptions that fill a table and its partitions.
-- Parameters: oid.
-- Columns: name (quoted), enabled, table.
SELECT
    pg_catalog.quote_ident(subscription.subname) AS name,
    subscription.subenabled AS enabled,
    filled.srrelid::regclass::text AS table
FROM pg_catalog.pg_subscription_rel AS filled
INNER JOIN pg_catalog.pg_subscription AS subscription ON subscription.oid = filled.srsubid
WHERE filled.srrelid IN (
        SELECT %(oid)s::oid

        UNION ALL

        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    )
ORDER BY subscription.subname, filled.srrelid;
