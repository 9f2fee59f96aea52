-- Purpose: how far each standby is behind the primary.
-- Columns: name (application_name), state, written (the primary's position, as bytes since 0/0),
--          replayed (the standby's, likewise; NULL if it does not say, or this role may not see it),
--          replay_lag (seconds, as measured by the standby; NULL while it is idle).
SELECT
    application_name AS name,
    state,
    (pg_catalog.pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint AS written,
    (replay_lsn - '0/0'::pg_lsn)::bigint AS replayed,
    extract(epoch FROM replay_lag)::float8 AS replay_lag
FROM pg_catalog.pg_stat_replication
WHERE state IS DISTINCT FROM 'backup'
ORDER BY application_name;
