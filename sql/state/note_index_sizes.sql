-- Purpose: note how large the target's indexes are before anything is rotated; --reindex rebuilds those
--          that have grown since.
-- Parameters: rotation, oid.
UPDATE {rotation} AS rotation
SET index_bytes = (
    SELECT
        coalesce(
            pg_catalog.jsonb_object_agg(
                index_.indexrelid::bigint::text, pg_catalog.pg_relation_size(index_.indexrelid)
            ),
            '{{}}'
        )
    FROM pg_catalog.pg_index AS index_
    WHERE index_.indrelid IN (
        SELECT %(oid)s::oid
        UNION ALL
        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    )
)
WHERE rotation.id = %(rotation)s;
