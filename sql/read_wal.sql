-- Purpose: who keeps the primary from recycling WAL, and how much of it.
-- Columns: keeper (in words), bytes.
SELECT
    'the replication slot ' || slot_name || CASE WHEN active THEN '' ELSE ' (inactive)' END AS keeper,
    (pg_catalog.pg_current_wal_lsn() - restart_lsn)::bigint AS bytes
FROM pg_catalog.pg_replication_slots
WHERE restart_lsn IS NOT NULL

UNION ALL

-- The name of a segment is its timeline and its number, in hexadecimal: 8 digits each, of the number
-- the last 8 count segments in 4 GB.
SELECT
    'the archiver',
    (
        (pg_catalog.pg_current_wal_lsn() - '0/0'::pg_lsn)
        - ('x' || pg_catalog.substr(last_archived_wal, 9, 8))::bit(32)::bigint * 4294967296
        - (('x' || pg_catalog.substr(last_archived_wal, 17, 8))::bit(32)::bigint + 1)
        * pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))
    )::bigint
FROM pg_catalog.pg_stat_archiver
WHERE pg_catalog.current_setting('archive_mode') <> 'off'
    AND last_archived_wal ~ '^[0-9A-F]{{24}}'
ORDER BY bytes DESC;
