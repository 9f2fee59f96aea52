-- Purpose: the size of a table as the catalog knows it, its partitions included; no row is read.
-- Parameters: oid.
-- Columns: estimated_rows (of the last ANALYZE or VACUUM; NULL if there was none), heap_bytes,
--          index_bytes, indexes (how many a row version needs), parts (tables that hold its rows: 1, or
--          its partitions).
SELECT
    CASE WHEN pg_catalog.min(part.reltuples) >= 0 THEN pg_catalog.sum(part.reltuples)::bigint END
        AS estimated_rows,
    pg_catalog.sum(pg_catalog.pg_relation_size(part.oid))::bigint AS heap_bytes,
    pg_catalog.sum(pg_catalog.pg_indexes_size(part.oid))::bigint AS index_bytes,
    pg_catalog.max((SELECT pg_catalog.count(*) FROM pg_catalog.pg_index WHERE indrelid = part.oid))
        AS indexes,
    pg_catalog.count(*) AS parts
FROM (
    SELECT relation.oid, relation.reltuples
    FROM pg_catalog.pg_class AS relation
    WHERE relation.relkind = 'r'
        AND relation.oid IN (
            SELECT %(oid)s::oid
            UNION ALL
            SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
        )
) AS part;
