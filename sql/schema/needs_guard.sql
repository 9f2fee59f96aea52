-- Purpose: whether a model's table exists, belongs to this role, and has no guard of that name yet.
-- Parameters: the table's name, quoted; the trigger's name.
-- Columns: none; a row if it needs the guard.
SELECT
FROM pg_catalog.pg_class AS relation
WHERE relation.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(%s)::pg_catalog.oid
    AND pg_catalog.pg_has_role(relation.relowner, 'USAGE')
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger AS present
        WHERE present.tgrelid OPERATOR(pg_catalog.=) relation.oid
            AND present.tgname OPERATOR(pg_catalog.=) %s
    );
