-- Purpose: when the first window of a rotation started, and when the last one ended.
-- Parameters: rotation.
-- Columns: began, ended (NULL without a window).
SELECT
    first.finished_at - (first.milliseconds + first.throttled) * interval '1 millisecond' AS began,
    last.finished_at AS ended
FROM (SELECT) AS always
LEFT JOIN LATERAL (
    SELECT finished_at, milliseconds, throttled
    FROM {rotation_window}
    WHERE rotation_id = %(rotation)s
    ORDER BY id
    LIMIT 1
) AS first ON true
LEFT JOIN LATERAL (
    SELECT finished_at
    FROM {rotation_window}
    WHERE rotation_id = %(rotation)s
    ORDER BY id DESC
    LIMIT 1
) AS last ON true;
