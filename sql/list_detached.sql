-- Purpose: those of some tables that are still there; they once held another table's rows.
-- Parameters: oids.
-- Columns: oid, schema, name.
SELECT
    part.oid::bigint AS oid,
    namespace.nspname AS schema,
    part.relname AS name
FROM pg_catalog.pg_class AS part
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = part.relnamespace
WHERE part.oid = ANY (%(oids)s::bigint[]::oid[]) AND part.relkind = 'r'
ORDER BY 2, 3;
