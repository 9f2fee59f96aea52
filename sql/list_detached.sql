-- Purpose: tables that once held a table's rows, are still there, and are no part of it any more.
-- Parameters: oid, known (oids of those that once did).
-- Columns: schema, name.
SELECT
    namespace.nspname AS schema,
    part.relname AS name
FROM pg_catalog.pg_class AS part
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = part.relnamespace
WHERE part.oid = ANY (%(known)s::bigint[]::oid[])
    AND part.relkind = 'r'
    AND part.oid <> %(oid)s::oid
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_partition_tree(%(oid)s::oid::regclass) AS member
        WHERE member.relid = part.oid
    )
ORDER BY 1, 2;
