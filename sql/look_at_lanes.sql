-- Purpose: what a process that stands by sees: every unfinished lane, its position, and the session
--          that works on it. A locked row's xmax is the transaction that holds the lock.
-- Parameters: rotation.
-- Columns: lane, last_id, pid (NULL if nobody holds it), holder (its application_name), since.
SELECT
    lane.lane,
    lane.last_id,
    activity.pid,
    activity.application_name AS holder,
    activity.xact_start AS since
FROM {batchprogress} AS lane
LEFT JOIN pg_catalog.pg_locks AS held
    ON held.locktype = 'transactionid'
    AND held.transactionid = lane.xmax
    AND held.granted
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
WHERE lane.rotation_id = %(rotation)s
    AND lane.last_id IS DISTINCT FROM lane.upper
ORDER BY lane.lane;
