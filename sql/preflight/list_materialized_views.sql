-- Purpose: the materialized views that hold the token, or that of a partition, directly or by way of
--          views.
-- Parameters: oid, attnum (of the token's column).
-- Columns: name.
WITH RECURSIVE token AS (
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
),

reader AS (
    SELECT rule.ev_class AS oid
    FROM token
    INNER JOIN pg_catalog.pg_depend AS used ON used.refobjid = token.oid
    INNER JOIN pg_catalog.pg_rewrite AS rule ON rule.oid = used.objid
    WHERE used.classid = 'pg_catalog.pg_rewrite'::regclass
        AND used.refclassid = 'pg_catalog.pg_class'::regclass
        -- A view of whole rows depends on no column; PostgreSQL writes it as `table.*`.
        AND (
            used.refobjsubid = token.attnum
            OR pg_catalog.pg_get_viewdef(rule.ev_class) ~ E'\\.\\*'
        )
        AND rule.ev_class <> used.refobjid

    UNION

    SELECT rule.ev_class
    FROM reader
    INNER JOIN pg_catalog.pg_depend AS used
        ON used.refclassid = 'pg_catalog.pg_class'::regclass AND used.refobjid = reader.oid
    INNER JOIN pg_catalog.pg_rewrite AS rule
        ON used.classid = 'pg_catalog.pg_rewrite'::regclass AND rule.oid = used.objid
)

SELECT relation.oid::regclass::text AS name
FROM reader
INNER JOIN pg_catalog.pg_class AS relation ON relation.oid = reader.oid AND relation.relkind = 'm'
ORDER BY 1;
