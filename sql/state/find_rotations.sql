-- Purpose: the rotations that a person names: by their names at the start, and by those of today.
-- Parameters: schema, table, column (each NULL: any).
-- Columns: id.
SELECT known.id
FROM {rotation} AS known
LEFT JOIN pg_catalog.pg_class AS relation ON relation.oid = known.table_oid::oid
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS column_
    ON column_.attrelid = relation.oid
    AND column_.attnum = known.token_attnum
    AND NOT column_.attisdropped
CROSS JOIN LATERAL (
    VALUES
    (known.table_schema, known.table_name, known.token_column),
    (namespace.nspname::text, relation.relname::text, column_.attname::text)
) AS called (schema_name, table_name, column_name)
WHERE (%(schema)s::text IS NULL OR called.schema_name = %(schema)s)
    AND (%(table)s::text IS NULL OR called.table_name = %(table)s)
    AND (%(column)s::text IS NULL OR called.column_name = %(column)s);
