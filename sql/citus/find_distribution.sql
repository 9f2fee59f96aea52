-- Purpose: how Citus stores a table, and whether what a rotation of it needs exists.
-- Parameters: oid, state (the schema of the rotation's state).
-- Columns: coordinator_known (the cluster has its coordinator as a node), kind (hash, reference, local,
--          other; NULL: a table that Citus does not manage), partitioned, shards, copies (of a
--          shard, at most), prepared (see citus/prepare_nodes.sql), version (of Citus),
--          deadlock_timeout_ms.
SELECT
    EXISTS (SELECT FROM pg_catalog.pg_dist_node WHERE groupid = 0) AS coordinator_known,
    CASE
        WHEN kept.partmethod = 'h' THEN 'hash'
        WHEN kept.partmethod = 'n' AND kept.repmodel = 't' THEN 'reference'
        -- One shard, without a distribution column.
        WHEN kept.partmethod = 'n' AND kept.colocationid > 0 THEN 'hash'
        WHEN kept.partmethod = 'n' THEN 'local'
        WHEN kept.partmethod IS NOT NULL THEN 'other'
    END AS kind,
    relation.relkind = 'p' AS partitioned,
    placed.shards,
    placed.copies,
    2 <= (
        SELECT pg_catalog.count(*)
        FROM pg_catalog.pg_dist_object AS known
        INNER JOIN pg_catalog.pg_proc AS function ON function.oid = known.objid
        INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = function.pronamespace
        WHERE known.classid = 'pg_catalog.pg_proc'::regclass
            AND namespace.nspname = %(state)s
            AND (
                function.proname = 'rotation_new_token'
                OR (function.proname = 'rotation_hash' AND function.proargtypes[0] = 'uuid'::regtype)
            )
    )
    AND EXISTS (
        SELECT FROM pg_catalog.pg_dist_partition AS registered
        INNER JOIN pg_catalog.pg_class AS marker ON marker.oid = registered.logicalrelid
        WHERE marker.relname = 'rotation_two_phase' AND marker.relnamespace = state.oid
    ) AS prepared,
    extension.extversion AS version,
    (1000 * extract(epoch FROM pg_catalog.current_setting('deadlock_timeout')::interval))::int
        AS deadlock_timeout_ms
FROM pg_catalog.pg_class AS relation
CROSS JOIN (
    SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %(state)s
) AS state
CROSS JOIN (
    SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'citus'
) AS extension
LEFT JOIN pg_catalog.pg_dist_partition AS kept ON kept.logicalrelid = relation.oid
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*) AS shards, pg_catalog.max(shard.copies) AS copies
    FROM (
        SELECT pg_catalog.count(*) AS copies
        FROM pg_catalog.pg_dist_shard AS part
        INNER JOIN pg_catalog.pg_dist_placement AS placement ON placement.shardid = part.shardid
        WHERE part.logicalrelid = relation.oid
        GROUP BY part.shardid
    ) AS shard
) AS placed
WHERE relation.oid = %(oid)s::oid;
