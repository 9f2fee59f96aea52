-- Purpose: where the server stores what a rotation writes: WAL, the table, its indexes, its partitions.
-- Parameters: oid.
-- Columns: data_directory (NULL if the role may not know it), port, started (the server's start, in
--          seconds since 1970), places (the paths of those files' directories; NULL as above).
SELECT
    directory.setting AS data_directory,
    pg_catalog.current_setting('port') AS port,
    extract(EPOCH FROM pg_catalog.pg_postmaster_start_time())::float8 AS started,
    ARRAY[directory.setting, directory.setting || '/pg_wal'] || ARRAY(
        SELECT DISTINCT pg_catalog.pg_tablespace_location(relation.reltablespace)
        FROM pg_catalog.pg_class AS relation
        LEFT JOIN pg_catalog.pg_index AS index_ ON index_.indexrelid = relation.oid
        WHERE relation.reltablespace <> 0
            AND coalesce(index_.indrelid, relation.oid) IN (
                SELECT %(oid)s::oid
                UNION ALL
                SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
            )
    ) AS places
FROM (
    SELECT (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory') AS setting
) AS directory;
