-- Purpose: count_survivors.sql for a table distributed by Citus. The workers hash every token, and the
--          hashes come here, where the revoked set is. Each shard is read in a view of its own.
-- Parameters: set, salt.
-- Columns: survivors, expected (hashes that the set must hold), found (hashes that it holds), at.
SELECT pg_catalog.set_config('citus.max_intermediate_result_size', '-1', true);

WITH present AS MATERIALIZED (
    SELECT {rotation_hash}({token}, %(salt)s::bigint) AS hash
    FROM {target} AS target
    WHERE target.{column} IS NOT NULL
)

SELECT
    (
        SELECT pg_catalog.count(*)
        FROM present
        WHERE EXISTS (
            SELECT FROM {rotation_revoked} AS revoked
            WHERE revoked.set_id = %(set)s AND revoked.hash = present.hash
        )
    ) AS survivors,
    (
        -- Lists may have been added for a rotation whose snapshot is not complete.
        SELECT latest.revoked + coalesce(
            (
                SELECT pg_catalog.sum(later.leaked)
                FROM {rotation} AS later
                WHERE later.set_id = %(set)s AND later.id > latest.id
            ),
            0
        )
        FROM {rotation} AS latest
        WHERE latest.set_id = %(set)s AND latest.revoked IS NOT NULL
        ORDER BY latest.id DESC
        LIMIT 1
    )::bigint AS expected,
    (
        SELECT pg_catalog.count(*)
        FROM {rotation_revoked} AS revoked
        WHERE revoked.set_id = %(set)s
    ) AS found,
    pg_catalog.now() AS at;
