-- Purpose: what held windows of a rotation back, and for how long. Reasons that differ only in numbers
--          count as one.
-- Parameters: rotation.
-- Columns: reason (as it was first given), windows, seconds (of all workers together), first, last (when
--          such a wait ended).
SELECT
    (pg_catalog.array_agg(throttle ORDER BY id))[1] AS reason,
    pg_catalog.count(*) AS windows,
    pg_catalog.sum(throttled)::float8 / 1000 AS seconds,
    pg_catalog.min(finished_at) AS first,
    pg_catalog.max(finished_at) AS last
FROM {rotation_window}
WHERE rotation_id = %(rotation)s AND throttle <> ''
GROUP BY pg_catalog.regexp_replace(throttle, '[0-9.]+', '#', 'g')
ORDER BY pg_catalog.min(id);
