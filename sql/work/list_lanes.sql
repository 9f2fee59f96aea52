-- Purpose: what a waiting process sees: every lane with work left in a stage, how far it is, and the
--          session that works on it. A locked row's xmax is the transaction that holds the lock.
-- Parameters: rotation, stage (windows or leftovers; any: every lane), worker (who asks, and
--          does not count).
-- Columns: lane, position (changes with each window), pid (NULL if no session holds it), worker (which
--          holds it, or did its last window and has not left; NULL for a holder without a name in its
--          first second: a worker's session gets its name in its transaction), busy (held, or just
--          moved by that worker: between two windows no session holds it).
SELECT
    lane.lane,
    pg_catalog.concat_ws(' ', lane.last_id, lane.windows) AS position,
    activity.pid,
    CASE
        WHEN held.pid IS NULL THEN lane.worker
        WHEN activity.application_name <> ''
            THEN activity.application_name || ' (pid ' || held.pid || ')'
        WHEN activity.xact_start > pg_catalog.clock_timestamp() - interval '1 second' THEN NULL
        ELSE 'pid ' || held.pid
    END AS worker,
    held.pid IS NOT NULL OR (
        lane.worker NOT IN ('', %(worker)s)
        -- The clock may have been set back since.
        AND lane.updated_at BETWEEN pg_catalog.clock_timestamp() - interval '2 seconds'
            AND pg_catalog.clock_timestamp()
    ) AS busy
FROM {batchprogress} AS lane
LEFT JOIN pg_catalog.pg_locks AS held
    ON held.locktype = 'transactionid'
    AND held.transactionid = lane.xmax
    AND held.granted
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
WHERE lane.rotation_id = %(rotation)s
    AND CASE %(stage)s
        WHEN 'any' THEN true
        WHEN 'windows' THEN lane.last_id IS DISTINCT FROM lane.upper
        ELSE EXISTS (
            SELECT FROM {rotation_leftover} AS leftover
            WHERE leftover.lane_id = lane.id
                AND leftover.rotated_at IS NULL
                AND leftover.failure = ''
        )
    END
ORDER BY lane.lane;
