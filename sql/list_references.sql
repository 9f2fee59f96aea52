-- Purpose: the foreign keys that a new token would touch.
-- Parameters: oid, attnum (of the token's column).
-- Columns: name, table (the other one), outgoing (the token refers to it, not the other way round),
--          on_update (pg_constraint.confupdtype).
SELECT
    reference.conname AS name,
    CASE WHEN reference.confrelid = %(oid)s::oid THEN reference.conrelid ELSE reference.confrelid END
        ::regclass::text AS table,
    NOT (reference.confrelid = %(oid)s::oid AND %(attnum)s::int2 = ANY (reference.confkey)) AS outgoing,
    reference.confupdtype AS on_update
FROM pg_catalog.pg_constraint AS reference
WHERE reference.contype = 'f'
    AND reference.conparentid = 0
    AND (
        (reference.confrelid = %(oid)s::oid AND %(attnum)s::int2 = ANY (reference.confkey))
        OR (reference.conrelid = %(oid)s::oid AND %(attnum)s::int2 = ANY (reference.conkey))
    )
ORDER BY reference.conname;
