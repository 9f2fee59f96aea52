-- Purpose: move a lane's place in the snapshot from exactly what was read when it was claimed, in the
--          window's transaction. If it is not what was read, or the rotation was ended meanwhile,
--          nothing is written, and the window must be rolled back.
-- Parameters: lane_id, last_id (as read), hi, tokens (hashes kept in this window), worker.
UPDATE {batchprogress} AS lane
SET snapshot_id = %(hi)s,
    tokens = lane.tokens + %(tokens)s,
    worker = %(worker)s,
    updated_at = pg_catalog.clock_timestamp()
FROM {rotation} AS rotation
WHERE lane.id = %(lane_id)s
    AND lane.snapshot_id IS NOT DISTINCT FROM %(last_id)s
    AND rotation.id = lane.rotation_id
    AND rotation.status IN ('running', 'pausing', 'paused');
