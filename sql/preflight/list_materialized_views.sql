-- Purpose: the materialized views that hold the token, or that of a partition, directly or by way of
--          views.
-- Parameters: oids, attnums (from list_token_columns.sql).
-- Columns: name.
WITH RECURSIVE reader AS (
    SELECT rule.ev_class AS oid
    FROM ROWS FROM (
        pg_catalog.unnest(%(oids)s::oid[]), pg_catalog.unnest(%(attnums)s::int2[])
    ) AS token (oid, attnum)
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
