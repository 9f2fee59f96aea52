-- Purpose: let every row whose token could not be replaced be tried again, by the run that begins now.
-- Parameters: rotation.
UPDATE {rotation_leftover} AS leftover
SET failure = ''
FROM {batchprogress} AS lane
WHERE lane.id = leftover.lane_id
    AND lane.rotation_id = %(rotation)s
    AND leftover.rotated_at IS NULL
    AND leftover.failure <> '';
