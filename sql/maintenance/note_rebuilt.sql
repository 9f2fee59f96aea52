-- Purpose: note that an index was rebuilt; it has a new oid, by which a later run knows it.
-- Parameters: rotation, schema, name (of the index).
-- Columns: bytes (that it has now).
UPDATE {rotation} AS rotation
SET rebuilt = rotation.rebuilt || pg_catalog.to_jsonb(relation.oid::bigint)
FROM pg_catalog.pg_class AS relation
INNER JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE rotation.id = %(rotation)s
    AND namespace.nspname = %(schema)s
    AND relation.relname = %(name)s
RETURNING pg_catalog.pg_relation_size(relation.oid) AS bytes;
