-- Purpose: the progress of building an index of the target, whichever session does it.
-- Parameters: oid.
-- Columns: pid, phase, percent (of the phase; NULL if it has no measure), waits_for (pid of the
--          session whose transaction it waits for, or 0).
SELECT
    building.pid,
    building.phase,
    100.0 * building.blocks_done / nullif(building.blocks_total, 0) AS percent,
    coalesce(building.current_locker_pid, 0) AS waits_for
FROM pg_catalog.pg_stat_progress_create_index AS building
WHERE building.relid IN (
    SELECT %(oid)s::oid
    UNION ALL
    SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
);
