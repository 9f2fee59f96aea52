-- Purpose: who has kept vacuum from its work for more than a minute: sessions, standbys (by feedback),
--          prepared transactions, replication slots; of each kind the oldest.
-- Columns: holder (in words; never a query), seconds (since it began; for a slot NULL).
(
    SELECT
        CASE backend_type WHEN 'walsender' THEN 'the standby ' ELSE 'the session ' END
        || pg_catalog.concat_ws(', ', 'pid ' || pid, nullif(application_name, ''), state) AS holder,
        extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(xact_start, backend_start))::float8
            AS seconds
    FROM pg_catalog.pg_stat_activity
    WHERE backend_xmin IS NOT NULL
        AND pid <> pg_catalog.pg_backend_pid()
        AND coalesce(xact_start, backend_start) < pg_catalog.clock_timestamp() - interval '1 minute'
        AND (backend_type <> 'walsender' OR pg_catalog.age(backend_xmin) > 10000)
    ORDER BY pg_catalog.age(backend_xmin) DESC
    LIMIT 1
)

UNION ALL

(
    SELECT
        'the prepared transaction ' || gid,
        extract(epoch FROM pg_catalog.clock_timestamp() - prepared)::float8
    FROM pg_catalog.pg_prepared_xacts
    WHERE prepared < pg_catalog.clock_timestamp() - interval '1 minute'
    ORDER BY prepared
    LIMIT 1
)

UNION ALL

(
    SELECT 'the replication slot ' || slot_name, NULL::float8
    FROM pg_catalog.pg_replication_slots
    WHERE xmin IS NOT NULL AND NOT active AND pg_catalog.age(xmin) > 10000
    ORDER BY pg_catalog.age(xmin) DESC
    LIMIT 1
);
