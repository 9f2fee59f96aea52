-- Purpose: the journal of a rotation at so many points at the most, each of them an average over the
--          windows from there on: what a chart needs, however long the journal is.
-- Parameters: rotation, points, around (windows that a point looks at).
-- Columns: at (end of the first of them), rows_per_second (of all workers, waits included),
--          milliseconds (of a window, on average), throttled (part of the time, 0 to 1), throttle (why,
--          or empty).
WITH journal AS (
    SELECT
        pg_catalog.min(id) AS first,
        pg_catalog.max(id) AS last
    FROM {rotation_window}
    WHERE rotation_id = %(rotation)s
)

SELECT
    around.at,
    around.rows_per_second,
    around.milliseconds,
    around.throttled,
    around.throttle
FROM journal
CROSS JOIN LATERAL pg_catalog.generate_series(
    journal.first, journal.last, greatest(1, (journal.last - journal.first) / %(points)s)
) AS point (id)
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.min(finished_at) AS at,
        -- From the end of the first to the end of the last: workers do their windows side by side.
        coalesce(
            pg_catalog.sum(rows) FILTER (WHERE place > 1)
            / nullif(
                extract(
                    epoch FROM pg_catalog.max(finished_at) - pg_catalog.min(finished_at)
                )::float8,
                0
            ),
            1000 * pg_catalog.sum(rows) / nullif(pg_catalog.sum(milliseconds + throttled), 0),
            0
        )::float8 AS rows_per_second,
        pg_catalog.avg(milliseconds)::float8 AS milliseconds,
        coalesce(
            pg_catalog.sum(throttled) / nullif(pg_catalog.sum(milliseconds + throttled), 0), 0
        )::float8 AS throttled,
        coalesce(pg_catalog.max(throttle), '') AS throttle
    FROM (
        SELECT
            rows,
            milliseconds,
            throttled,
            throttle,
            finished_at,
            pg_catalog.row_number() OVER (ORDER BY id) AS place
        FROM (
            SELECT id, rows, milliseconds, throttled, throttle, finished_at
            FROM {rotation_window}
            WHERE rotation_id = %(rotation)s AND id >= point.id
            ORDER BY id
            LIMIT %(around)s
        ) AS next
    ) AS placed
) AS around
ORDER BY point.id;
