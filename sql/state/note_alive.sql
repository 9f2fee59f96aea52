-- Purpose: show that a process is at work on a rotation although no window gets done.
--          One that has succeeded is at its end, even while its indexes are rebuilt.
-- Parameters: rotation.
UPDATE {rotation}
SET touched_at = pg_catalog.clock_timestamp()
WHERE id = %(rotation)s AND status <> 'succeeded';
