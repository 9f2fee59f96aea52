-- Purpose: put every row that holds a revoked token on the list of rows to be rotated again.
-- Parameters: rotation (to whose list), set, salt.
INSERT INTO {rotation_leftover} (lane_id, key, survivor, held_by)
SELECT lane.id, target.{pk}::text, true, ''
FROM {target} AS target
CROSS JOIN (
    SELECT pg_catalog.min(id) AS id FROM {batchprogress} WHERE rotation_id = %(rotation)s
) AS lane
WHERE lane.id IS NOT NULL
    AND target.{column} IS NOT NULL
    AND EXISTS (
        SELECT FROM {rotation_revoked} AS revoked
        WHERE revoked.set_id = %(set)s
            AND revoked.hash = {rotation_hash}({token}, %(salt)s::bigint)
    )
ON CONFLICT DO NOTHING;
