-- Purpose: show outside observers why the next window waits now, or that it does not, and count as a
--          sign of life. It waits neither for the disk nor for standbys.
-- Parameters: rotation, reason (empty: nothing throttles).
SET LOCAL synchronous_commit TO off;

UPDATE {rotation}
SET throttle = %(reason)s,
    touched_at = pg_catalog.clock_timestamp()
WHERE id = %(rotation)s;
