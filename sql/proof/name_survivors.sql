-- Purpose: the primary keys of the first rows that hold a revoked token; never the token.
-- Parameters: set, salt, most (how many).
-- Columns: key.
SELECT target.{pk}::text AS key
FROM {target} AS target
WHERE target.{column} IS NOT NULL
    AND EXISTS (
        SELECT FROM {rotation_revoked} AS revoked
        WHERE revoked.set_id = %(set)s
            AND revoked.hash = {rotation_hash}({token}, %(salt)s::bigint)
    )
ORDER BY target.{pk}
LIMIT %(most)s;
