-- Purpose: the size of all shards of a table distributed by Citus; no row is read.
-- Parameters: oid.
-- Columns: estimated_rows (NULL: not known for all shards), heap_bytes, index_bytes, indexes (how
--          many a row version needs), parts (1: shards do not count).
SELECT
    NULL::bigint AS estimated_rows,
    pg_catalog.citus_relation_size(%(oid)s::oid::regclass) AS heap_bytes,
    pg_catalog.citus_total_relation_size(%(oid)s::oid::regclass)
    - pg_catalog.citus_table_size(%(oid)s::oid::regclass) AS index_bytes,
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index WHERE indrelid = %(oid)s::oid) AS indexes,
    1 AS parts;
