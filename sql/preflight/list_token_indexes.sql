-- Purpose: the indexes that hold the token or something computed from it.
-- Parameters: oid, attnum (of the token's column).
-- Columns: name, is_unique, computed (from an expression or a condition that names the token).
SELECT
    index_.indexrelid::regclass::text AS name,
    index_.indisunique AS is_unique,
    %(attnum)s::int2 <> ALL (index_.indkey::int2[]) AS computed
FROM pg_catalog.pg_index AS index_
WHERE index_.indrelid = %(oid)s::oid
    AND (
        %(attnum)s::int2 = ANY (index_.indkey::int2[])
        OR EXISTS (
            SELECT FROM pg_catalog.pg_depend AS used
            WHERE used.classid = 'pg_catalog.pg_class'::regclass
                AND used.objid = index_.indexrelid
                AND used.refobjid = index_.indrelid
                AND used.refobjsubid = %(attnum)s
        )
    )
ORDER BY 1;
