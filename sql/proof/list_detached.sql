-- Purpose: those of the given tables that still exist, each with its column that once held another
--          table's tokens, whatever its name is now.
-- Parameters: oids, attnums (of the columns, in the same order).
-- Columns: oid, attnum, schema, name, column (NULL if it was dropped), comparable (its type is
--          PostgreSQL's own, perhaps under domains: others may bring code along), readable (by this
--          role, every row).
SELECT
    part.oid::bigint AS oid,
    column_.attnum,
    namespace.nspname AS schema,
    part.relname AS name,
    column_.attname AS column,
    coalesce(base.is_own, false) AS comparable,
    coalesce(pg_catalog.has_column_privilege(part.oid, column_.attnum, 'SELECT'), true)
    AND NOT pg_catalog.row_security_active(part.oid) AS readable
FROM ROWS FROM (
    pg_catalog.unnest(%(oids)s::bigint[]), pg_catalog.unnest(%(attnums)s::int2[])
) AS known (oid, attnum)
INNER JOIN pg_catalog.pg_class AS part ON part.oid::bigint = known.oid AND part.relkind = 'r'
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = part.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = part.oid AND column_.attnum = known.attnum AND NOT column_.attisdropped
CROSS JOIN LATERAL (
    WITH RECURSIVE under AS (
        SELECT column_.atttypid AS oid

        UNION ALL

        SELECT domain.typbasetype
        FROM under
        INNER JOIN pg_catalog.pg_type AS domain ON domain.oid = under.oid AND domain.typtype = 'd'
    )

    SELECT pg_catalog.bool_or(type.typnamespace = 'pg_catalog'::regnamespace) AS is_own
    FROM under
    INNER JOIN pg_catalog.pg_type AS type ON type.oid = under.oid AND type.typtype = 'b'
) AS base
ORDER BY 3, 4;
