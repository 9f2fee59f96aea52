-- Purpose: what a process that stands by sees: every unfinished lane, its position, and the session
--          that works on it. A locked row's xmax is the transaction that holds the lock.
-- Parameters: rotation.
-- Columns: lane, last_id, pid (NULL if nobody holds it), worker (who holds it, or did its last window
--          and has not left), busy (held, or moved by that worker a moment ago: between two windows
--          nobody holds it).
SELECT
    lane.lane,
    lane.last_id,
    activity.pid,
    coalesce(
        nullif(activity.application_name, '') || ' (pid ' || held.pid || ')',
        'pid ' || held.pid,
        lane.worker
    ) AS worker,
    held.pid IS NOT NULL OR (
        lane.worker <> ''
        AND lane.updated_at > pg_catalog.clock_timestamp() - interval '2 seconds'
    ) AS busy
FROM {batchprogress} AS lane
LEFT JOIN pg_catalog.pg_locks AS held
    ON held.locktype = 'transactionid'
    AND held.transactionid = lane.xmax
    AND held.granted
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
WHERE lane.rotation_id = %(rotation)s
    AND lane.last_id IS DISTINCT FROM lane.upper
ORDER BY lane.lane;
