-- Purpose: note since when the limits of a run are what they are, and its limit of rows a second: the
--          pace is that of the windows since then. It waits neither for the disk nor for standbys.
-- Parameters: rotation, max_rate (NULL: none).
SET LOCAL synchronous_commit TO off;

UPDATE {rotation}
SET limits_at = pg_catalog.clock_timestamp(),
    max_rate = %(max_rate)s
WHERE id = %(rotation)s;
