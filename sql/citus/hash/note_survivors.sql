-- Purpose: note_survivors.sql for a table distributed by Citus.
-- Parameters: rotation (to whose list), set, salt.
SELECT pg_catalog.set_config('citus.max_intermediate_result_size', '-1', true);

WITH present AS MATERIALIZED (
    SELECT target.{pk} AS key, {rotation_hash}({token}, %(salt)s::bigint) AS hash
    FROM {target} AS target
    WHERE target.{column} IS NOT NULL
)

INSERT INTO {rotation_leftover} (lane_id, key, survivor, held_by)
SELECT lane.id, present.key::text, true, ''
FROM present
CROSS JOIN (
    SELECT pg_catalog.min(id) AS id FROM {batchprogress} WHERE rotation_id = %(rotation)s
) AS lane
WHERE lane.id IS NOT NULL
    AND EXISTS (
        SELECT FROM {rotation_revoked} AS revoked
        WHERE revoked.set_id = %(set)s AND revoked.hash = present.hash
    )
ON CONFLICT DO NOTHING;
