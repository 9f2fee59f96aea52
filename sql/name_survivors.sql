-- Purpose: the primary keys of the first rows that hold a revoked token; never the token.
-- Parameters: rotation, salt, most (how many).
-- Columns: key.
SELECT target.{pk}::text AS key
FROM {target} AS target
WHERE target.{column} IS NOT NULL
    AND EXISTS (
        SELECT FROM {rotation_revoked} AS revoked
        WHERE revoked.rotation_id = %(rotation)s
            AND revoked.hash = {rotation_hash}(target.{column}, %(salt)s)
    )
ORDER BY target.{pk}
LIMIT %(most)s;
