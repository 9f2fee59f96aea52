-- Purpose: claim one lane that has work left in a stage, and that no other transaction works on, until
--          COMMIT. The lock on the checkpoint row is the only mutual exclusion.
--          A worker stays on the lane that it has started; otherwise it takes the first that no other
--          worker has just moved.
-- Parameters: rotation, stage (windows or leftovers), worker (who asks), later (ids of lanes
--          to take only if there is no other), claimable (statuses of the rotation in which lanes may be
--          claimed).
-- Columns: pid of this backend; deadlock_timeout (seconds); status of the rotation; tuned (its live
--          options); unfinished, the number of lanes with work left in the stage; set_id, salt; lane_id,
--          lane, lower, upper, last_id (how far the stage is in the lane), all NULL if no lane was free.
WITH lane AS NOT MATERIALIZED (
    SELECT
        lane.*,
        CASE %(stage)s
            WHEN 'windows' THEN lane.last_id IS DISTINCT FROM lane.upper
            ELSE EXISTS (
                SELECT FROM {rotation_leftover} AS leftover
                WHERE leftover.lane_id = lane.id
                    AND leftover.rotated_at IS NULL
                    AND leftover.failure = ''
            )
        END AS unfinished
    FROM {batchprogress} AS lane
    WHERE lane.rotation_id = %(rotation)s
)

SELECT
    pg_catalog.pg_backend_pid() AS pid,
    extract(EPOCH FROM pg_catalog.current_setting('deadlock_timeout')::interval)::float8
        AS deadlock_timeout,
    rotation.status,
    rotation.tuned,
    rotation.set_id,
    rotation.salt,
    (SELECT pg_catalog.count(*) FROM lane WHERE lane.unfinished) AS unfinished,
    claimed.id AS lane_id,
    claimed.lane,
    claimed.lower,
    claimed.upper,
    claimed.last_id
FROM {rotation} AS rotation
LEFT JOIN LATERAL (
    SELECT free.*
    FROM {batchprogress} AS free
    WHERE rotation.status = ANY (%(claimable)s)
        AND free.id IN (SELECT lane.id FROM lane WHERE lane.unfinished)
    ORDER BY
        free.id = ANY (%(later)s::bigint[]),
        (free.worker = %(worker)s AND free.last_id IS NOT NULL) DESC,
        free.worker NOT IN ('', %(worker)s)
            AND free.updated_at BETWEEN pg_catalog.clock_timestamp() - interval '2 seconds'
                AND pg_catalog.clock_timestamp(),
        free.lane
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS claimed ON true
WHERE rotation.id = %(rotation)s;
