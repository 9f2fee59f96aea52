-- Purpose: the proof. By value, in one unchanging view of the table: how many rows hold a token that
--          is in the revoked set, and whether that set is whole: else the first number means nothing.
-- Parameters: rotation, salt.
-- Columns: survivors, expected (hashes that the set must hold), found (hashes that it holds), at.
SELECT
    (
        SELECT pg_catalog.count(*)
        FROM {target} AS target
        WHERE target.{column} IS NOT NULL
            AND EXISTS (
                SELECT FROM {rotation_revoked} AS revoked
                WHERE revoked.rotation_id = %(rotation)s
                    AND revoked.hash = {rotation_hash}(target.{column}, %(salt)s)
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
