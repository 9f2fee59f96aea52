-- Purpose: those of some tables that are still there, and have a column; they once held another table's
--          rows.
-- Parameters: oids, column (its name).
-- Columns: oid, attnum (of the column), schema, name.
SELECT
    part.oid::bigint AS oid,
    column_.attnum,
    namespace.nspname AS schema,
    part.relname AS name
FROM pg_catalog.pg_class AS part
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = part.relnamespace
INNER JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = part.oid AND column_.attname::text = %(column)s
WHERE part.oid = ANY (%(oids)s::bigint[]::oid[]) AND part.relkind = 'r'
ORDER BY 3, 4;
