-- Purpose: whether a model's table exists, belongs to this role, has the column, and no guard of that
--          name yet.
-- Parameters: the table's name, quoted; the column's name; the trigger's name.
-- Columns: none; a row if it needs the guard.
SELECT
FROM pg_catalog.pg_class AS relation
WHERE relation.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(%s)::pg_catalog.oid
    AND pg_catalog.pg_has_role(relation.relowner, 'USAGE')
    AND EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS guarded
        WHERE guarded.attrelid OPERATOR(pg_catalog.=) relation.oid
            AND guarded.attname OPERATOR(pg_catalog.=) %s
            AND NOT guarded.attisdropped
    )
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger AS present
        WHERE present.tgrelid OPERATOR(pg_catalog.=) relation.oid
            AND present.tgname OPERATOR(pg_catalog.=) %s
    );
