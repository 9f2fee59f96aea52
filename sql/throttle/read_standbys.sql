-- Purpose: how far each standby is behind the primary. A logical subscriber is none: it may read another
--          database, and serves no copy of this one.
-- Columns: name (application_name), state, written (the primary's position, as bytes since 0/0),
--          replayed (the standby's, likewise; NULL if it does not say, or this role may not see it),
--          replay_lag (seconds, as measured by the standby; NULL while it is idle).
SELECT
    application_name AS name,
    state,
    (pg_catalog.pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint AS written,
    (replay_lsn - '0/0'::pg_lsn)::bigint AS replayed,
    extract(epoch FROM replay_lag)::float8 AS replay_lag
FROM pg_catalog.pg_stat_replication AS sender
WHERE state IS DISTINCT FROM 'backup'
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_replication_slots AS slot
        WHERE slot.active_pid = sender.pid AND slot.slot_type = 'logical'
    )
ORDER BY application_name;
