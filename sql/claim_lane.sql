-- Purpose: claim one unfinished lane that no other transaction works on, until COMMIT.
--          The lock on the checkpoint row is the only mutual exclusion there is.
-- Parameters: rotation.
-- Columns: status of the rotation; unfinished, the number of lanes not at their end;
--          lane_id, lane, lower, upper, last_id (all NULL if no lane was free).
SELECT
    rotation.status,
    (
        SELECT pg_catalog.count(*)
        FROM {batchprogress} AS lane
        WHERE lane.rotation_id = rotation.id
            AND lane.last_id IS DISTINCT FROM lane.upper
    ) AS unfinished,
    claimed.id AS lane_id,
    claimed.lane,
    claimed.lower,
    claimed.upper,
    claimed.last_id
FROM {rotation} AS rotation
LEFT JOIN LATERAL (
    SELECT lane.id, lane.lane, lane.lower, lane.upper, lane.last_id
    FROM {batchprogress} AS lane
    WHERE lane.rotation_id = rotation.id
        AND rotation.status = 'running'
        AND lane.last_id IS DISTINCT FROM lane.upper
    ORDER BY lane.lane
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS claimed ON true
WHERE rotation.id = %(rotation)s;
