-- Purpose: the token's column of the table and of each of its partitions: keys, indexes and views may
--          use that of a partition alone.
-- Parameters: oid, attnum (of the table's column).
-- Columns: oids, attnums (arrays, of one length).
SELECT
    pg_catalog.array_agg(part.oid::bigint) AS oids,
    pg_catalog.array_agg(column_.attnum::int) AS attnums
FROM (
    SELECT %(oid)s::oid AS oid

    UNION

    SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
) AS part
INNER JOIN pg_catalog.pg_attribute AS asked
    ON asked.attrelid = %(oid)s::oid AND asked.attnum = %(attnum)s
INNER JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = part.oid AND column_.attname = asked.attname;
