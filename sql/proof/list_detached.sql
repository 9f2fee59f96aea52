-- Purpose: those of the given tables that still exist, each with its column that once held another
--          table's tokens, whatever its name is now.
-- Parameters: oids, attnums (of the columns, in the same order).
-- Columns: oid, attnum, schema, name, column (NULL if it was dropped), comparable (its type is
--          PostgreSQL's own: others may bring code along).
SELECT
    part.oid::bigint AS oid,
    column_.attnum,
    namespace.nspname AS schema,
    part.relname AS name,
    column_.attname AS column,
    coalesce(
        'pg_catalog'::regnamespace IN (type.typnamespace, base.typnamespace), false
    ) AS comparable
FROM ROWS FROM (
    pg_catalog.unnest(%(oids)s::bigint[]), pg_catalog.unnest(%(attnums)s::int2[])
) AS known (oid, attnum)
INNER JOIN pg_catalog.pg_class AS part ON part.oid::bigint = known.oid AND part.relkind = 'r'
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = part.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = part.oid AND column_.attnum = known.attnum AND NOT column_.attisdropped
LEFT JOIN pg_catalog.pg_type AS type ON type.oid = column_.atttypid
LEFT JOIN pg_catalog.pg_type AS base ON base.oid = type.typbasetype AND base.typtype = 'b'
ORDER BY 3, 4;
