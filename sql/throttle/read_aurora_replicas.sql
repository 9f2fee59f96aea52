-- Purpose: how far Aurora's readers are behind its writer. They share its disk, and so have no position
--          in its WAL: moments take their place.
-- Columns: as in read_standbys.sql; written and replayed are milliseconds since 1970.
SELECT
    replica.server_id::text AS name,
    'streaming' AS state,
    (extract(EPOCH FROM present.moment) * 1000)::bigint AS written,
    (extract(EPOCH FROM present.moment) * 1000 - replica.replica_lag_in_msec)::bigint AS replayed,
    (replica.replica_lag_in_msec / 1000)::float8 AS replay_lag
FROM pg_catalog.aurora_replica_status() AS replica
CROSS JOIN (SELECT pg_catalog.clock_timestamp() AS moment) AS present
WHERE replica.session_id <> 'MASTER_SESSION_ID'
ORDER BY replica.server_id;
