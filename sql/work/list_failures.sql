-- Purpose: why the tokens of some rows could not be replaced in this run, and of which.
-- Parameters: rotation, most (keys to name for each reason).
-- Columns: failure, rows (that have it), keys (of the first).
SELECT
    leftover.failure,
    pg_catalog.count(*) AS rows,
    (pg_catalog.array_agg(leftover.key ORDER BY leftover.id))[:%(most)s::int] AS keys
FROM {rotation_leftover} AS leftover
INNER JOIN {batchprogress} AS lane ON lane.id = leftover.lane_id
WHERE lane.rotation_id = %(rotation)s AND leftover.rotated_at IS NULL AND leftover.failure <> ''
GROUP BY leftover.failure
ORDER BY pg_catalog.min(leftover.id);
