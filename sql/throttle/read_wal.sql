-- Purpose: what keeps the primary from recycling WAL, and how much.
-- Columns: keeper (in words), bytes.
SELECT
    'the replication slot ' || slot_name || CASE WHEN active THEN '' ELSE ' (inactive)' END AS keeper,
    (pg_catalog.pg_current_wal_lsn() - restart_lsn)::bigint AS bytes
FROM pg_catalog.pg_replication_slots
WHERE restart_lsn IS NOT NULL

UNION ALL

-- A segment's name is its timeline and its number, in hexadecimal: 8 digits for the timeline, 8 that
-- count 4 GB, and 8 that count segments within them.
SELECT
    'the archiver',
    (
        (pg_catalog.pg_current_wal_lsn() - '0/0'::pg_lsn)
        - ('x' || pg_catalog.substr(wal, 9, 8))::bit(32)::bigint * 4294967296
        - (('x' || pg_catalog.substr(wal, 17, 8))::bit(32)::bigint + archived)
        * pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))
    )::bigint
FROM (
    SELECT
        -- If the archiver has never succeeded, what it fails at is the oldest.
        coalesce(last_archived_wal, last_failed_wal) AS wal,
        (last_archived_wal IS NOT NULL)::int AS archived
    FROM pg_catalog.pg_stat_archiver
) AS latest
WHERE pg_catalog.current_setting('archive_mode') <> 'off'
    AND wal ~ '^[0-9A-F]{{24}}'
ORDER BY bytes DESC;
