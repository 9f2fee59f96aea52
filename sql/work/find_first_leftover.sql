-- Purpose: the first row that is left over in a lane.
-- Parameters: lane_id.
-- Columns: id, key.
SELECT leftover.id, leftover.key
FROM {rotation_leftover} AS leftover
WHERE leftover.lane_id = %(lane_id)s AND leftover.rotated_at IS NULL AND leftover.failure = ''
ORDER BY leftover.id
LIMIT 1;
