-- Purpose: how primary keys are distributed according to the planner's statistics: keys at equal
--          distances in rows, of the whole table if it is partitioned. No row if there are no
--          statistics.
-- Parameters: oid, pk (name of the column).
-- Columns: bounds (keys in ascending order, as text).
SELECT stats.histogram_bounds::text::text[] AS bounds
FROM pg_catalog.pg_stats AS stats
INNER JOIN pg_catalog.pg_class AS relation ON relation.relname = stats.tablename
INNER JOIN pg_catalog.pg_namespace AS namespace
    ON namespace.oid = relation.relnamespace AND namespace.nspname = stats.schemaname
WHERE relation.oid = %(oid)s::oid
    AND stats.attname = %(pk)s
    AND stats.histogram_bounds IS NOT NULL
ORDER BY stats.inherited DESC
LIMIT 1;
