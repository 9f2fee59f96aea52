-- Purpose: the next rows that are left over in a lane.
-- Parameters: lane_id, after (the last entry looked at before, by id), size (how many at most).
-- Columns: id, key.
SELECT leftover.id, leftover.key
FROM {rotation_leftover} AS leftover
WHERE leftover.lane_id = %(lane_id)s
    AND leftover.rotated_at IS NULL AND leftover.failure = ''
    AND leftover.id > %(after)s
ORDER BY leftover.id
LIMIT %(size)s;
