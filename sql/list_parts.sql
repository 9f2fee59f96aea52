-- Purpose: the tables that hold a table's rows: itself, or its partitions. It locks them, so that none
--          is detached before this transaction ends.
-- Parameters: oid.
-- Columns: oid, name (schema.table, for people).
SELECT
    part.oid::bigint AS oid,
    namespace.nspname || '.' || part.relname AS name
FROM (
    SELECT %(oid)s::oid AS oid

    UNION

    SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
) AS member
INNER JOIN pg_catalog.pg_class AS part ON part.oid = member.oid AND part.relkind <> 'p'
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = part.relnamespace
ORDER BY part.oid;
