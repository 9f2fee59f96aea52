-- Purpose: how primary keys are distributed according to the planner's statistics: keys at equal
--          distances in rows, of the whole table if it is partitioned. No row if there are no
--          statistics.
-- Parameters: oid, pk (name of the column).
-- Columns: bounds (keys in ascending order, as text), outgrown (the table is now more than twice as
--          large as when its pages were last counted: the statistics know little of its keys).
SELECT
    stats.histogram_bounds::text::text[] AS bounds,
    relation.relkind = 'r'
    AND pg_catalog.pg_relation_size(relation.oid)
        > 2 * relation.relpages * pg_catalog.current_setting('block_size')::bigint AS outgrown
FROM pg_catalog.pg_stats AS stats
INNER JOIN pg_catalog.pg_class AS relation ON relation.relname = stats.tablename
INNER JOIN pg_catalog.pg_namespace AS namespace
    ON namespace.oid = relation.relnamespace AND namespace.nspname = stats.schemaname
WHERE relation.oid = %(oid)s::oid
    AND stats.attname = %(pk)s
    AND stats.histogram_bounds IS NOT NULL
ORDER BY stats.inherited DESC
LIMIT 1;
