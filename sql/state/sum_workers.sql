-- Purpose: who did the windows of a rotation.
-- Parameters: rotation.
-- Columns: worker, windows, rows, began (its first window, with the wait before it), first, last (when a
--          window of it ended).
SELECT
    worker,
    pg_catalog.count(*) AS windows,
    pg_catalog.sum(rows)::bigint AS rows,
    pg_catalog.min(finished_at - (milliseconds + throttled) * interval '1 millisecond') AS began,
    pg_catalog.min(finished_at) AS first,
    pg_catalog.max(finished_at) AS last
FROM {rotation_window}
WHERE rotation_id = %(rotation)s
GROUP BY worker
ORDER BY pg_catalog.min(id);
