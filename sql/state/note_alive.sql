-- Purpose: show that a process is working on a rotation although no window is finished.
--          One that has succeeded has ended, even while its indexes are rebuilt.
--          It waits neither for the disk nor for standbys.
-- Parameters: rotation.
SET LOCAL synchronous_commit TO off;

UPDATE {rotation}
SET touched_at = pg_catalog.clock_timestamp()
WHERE id = %(rotation)s AND status <> 'succeeded';
