-- Purpose: what the working sessions of rotations wait for, so that a process whose calls stay without
--          an answer can say so. Only what may last is named: locks, standbys, the disk.
-- Columns: worker, event (as pg_stat_activity names it; NULL while it works), disk (it is a write that
--          the disk does not finish), blockers (pids; 0: a prepared transaction), synchronous (the
--          setting), standbys (the synchronous ones that are connected).
SELECT
    activity.application_name AS worker,
    activity.wait_event AS event,
    (activity.wait_event_type, activity.wait_event) IN (
        ('IO', 'WALSync'),
        ('IO', 'WalSync'),
        ('IO', 'WALWrite'),
        ('IO', 'WalWrite'),
        ('IO', 'DataFileExtend'),
        ('IO', 'DataFileWrite'),
        ('LWLock', 'WALWrite')
    ) AS disk,
    CASE
        WHEN activity.wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(activity.pid)
    END AS blockers,
    pg_catalog.current_setting('synchronous_standby_names') AS synchronous,
    ARRAY(
        SELECT sender.application_name
        FROM pg_catalog.pg_stat_replication AS sender
        WHERE sender.sync_state IN ('sync', 'quorum')
    ) AS standbys
FROM pg_catalog.pg_stat_activity AS activity
WHERE activity.datname = pg_catalog.current_database()
    AND activity.pid <> pg_catalog.pg_backend_pid()
    -- Where a role's sessions are not tracked, what they wait for is.
    AND activity.state IN ('active', 'disabled')
    AND pg_catalog.starts_with(activity.application_name, 'rotate_tokens ')
ORDER BY activity.query_start;
