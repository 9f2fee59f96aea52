-- Purpose: the indexes that hold the token or something computed from it, of the table and of single
--          partitions.
-- Parameters: oids, attnums (from list_token_columns.sql).
-- Columns: name, is_unique, computed (from an expression or a condition that names the token).
SELECT
    index_.indexrelid::regclass::text AS name,
    index_.indisunique AS is_unique,
    token.attnum <> ALL (index_.indkey::int2[]) AS computed
FROM ROWS FROM (
    pg_catalog.unnest(%(oids)s::oid[]), pg_catalog.unnest(%(attnums)s::int2[])
) AS token (oid, attnum)
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
