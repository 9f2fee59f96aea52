-- Purpose: the rows whose tokens could not be replaced in this run.
-- Parameters: rotation, most (rows to name).
-- Columns: key, failure, total (number of all of them).
SELECT leftover.key, leftover.failure, pg_catalog.count(*) OVER () AS total
FROM {rotation_leftover} AS leftover
INNER JOIN {batchprogress} AS lane ON lane.id = leftover.lane_id
WHERE lane.rotation_id = %(rotation)s AND leftover.rotated_at IS NULL AND leftover.failure <> ''
ORDER BY leftover.id
LIMIT %(most)s;
