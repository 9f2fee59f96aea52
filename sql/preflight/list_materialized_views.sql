-- Purpose: the materialized views that hold the token, directly or by way of views.
-- Parameters: oid, attnum (of the token's column).
-- Columns: name.
WITH RECURSIVE reader AS (
    SELECT rule.ev_class AS oid
    FROM pg_catalog.pg_depend AS used
    INNER JOIN pg_catalog.pg_rewrite AS rule ON rule.oid = used.objid
    WHERE used.classid = 'pg_catalog.pg_rewrite'::regclass
        AND used.refclassid = 'pg_catalog.pg_class'::regclass
        AND used.refobjid = %(oid)s::oid
        -- A view of whole rows depends on no column; PostgreSQL writes it as `table.*`.
        AND (
            used.refobjsubid = %(attnum)s
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
