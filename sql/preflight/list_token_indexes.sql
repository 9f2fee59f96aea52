-- Purpose: the indexes that hold the token or something computed from it, of the table and of single
--          partitions.
-- Parameters: oid, attnum (of the token's column).
-- Columns: name, is_unique, computed (from an expression or a condition that names the token).
SELECT
    index_.indexrelid::regclass::text AS name,
    index_.indisunique AS is_unique,
    token.attnum <> ALL (index_.indkey::int2[]) AS computed
FROM (
    SELECT part.oid, column_.attnum
    FROM (
        SELECT %(oid)s::oid AS oid

        UNION

        SELECT relid FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass)
    ) AS part
    INNER JOIN pg_catalog.pg_attribute AS asked
        ON asked.attrelid = %(oid)s::oid AND asked.attnum = %(attnum)s
    INNER JOIN pg_catalog.pg_attribute AS column_
        ON column_.attrelid = part.oid AND column_.attname = asked.attname
) AS token
INNER JOIN pg_catalog.pg_index AS index_ ON index_.indrelid = token.oid
INNER JOIN pg_catalog.pg_class AS itself
    ON itself.oid = index_.indexrelid
    -- Not the parts of an index of the whole table.
    AND NOT itself.relispartition
WHERE token.attnum = ANY (index_.indkey::int2[])
    OR EXISTS (
        SELECT FROM pg_catalog.pg_depend AS used
        WHERE used.classid = 'pg_catalog.pg_class'::regclass
            AND used.objid = index_.indexrelid
            AND used.refobjid = index_.indrelid
            AND used.refobjsubid = token.attnum
    )
ORDER BY 1;
