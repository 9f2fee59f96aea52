-- Purpose: what holds vacuum back with an old snapshot: sessions, standbys (by feedback), prepared
--          transactions, replication slots; the oldest of each kind.
-- Parameters: mark (a transaction's 64-bit id, as text: snapshots as old as it or older count; NULL:
--          those held for more than a minute). With a mark, sessions of rotations don't count: theirs
--          end with each window.
-- Columns: holder (in words; never a query), seconds (since it started; NULL for a slot).
(
    SELECT
        CASE backend_type WHEN 'walsender' THEN 'the standby ' ELSE 'the session ' END
        || pg_catalog.concat_ws(', ', 'pid ' || pid, nullif(application_name, ''), state) AS holder,
        extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(xact_start, backend_start))::float8
            AS seconds
    FROM pg_catalog.pg_stat_activity
    WHERE backend_xmin IS NOT NULL
        AND pid <> pg_catalog.pg_backend_pid()
        AND CASE
            WHEN %(mark)s::text IS NOT NULL
                THEN pg_catalog.age(backend_xmin) >= pg_catalog.age(%(mark)s::text::xid8::xid)
                    AND NOT pg_catalog.starts_with(application_name, 'rotate_tokens '::text)
            WHEN backend_type = 'walsender' THEN pg_catalog.age(backend_xmin) > 10000
            ELSE coalesce(xact_start, backend_start)
                < pg_catalog.clock_timestamp() - interval '1 minute'
        END
    ORDER BY pg_catalog.age(backend_xmin) DESC
    LIMIT 1
)

UNION ALL

(
    SELECT
        'the prepared transaction ' || gid,
        extract(epoch FROM pg_catalog.clock_timestamp() - prepared)::float8
    FROM pg_catalog.pg_prepared_xacts
    WHERE CASE
        WHEN %(mark)s::text IS NOT NULL
            THEN pg_catalog.age(transaction) >= pg_catalog.age(%(mark)s::text::xid8::xid)
        ELSE prepared < pg_catalog.clock_timestamp() - interval '1 minute'
    END
    ORDER BY prepared
    LIMIT 1
)

UNION ALL

(
    -- A standby with a slot has its feedback there, while connected and afterwards.
    SELECT
        'the replication slot ' || slot_name
        || CASE WHEN active THEN coalesce(' of the standby ' || application_name, '') ELSE '' END,
        NULL::float8
    FROM pg_catalog.pg_replication_slots
    LEFT JOIN pg_catalog.pg_stat_replication ON pid = active_pid
    WHERE xmin IS NOT NULL
        AND pg_catalog.age(xmin)
        >= CASE
            WHEN %(mark)s::text IS NOT NULL THEN pg_catalog.age(%(mark)s::text::xid8::xid)
            ELSE 10000
        END
    ORDER BY pg_catalog.age(xmin) DESC
    LIMIT 1
);
