-- Purpose: options tuned, and workers of the last five seconds.
-- Parameters: rotation, recent (how many windows to look at).
-- Columns: tuned, now (by the server's clock), workers (their names).
SELECT
    rotation.tuned,
    pg_catalog.clock_timestamp() AS now,
    ARRAY(
        SELECT DISTINCT latest.worker
        FROM (
            SELECT worker, finished_at
            FROM {rotation_window}
            WHERE rotation_id = rotation.id
            ORDER BY id DESC
            LIMIT %(recent)s
        ) AS latest
        WHERE latest.finished_at BETWEEN pg_catalog.clock_timestamp() - interval '5 seconds'
            AND pg_catalog.clock_timestamp()
    ) AS workers
FROM {rotation} AS rotation
WHERE rotation.id = %(rotation)s;
