-- Purpose: mark a lane whose last rows were deleted as done.
-- Parameters: lane_id, last_id (as read when it was claimed).
UPDATE {batchprogress}
SET last_id = upper,
    updated_at = pg_catalog.clock_timestamp()
WHERE id = %(lane_id)s AND last_id IS NOT DISTINCT FROM %(last_id)s;
