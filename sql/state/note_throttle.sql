-- Purpose: show outside observers why the next window waits now, or that it does not, and count as a
--          sign of life.
-- Parameters: rotation, reason (empty: nothing throttles).
UPDATE {rotation}
SET throttle = %(reason)s,
    touched_at = pg_catalog.clock_timestamp()
WHERE id = %(rotation)s;
