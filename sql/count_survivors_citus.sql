-- Purpose: count_survivors.sql for a table distributed by Citus. The workers hash every token, and the
--          hashes come here, where the revoked set is. Each shard is read in a view of its own.
-- Parameters: rotation, salt.
-- Columns: survivors, expected (hashes that the set must hold), found (hashes that it holds), at.
SELECT pg_catalog.set_config('citus.max_intermediate_result_size', '-1', true);

WITH present AS MATERIALIZED (
    SELECT {rotation_hash}(target.{column}, %(salt)s) AS hash
    FROM {target} AS target
    WHERE target.{column} IS NOT NULL
)

SELECT
    (
        SELECT pg_catalog.count(*)
        FROM present
        WHERE EXISTS (
            SELECT FROM {rotation_revoked} AS revoked
            WHERE revoked.rotation_id = %(rotation)s AND revoked.hash = present.hash
        )
    ) AS survivors,
    (
        SELECT rotation.leaked + coalesce(
            (
                SELECT pg_catalog.sum(lane.tokens)
                FROM {batchprogress} AS lane
                WHERE lane.rotation_id = rotation.id
            ),
            0
        )
        FROM {rotation} AS rotation
        WHERE rotation.id = %(rotation)s
    )::bigint AS expected,
    (
        SELECT pg_catalog.count(*)
        FROM {rotation_revoked} AS revoked
        WHERE revoked.rotation_id = %(rotation)s
    ) AS found,
    pg_catalog.now() AS at;
