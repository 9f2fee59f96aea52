-- Purpose: the names of all tables that a person might have meant, for suggestions.
-- Columns: schema, name, visible (found without its schema).
SELECT
    namespace.nspname AS schema,
    relation.relname AS name,
    pg_catalog.pg_table_is_visible(relation.oid) AS visible
FROM pg_catalog.pg_class AS relation
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE relation.relkind IN ('r', 'p')
    AND NOT pg_catalog.starts_with(namespace.nspname::text, 'pg_')
    AND namespace.nspname <> 'information_schema';
