-- Purpose: the journal of a rotation as points of a chart. Its ids are halved repeatedly, each half
--          starting and ending at a window of this rotation, so that windows of others in between
--          cost neither time nor points: about 2^depth parts of about equal size, using index lookups
--          only. A point is an average over the first windows of a part, up to a time without any, or
--          over all of them.
-- Parameters: rotation, depth (how often the ids are halved), around (windows per point, at
--          least), whole (a point uses every window of its part; reads the whole journal).
-- Columns: at (end of the first of them), rows_per_second (of all workers, waits included),
--          milliseconds (of a window, on average), throttled (share of the time, 0 to 1), throttle (why
--          at first, or empty).
WITH RECURSIVE part (depth, first, last) AS (
    SELECT
        0,
        pg_catalog.min(id),
        pg_catalog.max(id)
    FROM {rotation_window}
    WHERE rotation_id = %(rotation)s

    UNION ALL

    SELECT
        part.depth + 1,
        half.first,
        half.last
    FROM part
    CROSS JOIN LATERAL (
        SELECT
            part.first,
            (
                SELECT pg_catalog.max(id)
                FROM {rotation_window}
                WHERE rotation_id = %(rotation)s AND id < (part.first + part.last + 1) / 2
            ) AS last
        UNION ALL
        SELECT
            (
                SELECT pg_catalog.min(id)
                FROM {rotation_window}
                WHERE rotation_id = %(rotation)s AND id >= (part.first + part.last + 1) / 2
            ) AS first,
            part.last
    ) AS half
    WHERE part.depth < %(depth)s AND part.first < part.last
)

SELECT
    around.at,
    around.rows_per_second,
    around.milliseconds,
    around.throttled,
    around.throttle
FROM part
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.min(finished_at) AS at,
        -- From the start of the first to the end of the last: workers run in parallel.
        coalesce(
            pg_catalog.sum(rows) / nullif(
                extract(
                    epoch FROM pg_catalog.max(finished_at)
                    - pg_catalog.min(finished_at - (milliseconds + throttled) * interval '1 millisecond')
                )::float8,
                0
            ),
            0
        )::float8 AS rows_per_second,
        pg_catalog.avg(milliseconds)::float8 AS milliseconds,
        coalesce(
            pg_catalog.sum(throttled) / nullif(pg_catalog.sum(milliseconds + throttled), 0), 0
        )::float8 AS throttled,
        coalesce(
            (pg_catalog.array_agg(throttle ORDER BY id) FILTER (WHERE throttle <> ''))[1], ''
        ) AS throttle
    FROM (
        SELECT *, pg_catalog.bool_or(next.apart) OVER (ORDER BY next.id) AS later
        FROM (
            SELECT
                *,
                finished_at - (milliseconds + throttled) * interval '1 millisecond'
                > interval '1 second' + pg_catalog.max(finished_at) OVER (
                    ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS apart
            FROM (
                SELECT id, rows, milliseconds, throttled, throttle, finished_at
                FROM {rotation_window}
                WHERE rotation_id = %(rotation)s AND id >= part.first
                ORDER BY id
                LIMIT greatest(
                    %(around)s,
                    CASE
                        WHEN %(whole)s THEN (
                            SELECT pg_catalog.count(*)
                            FROM {rotation_window}
                            WHERE rotation_id = %(rotation)s AND id BETWEEN part.first AND part.last
                        )
                    END
                )
            ) AS near
        ) AS next
    ) AS next
    -- A pace that counts a time in which nothing worked would be one that never was.
    WHERE next.later IS NOT TRUE OR (%(whole)s AND next.id <= part.last)
) AS around
WHERE part.depth = %(depth)s OR part.first = part.last
ORDER BY part.first;
