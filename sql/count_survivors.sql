-- Purpose: the proof. By value, in one unchanging view of the table: how many rows hold a token that
--          is in the revoked set, and whether that set is whole: else the first number means nothing.
-- Parameters: set, salt.
-- Columns: survivors, expected (hashes that the set must hold), found (hashes that it holds), at.
SELECT
    (
        SELECT pg_catalog.count(*)
        FROM {target} AS target
        WHERE target.{column} IS NOT NULL
            AND EXISTS (
                SELECT FROM {rotation_revoked} AS revoked
                WHERE revoked.set_id = %(set)s
                    AND revoked.hash = {rotation_hash}({token}, %(salt)s::bigint)
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
