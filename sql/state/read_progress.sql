-- Purpose: how far a rotation is: the sums of its lanes, and its latest windows since the limits of the
--          run are what they are. A window's milliseconds are working time: they exclude its waits.
-- Parameters: rotation, recent (how many windows the pace is based on).
-- Columns: status, rows_total, rows_total_exact, started_at, finished_at, revoked (NULL until the
--          snapshot is complete), survivors, verified_at, tokens (in the snapshot so
--          far, by the size of what is written), rows_done,
--          windows, lanes, lanes_done, holes, left_over (holes and survivors still to be rotated),
--          recent_rows, recent_milliseconds, recent_throttled (milliseconds before those windows),
--          recent_workers, max_rate (the limit now; NULL: none), throttle (why windows wait now, or
--          empty), left_by_all (no sign of life since the last process left it), idle_seconds (since the
--          last sign of life), quiet_seconds (since the last window).
SELECT
    rotation.status,
    rotation.rows_total,
    rotation.rows_total_exact,
    rotation.started_at,
    rotation.finished_at,
    rotation.revoked,
    rotation.survivors,
    rotation.verified_at,
    taken.tokens,
    lane.rows_done,
    lane.windows,
    lane.lanes,
    lane.lanes_done,
    leftover.holes,
    leftover.left_over,
    recent.rows AS recent_rows,
    recent.milliseconds AS recent_milliseconds,
    recent.throttled AS recent_throttled,
    recent.workers AS recent_workers,
    rotation.max_rate,
    -- A reason not confirmed for five seconds is over.
    CASE
        WHEN rotation.touched_at BETWEEN pg_catalog.clock_timestamp() - interval '5 seconds'
            AND pg_catalog.clock_timestamp()
            THEN rotation.throttle
        ELSE ''
    END AS throttle,
    rotation.touched_at IS NULL AS left_by_all,
    pg_catalog.abs(extract(
        epoch FROM pg_catalog.clock_timestamp()
        - coalesce(greatest(life.touched_at, lane.updated_at), rotation.created_at)
    ))::float8 AS idle_seconds,
    pg_catalog.abs(extract(
        epoch FROM pg_catalog.clock_timestamp() - coalesce(lane.updated_at, rotation.created_at)
    ))::float8 AS quiet_seconds
FROM {rotation} AS rotation
-- After the clock was set back, a sign of life from the future does not count.
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN rotation.touched_at <= pg_catalog.clock_timestamp() THEN rotation.touched_at
    END AS touched_at
) AS life
CROSS JOIN LATERAL (
    SELECT
        coalesce(pg_catalog.sum(rows), 0)::bigint AS rows_done,
        coalesce(pg_catalog.sum(windows), 0)::bigint AS windows,
        pg_catalog.count(*) AS lanes,
        pg_catalog.count(*) FILTER (WHERE last_id = upper) AS lanes_done,
        pg_catalog.max(updated_at) FILTER (WHERE updated_at <= pg_catalog.clock_timestamp())
            AS updated_at
    FROM {batchprogress}
    WHERE rotation_id = rotation.id
) AS lane
-- Rows of a running statement can't be counted before its COMMIT; but a page holds 185 rows of the set,
-- of 40 bytes and a pointer of 4 each.
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN rotation.revoked IS NULL
                THEN greatest(
                    0,
                    185 * (
                        pg_catalog.pg_relation_size(part.oid) / 8192 - (
                            SELECT pg_catalog.ceil(
                                (coalesce(pg_catalog.max(earlier.revoked), 0) + rotation.leaked) / 185.0
                            )
                            FROM {rotation} AS earlier
                            WHERE earlier.set_id = rotation.set_id
                        )
                    )
                )
            ELSE rotation.rows_total
        END::bigint AS tokens
    FROM pg_catalog.pg_class AS state
    LEFT JOIN pg_catalog.pg_class AS part
        ON part.relnamespace = state.relnamespace
        AND part.relname = 'rotation_revoked_' || rotation.set_id
    WHERE state.oid = rotation.tableoid
) AS taken
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.count(*) FILTER (WHERE NOT leftover.survivor) AS holes,
        pg_catalog.count(*) AS left_over
    FROM {rotation_leftover} AS leftover
    INNER JOIN {batchprogress} AS held ON held.id = leftover.lane_id
    WHERE held.rotation_id = rotation.id AND leftover.rotated_at IS NULL
) AS leftover
CROSS JOIN LATERAL (
    SELECT
        coalesce(pg_catalog.sum(latest.rows), 0)::bigint AS rows,
        coalesce(pg_catalog.sum(latest.milliseconds), 0)::float8 AS milliseconds,
        coalesce(pg_catalog.sum(latest.throttled), 0)::float8 AS throttled,
        -- A worker that finished nothing for three windows' time is no longer there.
        pg_catalog.count(DISTINCT latest.worker) FILTER (
            WHERE latest.finished_at
                >= latest.newest - 3 * latest.average * interval '1 millisecond'
        ) AS workers
    FROM (
        SELECT
            rows,
            milliseconds,
            throttled,
            worker,
            finished_at,
            pg_catalog.max(finished_at) OVER () AS newest,
            pg_catalog.avg(milliseconds) OVER () AS average
        FROM (
            SELECT rows, milliseconds, throttled, worker, finished_at
            FROM {rotation_window}
            WHERE rotation_id = rotation.id
                AND (
                    finished_at >= rotation.limits_at
                    OR rotation.limits_at IS NULL
                    -- The clock was set back.
                    OR rotation.limits_at > pg_catalog.clock_timestamp()
                )
            ORDER BY id DESC
            LIMIT %(recent)s
        ) AS journal
    ) AS latest
) AS recent
WHERE rotation.id = %(rotation)s;
