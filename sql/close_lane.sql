-- Purpose: put a lane whose last rows were deleted at its end.
-- Parameters: lane_id, stage (snapshot or windows), last_id (as read when it was claimed).
UPDATE {batchprogress}
SET last_id = CASE %(stage)s WHEN 'snapshot' THEN last_id ELSE upper END,
    snapshot_id = CASE %(stage)s WHEN 'snapshot' THEN upper ELSE snapshot_id END,
    updated_at = pg_catalog.clock_timestamp()
WHERE id = %(lane_id)s
    AND CASE %(stage)s WHEN 'snapshot' THEN snapshot_id ELSE last_id END
        IS NOT DISTINCT FROM %(last_id)s;
