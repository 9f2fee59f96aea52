-- Purpose: tell those who look from outside why the next window waits now, or that none does.
-- Parameters: rotation, reason (empty: nothing throttles).
UPDATE {rotation}
SET throttle = %(reason)s,
    touched_at = pg_catalog.clock_timestamp()
WHERE id = %(rotation)s;
