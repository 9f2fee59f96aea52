-- Purpose: whether the set of revoked tokens is intact: if not, finding no token in it proves nothing.
-- Parameters: set.
-- Columns: expected (hashes that the set must hold), found (hashes that it holds), at.
SELECT
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
