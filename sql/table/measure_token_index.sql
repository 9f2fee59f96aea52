-- Purpose: how large the indexes are that are sorted by the token, of the table or of each partition; no
--          row is read.
-- Parameters: oid, column (the token's).
-- Columns: pages (of the largest), bytes (of all), shared_buffers (in bytes).
SELECT
    coalesce(pg_catalog.max(part.bytes), 0)::bigint
    / pg_catalog.current_setting('block_size')::bigint AS pages,
    coalesce(pg_catalog.sum(part.bytes), 0)::bigint AS bytes,
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers')) AS shared_buffers
FROM (
    SELECT pg_catalog.pg_relation_size(relation.oid) AS bytes
    FROM pg_catalog.pg_index AS index_
    INNER JOIN pg_catalog.pg_class AS relation
        ON relation.oid = index_.indexrelid AND relation.relkind = 'i'
    INNER JOIN pg_catalog.pg_am AS method ON method.oid = relation.relam AND method.amname = 'btree'
    INNER JOIN pg_catalog.pg_attribute AS token
        ON token.attrelid = index_.indrelid
        AND token.attname = %(column)s
        AND token.attnum = index_.indkey[0]
    WHERE index_.indisready
        AND index_.indrelid IN (
            SELECT %(oid)s::oid
            UNION ALL
            SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
        )
) AS part;
